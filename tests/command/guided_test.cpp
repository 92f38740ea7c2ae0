// Guided policy search on the command line: what it leaves, and how its network is evaluated.
#include <gtest/gtest.h>

#include <cmath>

#include "command/process.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/systems/task.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::Outcome;
using test::short_training;
using Json = nlohmann::json;

std::vector<std::string> guided(const std::string& out, const std::string& algorithm,
                                std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--algorithm", algorithm, "--set", "network.steps=40", "--set",
                           "network.hidden=[8]", "--conditions", "1,0"});
  return short_training(out, more, "reacher");
}

TEST(Guided, LeavesANetworkAndItsTeachers) {
  Command command;
  const Outcome outcome = command.run(guided("r", "mdgps_pilqr"));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const NetworkFile file = load_network(command.path("r/policy.safetensors"));
  EXPECT_EQ(file.algorithm, "mdgps_pilqr");
  EXPECT_EQ(file.samples_total, 4 * 2 * 4);
  EXPECT_EQ(file.iteration, 4);
  EXPECT_EQ(file.policy.nx(), 8 + 2) << "the state and the way to the target";
  EXPECT_EQ(file.policy.network().shape().hidden, (std::vector{8}));
  EXPECT_EQ(file.policy.lower(), VectorX::Constant(2, -1.0));
  EXPECT_EQ(file.policy.upper(), VectorX::Ones(2));
  EXPECT_TRUE(file.policy.normalised());
  EXPECT_EQ(load_policy(command.path("r/local_policies.safetensors")).conditions,
            (std::vector{1, 0}));

  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 8U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["condition"], i % 2 == 0 ? 1 : 0);
    for (const char* key : {"seconds_fit", "seconds_c_step", "seconds_s_step", "supervision_loss",
                            "supervision_error"}) {
      EXPECT_GE(lines[i].at(key).get<double>(), 0.0) << key;
    }
  }
}

// The policies of the conditions are good in each of these iterations: it is the network alone that
// learns nothing, and that is told by every means there is.
TEST(Guided, AFailedSStepIsToldAndEndsTheRun) {
  Command command;
  ASSERT_EQ(command.run(guided("r", "mdgps_pi2", {"--iterations", "2"})).status, 0);
  std::string config = command.read("r/config.toml");
  const auto set = [&](const std::string& key, const std::string& value) {
    const std::size_t at = config.find('\n' + key + " = ") + 1;
    config.replace(at, config.find('\n', at) - at, key + " = " + value);
  };
  set("learning_rate", "1e200");  // the loss overflows after the first step
  set("weight_decay", "0.0");
  set("failed_updates", "2");
  command.write("r/config.toml", config);
  const Outcome outcome = command.run({"train", "--resume", "r", "--iterations", "9"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(test::begins(outcome.err,
                           "pilqr: iteration 3: the S-step failed, the network stays "
                           "as it was: non_finite_update: "))
      << outcome.err;
  EXPECT_TRUE(test::contains(outcome.err, "\npilqr: iteration 4 failed: non_finite_update: "));
  EXPECT_TRUE(test::contains(outcome.err, "; 2 updates in a row have failed; "));
  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 8U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["status"], "ok");
    EXPECT_EQ(lines[i].contains("supervision_failure"), i >= 4);
  }
  EXPECT_EQ(load_network(command.path("r/policy.safetensors")).iteration, 3);
  const Outcome diagnosis = command.run({"diagnose", "r"});
  for (const char* condition : {"1", "0"}) {
    EXPECT_TRUE(test::contains(diagnosis.out,
                               std::string("error, condition ") + condition +
                                   ", iterations 2 to 3: 2 of 4 updates failed, the last one of "
                                   "them: the S-step: non_finite_update: "))
        << diagnosis.out;
  }
}

// The best network is the one whose samples, in the iteration after it was trained, cost least in
// the mean over the conditions; the initial policies' iteration does not count.
TEST(Guided, KeepsTheBestNetwork) {
  Command command;
  ASSERT_EQ(command.run(guided("r", "mdgps_lqr_flm", {"--iterations", "5"})).status, 0);
  const auto lines = command.metrics("r");
  double least = std::numeric_limits<double>::infinity();
  int iteration = -1;
  for (int i = 1; i < 5; ++i) {
    double cost = 0.0;
    for (std::size_t m = 0; m < 2; ++m) {
      cost += lines[2 * static_cast<std::size_t>(i) + m]["cost_mean"].get<double>() / 2.0;
    }
    if (cost < least) {
      least = cost;
      iteration = i;
    }
  }
  const NetworkFile best = load_network(command.path("r/best.safetensors"));
  EXPECT_EQ(best.extra.at("best_iterations"), std::to_string(iteration));
  EXPECT_NEAR(std::stod(best.extra.at("best_costs")), least, 1e-9 * least);
  const Outcome outcome = command.run({"evaluate", "r", "--best", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["best"], true);
  EXPECT_EQ(json["best_iterations"], std::to_string(iteration));
}

TEST(Guided, EvaluatesOnHeldOutConditions) {
  Command command;
  ASSERT_EQ(command.run(guided("r", "mdgps_pi2")).status, 0);
  const Outcome outcome = command.run({"evaluate", "r", "--rollouts", "2", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["algorithm"], "mdgps_pi2");
  const Task& task = find_task("reacher");
  constexpr std::size_t targets = 24;
  constexpr std::size_t starts = 12;
  ASSERT_EQ(json["conditions"].size(), 2 + targets + starts);
  for (std::size_t i = 0; i < json["conditions"].size(); ++i) {
    const Json& condition = json["conditions"][i];
    EXPECT_EQ(condition["condition"],
              i < 2 ? 1 - static_cast<int>(i) : task.conditions + static_cast<int>(i) - 2);
    EXPECT_EQ(condition.value("held_out", ""), i < 2 ? "" : i < 2 + targets ? "targets" : "starts");
    EXPECT_GT(condition["distance_mean"], 0.0);
    EXPECT_EQ(condition["cost_std"], 0.0) << "without noise, from one start";
  }
  const std::string table = command.run({"evaluate", "r", "--rollouts", "1"}).out;
  EXPECT_TRUE(test::contains(table, " trained ")) << table;
  EXPECT_TRUE(test::contains(table, "new targets ")) << table;
  EXPECT_TRUE(test::contains(table, " new starts ")) << table;
}

TEST(Guided, IsComparedWithTheOthers) {
  Command command;
  const Outcome outcome =
      command.run({"compare", "reacher", "--algorithms", "mdgps_pilqr,pilqr", "--seeds", "2",
                   "--samples", "3", "--iterations", "2", "--set", "network.steps=40",
                   "--conditions", "0,1", "--json", "--quiet", "--out", "c"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  ASSERT_EQ(json["algorithms"].size(), 2U);
  EXPECT_EQ(json["algorithms"][0]["algorithm"], "mdgps_pilqr");
  for (const Json& condition : json["algorithms"][0]["conditions"]) {
    EXPECT_EQ(condition["cost"]["values"].size(), 2U);
  }
}

TEST(Guided, SettingsOfTheNetworkAreForItAlone) {
  Command command;
  test::expect_refused(command.run(short_training("r", {"--set", "network.steps=10"})),
                       {"--set network.steps=10", "not used by pilqr"});
  for (const auto& [setting, part] :
       {std::pair{"network.hidden=[0]", "a hidden layer of 0"},
        std::pair{"network.steps=0", "steps is 0"},
        std::pair{"mdgps.variance_floor=2", "variance_floor is 2"},
        std::pair{"mdgps.sample_with=nobody", "one of \"global_policy\", \"local_policy\""},
        std::pair{"conditions=[16]", "reacher has 0 to 15, not 16"}}) {
    test::expect_refused(command.run(short_training(
                             "r", {"--algorithm", "mdgps_pilqr", "--set", setting}, "reacher")),
                         {setting, part});
  }
}

}  // namespace
}  // namespace pilqr
