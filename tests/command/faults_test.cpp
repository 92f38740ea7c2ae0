// When every rollout fails, whatever learns: exit status 1, the reason, and nothing lost.
#include <gtest/gtest.h>

#include "command/process.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/train/learner.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::Outcome;
using test::short_training;

class FaultsOf : public ::testing::TestWithParam<Algorithm> {};

// No rollout is done in a nanosecond: each is made twice, put aside and listed.
TEST_P(FaultsOf, EveryRolloutEndTheRunAndKeepTheInitialPolicy) {
  Command command;
  const std::string algorithm = name(GetParam());
  const Outcome outcome = command.run(short_training(
      "r", {"--algorithm", algorithm, "--set", "faults.time_limit=1e-9", "--samples", "3"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(test::contains(outcome.err, "iteration 1 failed: timed_out: condition 0, sample 0"));
  EXPECT_TRUE(test::contains(outcome.err, "0 of 3 rollouts are good, 2 needed"));
  EXPECT_TRUE(test::contains(outcome.err, "r/policy.safetensors holds the last good policy"));
  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["faults"].size(), 6U);
  EXPECT_EQ(lines[0]["samples_total"], 6);
  EXPECT_EQ(command.contents("r/quarantine").size(), 6U);

  const Task& task = find_task("point_mass");
  const Learner initial = make_learner(default_settings(task, GetParam()), task);
  for (const char* file : {"r/policy.safetensors", "r/best.safetensors"}) {
    if (const auto network = network_of(initial)) {
      EXPECT_TRUE(load_network(command.path(file)).policy == *network) << file;
    } else {
      EXPECT_TRUE(load_policy(command.path(file)).policies[0] == task.initial_policy(0)) << file;
    }
  }
  EXPECT_EQ(test::saved_iterations(command, "r"), 0);
}

INSTANTIATE_TEST_SUITE_P(Every, FaultsOf,
                         ::testing::Values(Algorithm::pilqr, Algorithm::lqr_flm, Algorithm::pi2,
                                           Algorithm::mdgps_pilqr, Algorithm::mdgps_lqr_flm,
                                           Algorithm::mdgps_pi2, Algorithm::trpo, Algorithm::ddpg),
                         [](const auto& of) { return std::string(name(of.param)); });

}  // namespace
}  // namespace pilqr
