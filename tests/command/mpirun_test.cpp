// pilqr under mpirun: the run folder of one process, bit by bit; faults end all ranks.

#include <gtest/gtest.h>

#include <fstream>

#include "command/process.hpp"
#include "pilqr/io/policy_file.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::expect_same_run;
using test::Outcome;
using test::short_training;

/// Words that begin a command on so many ranks; see tests/CMakeLists.txt.
std::vector<std::string> mpirun(int ranks) {
  std::istringstream words(PILQR_MPIRUN);
  std::vector<std::string> command{std::istream_iterator<std::string>(words), {}};
  command.insert(command.end(), {"-n", std::to_string(ranks)});
  return command;
}

Outcome run(Command& command, int ranks, const std::vector<std::string>& arguments) {
  return command.wait(command.start(arguments, 0, mpirun(ranks)));
}

/// The lines of the program itself; mpirun adds its own when a status is not 0.
std::vector<std::string> own_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (test::begins(line, "pilqr: ")) lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> training(const std::string& out, const std::string& conditions,
                                  std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--conditions", conditions});
  return short_training(out, more, "reacher");
}

TEST(Mpirun, RanksDoNotShow) {
  Command command;
  const std::vector<std::string> gmm = {"--set", "fit.prior=gmm", "--set", "gmm.max_clusters=3"};
  for (const std::string conditions : {"3,1,0", "2"}) {
    const std::string alone = "alone" + conditions;
    ASSERT_EQ(command.run(training(alone, conditions, gmm)).status, 0);
    for (const int ranks : {2, 4}) {
      const std::string shared = fmt::format("{}of{}", ranks, conditions);
      const Outcome outcome = run(command, ranks, training(shared, conditions, gmm));
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      EXPECT_TRUE(test::begins(outcome.out, "Done: 4 iterations"));
      EXPECT_EQ(outcome.out.find('\n') + 1, outcome.out.size()) << "one rank tells";
      expect_same_run(command, alone, shared);
    }
  }
}

// The mixtures of the linearisation too: the first rank saves what another one has learnt.
TEST(Mpirun, RanksDoNotShowInANetwork) {
  Command command;
  const std::vector<std::string> guided = {
      "--algorithm", "mdgps_pilqr",        "--set", "network.steps=40",
      "--set",       "gmm.max_clusters=3", "--set", "mdgps.linearize_prior=gmm"};
  ASSERT_EQ(command.run(training("alone", "3,1,0", guided)).status, 0);
  const Outcome outcome = run(command, 2, training("shared", "3,1,0", guided));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  expect_same_run(command, "alone", "shared");
  const Outcome resumed = run(command, 2, {"train", "--resume", "shared", "--iterations", "5"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  ASSERT_EQ(command.run({"train", "--resume", "alone", "--iterations", "5"}).status, 0);
  expect_same_run(command, "alone", "shared");
}

TEST(Mpirun, RanksDoNotShowInANetworkThatLearnsAlone) {
  Command command;
  const std::vector<std::string> alone = {"--algorithm", "trpo"};
  ASSERT_EQ(command.run(training("alone", "3,1,0", alone)).status, 0);
  const Outcome outcome = run(command, 2, training("shared", "3,1,0", alone));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  expect_same_run(command, "alone", "shared");
}

TEST(Mpirun, RanksWithThreads) {
  Command command;
  ASSERT_EQ(command.run(training("alone", "0,2")).status, 0);
  const Outcome outcome = run(command, 2, training("shared", "0,2", {"--threads", "2"}));
#if defined(PILQR_HAS_TBB)
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  expect_same_run(command, "alone", "shared");
#else
  EXPECT_EQ(outcome.status, 2);
#endif
}

TEST(Mpirun, ResumesWithAnyNumberOfRanks) {
  Command command;
  const std::vector<std::string> gmm = {"--set", "fit.prior=gmm", "--set", "gmm.max_clusters=3",
                                        "--iterations"};
  auto words = gmm;
  words.emplace_back("4");
  ASSERT_EQ(command.run(training("alone", "1,0,2", words)).status, 0);
  words.back() = "1";
  ASSERT_EQ(run(command, 4, training("shared", "1,0,2", words)).status, 0);
  const auto resume = [&](int ranks, const char* iterations) {
    const std::vector<std::string> again = {"train",        "--resume", "shared",
                                            "--iterations", iterations, "--quiet"};
    const Outcome outcome = ranks == 1 ? command.run(again) : run(command, ranks, again);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  };
  resume(2, "2");
  resume(1, "3");
  resume(4, "4");
  expect_same_run(command, "alone", "shared");
  const Outcome finished = run(command, 2, {"train", "--resume", "shared"});
  EXPECT_EQ(finished.status, 0);
  EXPECT_EQ(finished.out, "shared is finished: 4 iterations, more with --iterations\n");
}

TEST(Mpirun, BadInputIsToldOnce) {
  Command command;
  command.write("file", "mine");
  command.write("unknown.toml", "typo = 1\n");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"fly"}, "fly"},
      {{"train"}, "TASK"},
      {{"train", "juggling"}, "'juggling'"},
      {{"train", "point_mass", "--samples", "0"}, "--samples 0"},
      {{"train", "point_mass", "--out", "file"}, "file"},
      {{"train", "point_mass", "--config", "unknown.toml"}, "typo"},
      {{"train", "--resume", "nowhere"}, "nowhere"},
      {{"compare", "point_mass"}, "compare runs in one process, not in 2"},
      {{"evaluate", "nowhere"}, "evaluate runs in one process"},
  };
  const auto before = command.contents();
  for (const auto& [arguments, part] : cases) {
    const Outcome outcome = run(command, 2, arguments);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    const auto lines = own_lines(outcome.err);
    ASSERT_EQ(lines.size(), 1U) << outcome.err;
    EXPECT_TRUE(test::contains(lines[0], part));
    EXPECT_TRUE(command.contents() == before);
  }
  const Outcome help = run(command, 2, {"--version"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.out.find('\n') + 1, help.out.size());
}

TEST(Mpirun, AFailedUpdateEndsAllRanks) {
  Command command;
  const Outcome outcome = run(command, 2,
                              training("r", "0,1,2",
                                       {"--set", "fit.ridge=0", "--set", "fit.prior=none",
                                        "--samples", "3", "--set", "stop.failed_updates=1"}));
  EXPECT_EQ(outcome.status, 1);
  const auto lines = own_lines(outcome.err);
  ASSERT_EQ(lines.size(), 1U) << outcome.err;
  EXPECT_TRUE(test::contains(lines[0], "iteration 1 failed: singular_fit: condition 0, step 0"));
  EXPECT_EQ(command.metrics("r").size(), 3U) << "the other conditions are reported too";
  EXPECT_EQ(load_policy(command.path("r/policy.safetensors")).iteration, 0);
}

// The first rank cannot write any more, which the others cannot know: the job is aborted.
TEST(Mpirun, AFaultOfOneRankEndsAll) {
  Command command;
  const pid_t launcher =
      command.start(training("r", "0,1,2", {"--iterations", "100000"}), 0, mpirun(2));
  command.wait_for_lines("r", 6);
  std::filesystem::rename(command.path("r"), command.path("moved"));
  const Outcome outcome = command.wait(launcher);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  const auto lines = own_lines(outcome.err);
  ASSERT_EQ(lines.size(), 1U) << outcome.err;
  EXPECT_TRUE(test::begins(lines[0], "pilqr: rank 0: r/"));
  const int saved = load_policy(command.path("moved/policy.safetensors")).iteration;
  EXPECT_GE(saved, 1);
  const std::string total = std::to_string(saved + 1);
  EXPECT_EQ(run(command, 2, {"train", "--resume", "moved", "--iterations", total}).status, 0);
}

/// The process ids of mpirun's ranks.
std::vector<pid_t> children_of(pid_t parent) {
  std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", parent));
  return {std::istream_iterator<pid_t>(file), {}};
}

/// A long run on 2 ranks, a signal to some process, and what the folder then holds.
void expect_interrupted(int signal, const std::function<pid_t(pid_t launcher)>& whom) {
  Command command;
  const pid_t launcher =
      command.start(training("cut", "0,1,2", {"--iterations", "100000"}), 0, mpirun(2));
  command.wait_for_lines("cut", 6);
  const pid_t target = whom(launcher);
  ASSERT_GT(target, 1);
  ASSERT_EQ(::kill(target, signal), 0);
  const Outcome outcome = command.wait(launcher);
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_TRUE(test::begins(outcome.out, "Interrupted after ")) << outcome.out;
  const int saved = load_policy(command.path("cut/policy.safetensors")).iteration;
  EXPECT_GE(saved, 2);
  EXPECT_EQ(static_cast<int>(command.metrics("cut").size()), 3 * saved);

  const std::string total = std::to_string(saved + 1);
  EXPECT_EQ(run(command, 4, {"train", "--resume", "cut", "--iterations", total}).status, 0);
  ASSERT_EQ(command.run(training("whole", "0,1,2", {"--iterations", total})).status, 0);
  expect_same_run(command, "whole", "cut");
}

TEST(Mpirun, ASignalToOneRankStopsAll) {
  expect_interrupted(SIGINT, [](pid_t launcher) {
    const auto ranks = children_of(launcher);
    return ranks.size() == 2 ? ranks[1] : pid_t{0};
  });
}

TEST(Mpirun, PassesOnASignalToAllRanks) {
  expect_interrupted(SIGUSR1, [](pid_t launcher) { return launcher; });
}

// MPI does not begin without several processes: a setting under which it cannot is no obstacle.
TEST(Mpirun, OneProcessDoesNotBeginMpi) {
  Command command;
  const auto status = [&](std::vector<std::string> variables) {
    variables.insert(variables.begin(), {"/usr/bin/env", "OMPI_MCA_pml=nonsense"});
    std::filesystem::remove_all(command.path("r"));
    return command.wait(command.start(training("r", "0"), 0, variables)).status;
  };
  EXPECT_EQ(status({}), 0);
  EXPECT_EQ(status({"OMPI_COMM_WORLD_SIZE=1", "PMIX_RANK=0"}), 0);
  EXPECT_EQ(status({"SLURM_PROCID=0", "SLURM_NTASKS=4"}), 0);
  EXPECT_EQ(status({"PMIX_RANK=0", "PILQR_MPI=off"}), 0);
  if (test::contains(PILQR_MPIRUN, "--mca")) {  // Open MPI, which knows the setting
    EXPECT_NE(status({"PMIX_RANK=0"}), 0);
  }
}

}  // namespace
}  // namespace pilqr
