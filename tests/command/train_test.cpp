#include <gtest/gtest.h>

#include <set>

#include "command/process.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/systems/task.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::Outcome;
using test::short_training;

const std::vector<std::string> metrics_keys = {"iteration",
                                               "condition",
                                               "samples_total",
                                               "steps_total",
                                               "cost_mean",
                                               "cost_std",
                                               "cost_min",
                                               "cost_model_mean",
                                               "residual_ratio",
                                               "kl_step_mean",
                                               "kl_mean",
                                               "temperature_mean",
                                               "effective_samples_min",
                                               "noise_std_min",
                                               "noise_ratio_min",
                                               "noise_ratio_max",
                                               "floored_steps",
                                               "success_rate",
                                               "distance_mean",
                                               "seconds_rollout",
                                               "seconds_update",
                                               "status"};

TEST(Train, LeavesARunFolder) {
  Command command;
  const Outcome outcome = command.run(
      {"train", "reacher", "--conditions", "2,0", "--samples", "4", "--iterations", "3"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out.find_first_of("\r\x1b"), std::string::npos) << "control codes in a file";
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1 + 3 + 1);

  const std::string run = "runs/reacher-pilqr-seed0";
  std::set<std::string> names;
  for (const auto& [name, bytes] : command.contents(run)) names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{
                       "config.toml", "metrics.jsonl", "details.jsonl", "report.html",
                       "policy.safetensors", "best.safetensors", "checkpoint",
                       "checkpoint/state.safetensors", "checkpoint/previous.safetensors", "samples",
                       "samples/iteration_1.safetensors", "samples/iteration_2.safetensors"}));

  const auto lines = command.metrics(run);
  ASSERT_EQ(lines.size(), 6U);
  const int steps = find_task("reacher").steps;
  for (int i = 0; i < 6; ++i) {
    const auto& line = lines[static_cast<std::size_t>(i)];
    EXPECT_EQ(test::keys_of(line), metrics_keys);
    EXPECT_EQ(line["iteration"], i / 2);
    EXPECT_EQ(line["condition"], i % 2 == 0 ? 2 : 0);
    EXPECT_EQ(line["samples_total"], 4 * (i + 1));
    EXPECT_EQ(line["steps_total"], 4 * (i + 1) * steps);
    EXPECT_EQ(line["status"], "ok");
    for (const char* key : {"cost_mean", "success_rate", "distance_mean", "kl_mean"}) {
      EXPECT_TRUE(line[key].is_number()) << key;
    }
  }

  const PolicyFile policy = load_policy(command.path(run + "/policy.safetensors"));
  EXPECT_EQ(policy.task, "reacher");
  EXPECT_EQ(policy.algorithm, "pilqr");
  EXPECT_EQ(policy.conditions, (std::vector<int>{2, 0}));
  EXPECT_EQ(policy.samples_total, 24);
  EXPECT_EQ(policy.iteration, 3);
}

TEST(Train, NumbersThatAnAlgorithmLacksAreNull) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--algorithm", "pi2"})).status, 0);
  const auto line = command.metrics("r").front();
  EXPECT_EQ(test::keys_of(line), metrics_keys);
  for (const char* key : {"cost_model_mean", "residual_ratio", "kl_step_mean", "kl_mean"}) {
    EXPECT_TRUE(line[key].is_null()) << key;
  }
  EXPECT_TRUE(line["temperature_mean"].is_number());
}

TEST(Train, QuietPrintsOneLine) {
  Command command;
  const Outcome outcome = command.run(short_training("r"));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(test::begins(outcome.out, "Done: 4 iterations, 16 rollouts"));
  EXPECT_EQ(outcome.out.find('\n') + 1, outcome.out.size());
}

// The configuration that a run leaves gives the same run again.
TEST(Train, ConfigReproducesTheRun) {
  Command command;
  ASSERT_EQ(command.run(short_training("a", {"--set", "fit.ridge=1e-07", "--seed", "3"})).status,
            0);
  ASSERT_EQ(command.run({"train", "point_mass", "--config", "a/config.toml", "--out", "b"}).status,
            0);
  EXPECT_EQ(command.read("a/config.toml"), command.read("b/config.toml"));
  EXPECT_TRUE(command.read("a/policy.safetensors") == command.read("b/policy.safetensors"));
  EXPECT_EQ(command.timeless_metrics("a"), command.timeless_metrics("b"));
  ASSERT_EQ(command.run(short_training("c", {"--set", "fit.ridge=1e-07", "--seed", "4"})).status,
            0);
  EXPECT_TRUE(command.read("a/policy.safetensors") != command.read("c/policy.safetensors"));
}

TEST(Train, ThreadsDoNotShow) {
  Command command;
  const std::vector<std::string> gmm = {
      "--set", "fit.prior=gmm", "--set", "gmm.max_clusters=3", "--samples",
      "9",     "--iterations",  "3",     "--threads"};
  for (const char* threads : {"1", "2", "8"}) {
    auto more = gmm;
    more.emplace_back(threads);
    const Outcome outcome = command.run(short_training(threads, more));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }
  const std::string serial = command.read("1/policy.safetensors");
  EXPECT_TRUE(serial == command.read("2/policy.safetensors"));
  EXPECT_TRUE(serial == command.read("8/policy.safetensors"));
  EXPECT_TRUE(command.read("1/checkpoint/state.safetensors") ==
              command.read("8/checkpoint/state.safetensors"));
  EXPECT_EQ(command.timeless_metrics("1"), command.timeless_metrics("8"));
}

// No rollout is done in a nanosecond: each is made twice, put aside and listed.
TEST(Train, FailedRolloutsAreListedAndKept) {
  Command command;
  const Outcome outcome =
      command.run(short_training("r", {"--set", "faults.time_limit=1e-9", "--samples", "3"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(test::contains(outcome.err, "iteration 1 failed: timed_out: condition 0, sample 0"));
  EXPECT_TRUE(test::contains(outcome.err, "0 of 3 rollouts are good, 2 needed"));
  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["status"], "timed_out");
  EXPECT_EQ(lines[0]["samples_total"], 6);
  ASSERT_EQ(lines[0]["faults"].size(), 6U);
  EXPECT_TRUE(test::contains(lines[0]["faults"][4].get<std::string>(),
                             "timed_out: condition 0, sample 1, attempt 2, step 0: value "));
  for (const int sample : {0, 1, 2}) {
    for (const int attempt : {1, 2}) {
      const SafeTensors kept = load_safetensors(
          command.path(fmt::format("r/quarantine/iteration_0_condition_0_sample_{}_attempt_{}"
                                   ".safetensors",
                                   sample, attempt)));
      EXPECT_EQ(kept.tensors.at("x").shape, (std::vector<std::int64_t>{1, 2 * 2}));
      EXPECT_EQ(kept.metadata.at("step"), "0");
      EXPECT_TRUE(test::contains(kept.metadata.at("reason"), "timed_out: "));
    }
  }
  EXPECT_EQ(load_policy(command.path("r/policy.safetensors")).policies[0],
            find_task("point_mass").initial_policy(0));
}

// Without a ridge, fewer samples than dimensions cannot be fitted.
TEST(Train, FailureSaysWhereAndKeepsTheLastGoodPolicy) {
  Command command;
  const Outcome outcome =
      command.run(short_training("r", {"--set", "fit.ridge=0", "--set", "fit.prior=none",
                                       "--samples", "3", "--set", "stop.failed_updates=1"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  for (const char* part : {"iteration 1 failed", "singular_fit", "condition 0", "step 0", "value 0",
                           "r/policy.safetensors"}) {
    EXPECT_TRUE(test::contains(outcome.err, part));
  }
  EXPECT_EQ(outcome.err.find('\n') + 1, outcome.err.size());
  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["status"], "singular_fit");
  EXPECT_TRUE(test::contains(lines[0]["failure"].get<std::string>(), "condition 0, step 0"));
  EXPECT_TRUE(lines[0]["cost_mean"].is_number());
  EXPECT_TRUE(lines[0]["kl_mean"].is_null());
  const PolicyFile policy = load_policy(command.path("r/policy.safetensors"));
  EXPECT_EQ(policy.iteration, 0);
  EXPECT_EQ(policy.policies[0], find_task("point_mass").initial_policy(0));
  // The same again, as everything random is the same.
  const auto before = command.contents("r").at("policy.safetensors");
  EXPECT_EQ(command.run({"train", "--resume", "r"}).status, 1);
  EXPECT_EQ(command.metrics("r").size(), 1U);
  EXPECT_TRUE(command.read("r/policy.safetensors") == before);
}

// Each is written before the next rollout begins: a kill loses none. The run that goes on makes the
// iteration again and keeps these files apart.
TEST(Train, FailedRolloutsOutliveAKill) {
  Command command;
  const auto kept = [&](const std::string& begin) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : command.contents("r/quarantine")) {
      if (test::begins(name, begin)) names.push_back(name);
    }
    return names;
  };
  const auto kill_when = [&](const std::vector<std::string>& words, const auto& reached) {
    const pid_t child = command.start(words);
    for (int i = 0; i < 6000 && !reached(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    (void)command.wait(child);
  };
  kill_when(short_training("r", {"--set", "faults.time_limit=1e-9", "--samples", "100000"}),
            [&] { return kept("iteration_0_").size() >= 3; });
  const auto first = kept("iteration_0_");
  ASSERT_GE(first.size(), 3U);
  EXPECT_TRUE(command.metrics("r").empty()) << "in the middle of the iteration";
  for (const std::string& name : first) {
    const SafeTensors rollout = load_safetensors(command.path("r/quarantine/" + name));
    EXPECT_TRUE(test::contains(rollout.metadata.at("reason"), "timed_out: "));
  }
  kill_when({"train", "--resume", "r"}, [&] {
    return kept("abandoned_1_").size() >= first.size() && !kept("iteration_0_").empty();
  });
  std::vector<std::string> expected;
  for (const std::string& name : first) expected.push_back("abandoned_1_" + name);
  EXPECT_EQ(kept("abandoned_1_"), expected);
  EXPECT_GE(kept("iteration_0_").size(), 1U);
}

// Until then the policy stands and is sampled again; the count survives an interruption.
TEST(Train, StopsAfterFailedUpdatesInARow) {
  Command command;
  std::vector<std::string> words = {"--set",        "fit.ridge=0",
                                    "--set",        "fit.prior=none",
                                    "--samples",    "3",
                                    "--set",        "stop.failed_updates=3",
                                    "--iterations", "9"};
  const Outcome outcome = command.run(short_training("r", words));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  for (const char* part :
       {"iteration 1: update failed, the policy stays as it was: singular_fit: condition 0",
        "iteration 2: update failed",
        "iteration 3 failed: singular_fit: condition 0, step 0: value 0",
        "; 3 updates in a row have failed; r/policy.safetensors holds"}) {
    EXPECT_TRUE(test::contains(outcome.err, part)) << part << outcome.err;
  }
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 3);
  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[2]["samples_total"], 9);
  for (const auto& line : lines) EXPECT_EQ(line["status"], "singular_fit");
  EXPECT_NE(lines[0]["cost_mean"], lines[1]["cost_mean"]);
  const PolicyFile policy = load_policy(command.path("r/policy.safetensors"));
  EXPECT_EQ(policy.iteration, 2);
  EXPECT_EQ(policy.policies[0], find_task("point_mass").initial_policy(0));

  const Outcome again = command.run({"train", "--resume", "r"});
  EXPECT_EQ(again.status, 1);
  EXPECT_TRUE(test::contains(again.err, "; 3 updates in a row have failed")) << again.err;
  EXPECT_EQ(command.timeless_metrics("r").size(), 3U);

  // All of too few iterations.
  words.back() = "2";
  const Outcome short_one = command.run(short_training("short", words));
  EXPECT_EQ(short_one.status, 1);
  EXPECT_TRUE(test::contains(short_one.err, "iteration 2 failed: ")) << short_one.err;
}

TEST(Train, FilesThatCannotBeWritten) {
  Command command;
  // From the start: bad input, and nothing is left behind.
  test::expect_refused(command.run(short_training("r"), 1500), {"r/policy.safetensors", "write"});
  EXPECT_TRUE(command.contents().empty());
  // While running: the metrics outgrow the limit, which the first policy and checkpoint do not.
  const Outcome outcome = command.run(short_training("r", {"--iterations", "1000"}), 40'000);
  EXPECT_EQ(outcome.status, 1);
  // The details, which are longer, do so before, and are no reason to stop.
  const std::size_t first = outcome.err.find('\n') + 1;
  EXPECT_EQ(outcome.err.substr(0, first),
            "pilqr: r/details.jsonl: cannot write: File too large; the run goes on without it\n");
  EXPECT_TRUE(test::begins(outcome.err.substr(first), "pilqr: r/metrics.jsonl: "));
  EXPECT_EQ(outcome.err.find('\n', first) + 1, outcome.err.size());
  // What was saved is good, and the line that broke off is no obstacle.
  const int saved = load_policy(command.path("r/policy.safetensors")).iteration;
  EXPECT_GT(saved, 10);
  EXPECT_EQ(
      command.run({"train", "--resume", "r", "--iterations", std::to_string(saved + 1)}).status, 0);
}

TEST(Evaluate, Json) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--conditions", "1,3"}, "reacher")).status, 0);
  const Outcome outcome = command.run({"evaluate", "r", "--rollouts", "3", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto out = nlohmann::ordered_json::parse(outcome.out);
  EXPECT_EQ(out["task"], "reacher");
  EXPECT_EQ(out["algorithm"], "pilqr");
  EXPECT_EQ(out["seed"], 0);
  EXPECT_EQ(out["samples_total"], 32);
  ASSERT_EQ(out["conditions"].size(), 2U);
  EXPECT_EQ(out["conditions"][1]["condition"], 3);
  for (const auto& condition : out["conditions"]) {
    EXPECT_EQ(test::keys_of(condition),
              (std::vector<std::string>{"condition", "cost_mean", "cost_std", "distance_mean",
                                        "success_rate", "rollouts"}));
    EXPECT_EQ(condition["rollouts"], 3);
  }
  EXPECT_EQ(command.run({"evaluate", "r", "--rollouts", "3", "--json"}).out, outcome.out);
}

// The best policy is that of a run which ends with it, and its cost is in the metrics.
TEST(Evaluate, Best) {
  Command command;
  const auto words = [](const std::string& iterations) {
    return std::vector<std::string>{"--conditions", "0,2", "--iterations", iterations,
                                    "--samples",    "2",   "--algorithm",  "pi2"};
  };
  ASSERT_EQ(command.run(short_training("r", words("8"), "reacher")).status, 0);
  const PolicyFile best = load_policy(command.path("r/best.safetensors"));
  std::istringstream iterations(best.extra.at("best_iterations"));
  std::istringstream costs(best.extra.at("best_costs"));
  const auto lines = command.metrics("r");
  for (const std::size_t m : {0U, 1U}) {
    double least = std::numeric_limits<double>::infinity();
    int expected = -1;
    for (std::size_t n = 0; n < 8; ++n) {
      const double cost = lines[2 * n + m]["cost_mean"];
      if (cost < least) expected = static_cast<int>(n);
      least = std::min(least, cost);
    }
    std::string iteration;
    std::string cost;
    std::getline(iterations, iteration, ',');
    std::getline(costs, cost, ',');
    EXPECT_EQ(iteration, std::to_string(expected));
    EXPECT_EQ(std::stod(cost), least);
    if (expected == 0) {
      EXPECT_EQ(best.policies[m], find_task("reacher").initial_policy(best.conditions[m]));
    } else {
      ASSERT_EQ(
          command.run(short_training("short" + iteration, words(iteration), "reacher")).status, 0);
      EXPECT_EQ(best.policies[m],
                load_policy(command.path("short" + iteration + "/policy.safetensors")).policies[m]);
      std::filesystem::remove_all(command.path("short" + iteration));
    }
  }
  const Outcome outcome = command.run({"evaluate", "r", "--best", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto out = nlohmann::ordered_json::parse(outcome.out);
  EXPECT_EQ(out["best"], true);
  EXPECT_EQ(out["best_iterations"], best.extra.at("best_iterations"));
  command.write("r/policy.safetensors", command.read("r/best.safetensors"));
  EXPECT_EQ(
      nlohmann::ordered_json::parse(command.run({"evaluate", "r", "--json"}).out)["conditions"],
      out["conditions"]);
  std::filesystem::remove(command.path("r/best.safetensors"));
  test::expect_refused(command.run({"evaluate", "r", "--best"}), {"r/best.safetensors"});
}

TEST(Evaluate, NoiseAndSeed) {
  Command command;
  ASSERT_EQ(command.run(short_training("r")).status, 0);
  const auto cost = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "r", "--json"});
    const auto out = nlohmann::ordered_json::parse(command.run(more).out);
    return std::pair<double, double>(out["conditions"][0]["cost_mean"],
                                     out["conditions"][0]["cost_std"]);
  };
  // The point mass is deterministic: without noise the seed cannot matter.
  EXPECT_NEAR(cost({}).second, 0.0, 1e-9);
  EXPECT_EQ(cost({}), cost({"--seed", "9"}));
  EXPECT_GT(cost({"--noise"}).second, 0.1);
  EXPECT_EQ(cost({"--noise"}), cost({"--noise", "--seed", "0"}));
  EXPECT_NE(cost({"--noise"}), cost({"--noise", "--seed", "9"}));
}

TEST(Tasks, Json) {
  Command command;
  const auto out = nlohmann::ordered_json::parse(command.run({"tasks", "--json"}).out);
  ASSERT_EQ(out.size(), tasks().size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(test::keys_of(out[i]), (std::vector<std::string>{"name", "summary", "nx", "nu",
                                                               "steps", "dt", "conditions"}));
    EXPECT_EQ(out[i]["name"], tasks()[i].name);
    EXPECT_EQ(out[i]["conditions"], tasks()[i].conditions);
    EXPECT_TRUE(test::contains(command.run({"tasks"}).out, tasks()[i].name));
  }
}

}  // namespace
}  // namespace pilqr
