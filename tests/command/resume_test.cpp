#include <gtest/gtest.h>

#include "command/process.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/io/sealed.hpp"
#include "pilqr/systems/task.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::expect_same_run;
using test::Outcome;
using test::short_training;

/// Training that nobody waits for.
constexpr const char* endless = "100000";

class ResumeOf : public ::testing::TestWithParam<const char*> {};

TEST_P(ResumeOf, IsBitIdenticalAtEveryCut) {
  Command command;
  const std::string setting = GetParam();
  std::vector<std::string> more = {"--set", setting, "--conditions", "3,1", "--iterations"};
  const auto insert = [&](const std::vector<std::string>& words) {
    more.insert(more.begin(), words.begin(), words.end());
  };
  if (test::contains(setting, "=gmm")) insert({"--set", "gmm.max_clusters=3"});
  if (test::contains(setting, "ddpg")) insert({"--set", "ddpg.updates_per_step=0.02"});
  if (test::contains(setting, "mdgps")) insert({"--set", "network.steps=40"});
  if (test::begins(setting, "mdgps.")) insert({"--algorithm", "mdgps_lqr_flm"});
  const auto train = [&](const std::string& out, const std::string& iterations) {
    auto words = more;
    words.push_back(iterations);
    const Outcome outcome = command.run(short_training(out, words, "reacher"));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  };
  train("whole", "5");
  for (const char* cut : {"1", "2", "4"}) {
    train(cut, cut);
    const Outcome outcome = command.run({"train", "--resume", cut, "--iterations", "5"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    expect_same_run(command, "whole", cut);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ResumeOf,
                         ::testing::Values("algorithm=pilqr", "fit.prior=gmm", "algorithm=lqr_flm",
                                           "algorithm=pi2", "preset=paper", "algorithm=mdgps_pilqr",
                                           "algorithm=mdgps_pi2", "algorithm=trpo",
                                           "algorithm=ddpg", "mdgps.linearize_prior=gmm",
                                           "mdgps.sample_with=local_policy"),
                         [](const auto& of) {
                           std::string name = of.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '.' || c == '='; }, '_');
                           return name;
                         });

/// A run that a signal ends after at least two iterations; what it then needs to be whole.
void expect_resumable_after(int signal, int expected_status) {
  Command command;
  const std::vector<std::string> gmm = {"--set", "fit.prior=gmm", "--set", "gmm.max_clusters=3",
                                        "--iterations"};
  auto words = gmm;
  words.emplace_back(endless);
  const pid_t child = command.start(short_training("cut", words));
  command.wait_for_lines("cut", 2);
  ASSERT_EQ(::kill(child, signal), 0);
  const Outcome outcome = command.wait(child);
  ASSERT_EQ(outcome.status, expected_status) << outcome.err;

  const int saved = load_policy(command.path("cut/policy.safetensors")).iteration;
  ASSERT_GE(saved, 1);
  const std::string total = std::to_string(saved + 2);
  const Outcome resumed = command.run({"train", "--resume", "cut", "--iterations", total});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  words.back() = total;
  ASSERT_EQ(command.run(short_training("whole", words)).status, 0);
  expect_same_run(command, "whole", "cut");
}

TEST(Resume, AfterCtrlC) {
  expect_resumable_after(SIGINT, 130);
}
TEST(Resume, AfterTermination) {
  expect_resumable_after(SIGTERM, 143);
}
TEST(Resume, AfterKill) {
  expect_resumable_after(SIGKILL, 128 + SIGKILL);
}

TEST(Resume, CtrlCSaysHowToGoOn) {
  Command command;
  const pid_t child = command.start(short_training("r", {"--iterations", endless}));
  command.wait_for_lines("r", 1);
  ASSERT_EQ(::kill(child, SIGINT), 0);
  const Outcome outcome = command.wait(child);
  EXPECT_EQ(outcome.status, 130);
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(test::begins(outcome.out, "Interrupted after "));
  EXPECT_TRUE(test::contains(outcome.out, "pilqr train --resume r\n"));
  // Finished means finished: as many lines as the policy has iterations.
  EXPECT_EQ(static_cast<int>(command.metrics("r").size()),
            load_policy(command.path("r/policy.safetensors")).iteration);
}

// An iteration of many rollouts, so that the second signal comes in its middle.
void expect_second_ends_at_once(int signal, int expected_status) {
  Command command;
  const pid_t child =
      command.start(short_training("r", {"--iterations", "2", "--samples", "100000"}));
  command.wait_for_lines("r", 0);
  while (!std::filesystem::exists(command.path("r/checkpoint/state.safetensors"))) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_EQ(::kill(child, signal), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_EQ(::kill(child, signal), 0);
  EXPECT_EQ(command.wait(child).status, expected_status);
  EXPECT_TRUE(command.metrics("r").empty());
  // The iteration is abandoned, and the folder is as good as new.
  EXPECT_EQ(load_policy(command.path("r/policy.safetensors")).policies[0],
            find_task("point_mass").initial_policy(0));
}

TEST(Resume, SecondCtrlCEndsAtOnce) {
  expect_second_ends_at_once(SIGINT, 130);
}
TEST(Resume, SecondTerminationEndsAtOnce) {
  expect_second_ends_at_once(SIGTERM, 143);
}

TEST(Resume, RunsWithSettingsThatTheirAlgorithmDoesNotUse) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--algorithm", "lqr_flm"})).status, 0);
  const std::string config = command.read("r/config.toml");
  command.write("r/config.toml", config + "[pi2]\ncentered = true\n");
  ASSERT_EQ(command.run({"evaluate", "r"}).status, 0);
  ASSERT_EQ(command.run({"train", "--resume", "r", "--iterations", "5"}).status, 0);
  EXPECT_FALSE(test::contains(command.read("r/config.toml"), "pi2"));
}

TEST(Resume, FinishedRunSaysSo) {
  Command command;
  ASSERT_EQ(command.run(short_training("r")).status, 0);
  const auto before = command.contents();
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"--iterations", "4"}, {"--iterations", "2"}}) {
    std::vector<std::string> words = {"train", "--resume", "r"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = command.run(words);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_TRUE(test::begins(outcome.out, "r is finished: 4 iterations"));
    EXPECT_TRUE(command.contents() == before);
  }
}

// A line that broke off, and lines that are newer than the checkpoint.
TEST(Resume, TrimsTheMetricsToTheCheckpoint) {
  Command command;
  ASSERT_EQ(command.run(short_training("whole", {"--iterations", "3"})).status, 0);
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "2"})).status, 0);
  const std::string good = command.read("r/metrics.jsonl");
  for (const std::string& rest :
       {std::string("{\"iteration\":2,\"cond"), std::string("{\"iteration\":2}\n"),
        std::string("garbage\n\n"), good}) {
    std::filesystem::remove_all(command.path("copy"));
    std::filesystem::copy(command.path("r"), command.path("copy"),
                          std::filesystem::copy_options::recursive);
    command.write("copy/metrics.jsonl", good + rest);
    ASSERT_EQ(command.run({"train", "--resume", "copy", "--iterations", "3"}).status, 0);
    expect_same_run(command, "whole", "copy");
  }
}

// Lines of iterations that are made again are of trials that were made all the same.
TEST(Resume, KeepsTheLinesThatItCuts) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "2"})).status, 0);
  const std::string good = command.read("r/metrics.jsonl");
  const std::string one = "{\"iteration\":2,\"condition\":0,\"samples_total\":12}\n";
  command.write("r/metrics.jsonl", good + one + "{\"iteration\":2,\"cond");
  ASSERT_EQ(command.run({"train", "--resume", "r", "--iterations", "3"}).status, 0);
  EXPECT_EQ(command.read("r/abandoned.jsonl"), one);
  // Cut again: behind the others. A run that ended before it cut the metrics appends nothing twice.
  const std::string now = command.read("r/metrics.jsonl");
  const std::string two = "{\"iteration\":3,\"condition\":0,\"samples_total\":16}\n";
  command.write("r/metrics.jsonl", now + two);
  command.write("r/abandoned.jsonl", one + two);
  ASSERT_EQ(command.run({"train", "--resume", "r", "--iterations", "4"}).status, 0);
  EXPECT_EQ(command.read("r/abandoned.jsonl"), one + two);
  EXPECT_EQ(command.metrics("r").size(), 4U);
}

TEST(Resume, ARunWhoseExplorationIsSpentIsFinished) {
  Command command;
  const Outcome outcome =
      command.run(short_training("r", {"--iterations", "9", "--set", "exploration.spent_ratio=1000",
                                       "--set", "exploration.spent_iterations=2"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(test::begins(outcome.out, "Done: 2 iterations of 9, exploration is spent"))
      << outcome.out;
  EXPECT_EQ(command.metrics("r").size(), 2U);
  const auto before = command.contents();
  const Outcome again = command.run({"train", "--resume", "r"});
  EXPECT_EQ(again.status, 0);
  EXPECT_EQ(again.out, "r is finished: 2 iterations, its exploration is spent\n");
  EXPECT_TRUE(command.contents() == before);
}

TEST(Resume, SaysThatALineIsTornAndClearsUp) {
  Command command;
  ASSERT_EQ(command.run(short_training("whole", {"--iterations", "3"})).status, 0);
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "2"})).status, 0);
  command.write("r/metrics.jsonl", command.read("r/metrics.jsonl") + "{\"iteration\":2,\"cond");
  std::filesystem::create_directory(command.path("r/quarantine"));
  for (const char* folder : {"r/", "r/checkpoint/", "r/quarantine/", "r/samples/"}) {
    command.write(std::string(folder) + ".pilqr-17-0.tmp", "half a file");
  }
  command.write("r/notes.tmp", "mine");
  const Outcome outcome = command.run({"train", "--resume", "r", "--iterations", "3"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err,
            "pilqr: r/metrics.jsonl: its last line has no end; it is cut after line 2\n");
  expect_same_run(command, "whole", "r");
  for (const auto& [name, bytes] : command.contents("r")) {
    EXPECT_EQ(name.find(".pilqr-"), std::string::npos) << name;
  }
  EXPECT_EQ(command.read("r/notes.tmp"), "mine");
}

// Details are for a report: a run goes on without them.
TEST(Resume, PutsDetailsAsideThatAreTooLarge) {
  Command command;
  ASSERT_EQ(command.run(short_training("whole", {"--iterations", "3"})).status, 0);
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "2"})).status, 0);
  const std::uint64_t size = largest_file + 1;
  std::filesystem::resize_file(command.path("r/details.jsonl"), size);  // takes no room
  const Outcome outcome = command.run({"train", "--resume", "r", "--iterations", "3"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err,
            "pilqr: r/details.jsonl: has 1073741825 bytes, expected at most 1073741824; it is now "
            "r/abandoned_1_details.jsonl, and a new one is begun\n");
  expect_same_run(command, "whole", "r", false);
  EXPECT_EQ(std::filesystem::file_size(command.path("r/abandoned_1_details.jsonl")), size);
  const std::string details = command.read("r/details.jsonl");
  EXPECT_TRUE(test::begins(details, "{\"iteration\":2,"));
  EXPECT_EQ(std::count(details.begin(), details.end(), '\n'), 1);
}

/// The file with a NaN in a gain.
std::string with_nan(const std::filesystem::path& path) {
  SafeTensors contents = unseal(test::read_plainly(path), path);
  std::get<std::vector<double>>(contents.tensors.at("condition_0/K").values)[0] =
      std::numeric_limits<double>::quiet_NaN();
  return seal(contents);
}

TEST(Resume, BadFoldersAreRefusedUnchanged) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--conditions", "0,1"}, "reacher")).status, 0);
  const std::string metrics = command.read("r/metrics.jsonl");
  const std::string config = command.read("r/config.toml");
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  struct Case {
    std::string file;
    std::string bytes;
    std::string part;
  };
  const std::vector<Case> cases = {
      {"checkpoint/state.safetensors", with_nan(command.path("r/checkpoint/state.safetensors")),
       "K at step 0 has a NaN"},
      {"checkpoint/state.safetensors", seal(load_safetensors(command.path("r/policy.safetensors"))),
       "format"},
      {"metrics.jsonl", "", "r/metrics.jsonl: line 1 is not that of iteration 0, condition 0"},
      {"metrics.jsonl", metrics.substr(0, metrics.size() - 1), "line 8"},
      {"metrics.jsonl", metrics.substr(metrics.find('\n') + 1), "line 1"},
      {"config.toml", config + "[nois]\n", "r/config.toml: nois: unknown section"},
      {"config.toml", replaced(config, "seed = 0", "seed = 1"), "\"seed\""},
      {"config.toml", replaced(config, "[0, 1]", "[0]"), "\"conditions\""},
      {"config.toml", replaced(config, "\"reacher\"", "\"juggling\""), "r/config.toml: task"},
      {"config.toml", replaced(config, "\"pilqr\"", "\"lqr_flm\""), "\"algorithm\""},
      {"config.toml", replaced(config, "\"neighbours\"", "\"gmm\""), "gmm/batches\" is missing"},
  };
  for (const Case& c : cases) {
    const std::string good = command.read("r/" + c.file);
    command.write("r/" + c.file, c.bytes);
    const auto before = command.contents();
    test::expect_refused(command.run({"train", "--resume", "r", "--iterations", "9"}), {c.part});
    EXPECT_TRUE(command.contents() == before) << c.part;
    command.write("r/" + c.file, good);
  }
  for (const char* file : {"metrics.jsonl", "config.toml"}) {
    const std::string good = command.read(std::string("r/") + file);
    std::filesystem::remove(command.path(std::string("r/") + file));
    test::expect_refused(command.run({"train", "--resume", "r"}), {file, "cannot open"});
    command.write(std::string("r/") + file, good);
  }
  test::expect_refused(command.run({"train", "--resume", "nowhere"}), {"nowhere"});
  test::expect_refused(command.run({"train", "--resume", "r", "--iterations", "0"}),
                       {"iterations is 0"});
  test::expect_refused(command.run({"train", "reacher", "--resume", "r"}), {"--resume r"});
  test::expect_refused(command.run({"train", "--resume", "r", "--seed", "1"}), {"--resume r"});
  test::expect_refused(command.run({"train", "--resume", "r", "--set", "samples=1"}),
                       {"--resume r"});
}

}  // namespace
}  // namespace pilqr
