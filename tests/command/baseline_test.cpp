// TRPO and DDPG on the command line: what they leave, and that they go on as if never stopped.
#include <gtest/gtest.h>

#include <csignal>

#include "command/process.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/systems/task.hpp"
#include "pilqr/train/learner.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::expect_refused;
using test::expect_same_run;
using test::Outcome;
using test::short_training;
using Json = nlohmann::json;

class BaselineRun : public ::testing::TestWithParam<const char*> {
 protected:
  static std::vector<std::string> words(const std::string& out,
                                        std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--algorithm", GetParam(), "--conditions", "1,0", "--samples", "2",
                             "--set", "network.hidden=[8]"});
    if (GetParam() == std::string("ddpg")) {
      more.insert(more.end(), {"--set", "ddpg.start_steps=300", "--set", "ddpg.batch=16"});
    }
    return short_training(out, more, "reacher");
  }
};

TEST_P(BaselineRun, LeavesANetworkAlone) {
  Command command;
  const Outcome outcome = command.run(words("r"));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const NetworkFile file = load_network(command.path("r/policy.safetensors"));
  EXPECT_EQ(file.algorithm, GetParam());
  EXPECT_EQ(file.samples_total, 4 * 2 * 2);
  EXPECT_EQ(file.iteration, 4);
  EXPECT_EQ(file.policy.nx(), 8 + 2) << "the state and the way to the target";
  EXPECT_EQ(file.policy.network().shape().hidden, (std::vector{8}));
  EXPECT_FALSE(std::filesystem::exists(command.path("r/local_policies.safetensors")));

  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 8U);
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["condition"], i % 2 == 0 ? 1 : 0);
    EXPECT_EQ(lines[i]["samples_total"], 2 * (i + 1));
    EXPECT_EQ(lines[i]["status"], "ok");
    EXPECT_EQ(lines[i]["kl_mean"].is_null(), GetParam() == std::string("ddpg"));
    EXPECT_GT(lines[i]["distance_mean"], 0.0);
    if (i % 2 == 1) {
      const double cost =
          (lines[i - 1]["cost_mean"].get<double>() + lines[i]["cost_mean"].get<double>()) / 2.0;
      least = std::min(least, cost);
    }
  }
  const NetworkFile best = load_network(command.path("r/best.safetensors"));
  EXPECT_NEAR(std::stod(best.extra.at("best_costs")), least, 1e-9 * least);
}

TEST_P(BaselineRun, EvaluatesOnHeldOutConditions) {
  Command command;
  ASSERT_EQ(command.run(words("r")).status, 0);
  for (const bool best : {false, true}) {
    std::vector<std::string> evaluate = {"evaluate", "r", "--rollouts", "1", "--json"};
    if (best) evaluate.emplace_back("--best");
    const Outcome outcome = command.run(evaluate);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Json json = Json::parse(outcome.out);
    EXPECT_EQ(json["algorithm"], GetParam());
    EXPECT_EQ(json["samples_total"], 16);
    EXPECT_EQ(json["best"], best);
    ASSERT_EQ(json["conditions"].size(), 2U + 24U + 12U);
    EXPECT_EQ(json["conditions"][0]["condition"], 1);
    EXPECT_EQ(json["conditions"][2]["held_out"], "targets");
    EXPECT_EQ(json["conditions"][37]["held_out"], "starts");
  }
}

TEST_P(BaselineRun, ThreadsDoNotShow) {
  Command command;
  ASSERT_EQ(command.run(words("one", {"--threads", "1"})).status, 0);
  ASSERT_EQ(command.run(words("two", {"--threads", "2"})).status, 0);
  expect_same_run(command, "one", "two");
}

TEST_P(BaselineRun, GoesOnAfterAKill) {
  Command command;
  const pid_t child = command.start(words("cut", {"--iterations", "100000"}));
  command.wait_for_lines("cut", 4);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(command.wait(child).status, 128 + SIGKILL);
  const std::string total = std::to_string(test::saved_iterations(command, "cut") + 2);
  const Outcome resumed = command.run({"train", "--resume", "cut", "--iterations", total});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  ASSERT_EQ(command.run(words("whole", {"--iterations", total})).status, 0);
  expect_same_run(command, "whole", "cut");
}

// A checkpoint of the other algorithm, and one of another network, are refused as they are.
TEST_P(BaselineRun, DamagedStatesAreRefused) {
  Command command;
  ASSERT_EQ(command.run(words("r")).status, 0);
  std::string config = command.read("r/config.toml");
  const auto at = config.find("hidden = [8]");
  ASSERT_NE(at, std::string::npos);
  command.write("r/config.toml", config.replace(at, 12, "hidden = [9]"));
  const Outcome outcome = command.run({"train", "--resume", "r", "--iterations", "5"});
  expect_refused(outcome, {"state.safetensors"});
}

INSTANTIATE_TEST_SUITE_P(Both, BaselineRun, ::testing::Values("trpo", "ddpg"),
                         [](const auto& of) { return std::string(of.param); });

TEST(Baseline, IsComparedWithTheOthers) {
  Command command;
  const Outcome outcome = command.run({"compare", "reacher", "--algorithms", "trpo,pilqr",
                                       "--seeds", "2", "--samples", "3", "--iterations", "2",
                                       "--conditions", "0,1", "--json", "--quiet", "--out", "c"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  ASSERT_EQ(json["algorithms"].size(), 2U);
  EXPECT_EQ(json["algorithms"][0]["algorithm"], "trpo");
  for (const Json& condition : json["algorithms"][0]["conditions"]) {
    EXPECT_EQ(condition["cost"]["values"].size(), 2U);
  }
}

TEST(Baseline, BadSettingsAreRefused) {
  Command command;
  for (const auto& [algorithm, setting, part] :
       {std::tuple{"trpo", "trpo.kl_step=0", "kl_step is 0"},
        std::tuple{"trpo", "trpo.lambda=2", "lambda is 2"},
        std::tuple{"trpo", "kl_step.base_first=1", "not used by trpo"},
        std::tuple{"ddpg", "ddpg.batch=100001", "batch is 100001"},
        std::tuple{"ddpg", "trpo.lambda=0.5", "not used by ddpg"}}) {
    expect_refused(
        command.run(short_training("r", {"--algorithm", algorithm, "--set", setting}, "reacher")),
        {setting, part});
  }
}

// Without `twin` it is the algorithm of the DDPG paper, whatever else is set.
TEST(Baseline, WithoutATwinItIsPlainDdpg) {
  const Task& task = find_task("reacher");
  Settings settings = default_settings(task, Algorithm::ddpg);
  settings.ddpg.twin = false;
  const Learner learner = make_learner(settings, task);
  const auto& ddpg = std::get<Ddpg>(std::get<AnyBaseline>(learner).learner);
  EXPECT_EQ(ddpg.options().policy_delay, DdpgOptions::plain().policy_delay);
  EXPECT_EQ(ddpg.options().smoothing_std, 0.0);
}

// Where controls have no limit, the scale is such that both begin with the task's own noise.
TEST(Baseline, ControlsWithoutLimitsAreScaledByTheFirstPolicy) {
  Task task = find_task("reacher");
  task.control_limit = std::numeric_limits<double>::infinity();
  const Settings settings = default_settings(task, Algorithm::trpo);
  const Learner learner = make_learner(settings, task);
  const MatrixX L = network_of(learner)->covariance_factor();
  const VectorX expected = task.initial_policy(0).L[0].rowwise().norm();
  EXPECT_LE((L.diagonal() - 2.0 * settings.trpo.initial_std * expected).norm(), 1e-12);
}

}  // namespace
}  // namespace pilqr
