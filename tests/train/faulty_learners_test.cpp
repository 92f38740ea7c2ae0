/// Rollouts that fail, with every kind of learner: listed, left out, kept. That they do no harm to
/// learning: faulty_learning_test.cpp.

#include <gtest/gtest.h>

#include "train/faulty.hpp"
#include "train/learner_run.hpp"

namespace pilqr {
namespace {

using test::Faulty;
using test::LearnerRun;

/// Small networks, short lessons.
Settings settings_of(const char* task, Algorithm algorithm, int seed) {
  Settings settings = default_settings(find_task(task), algorithm);
  settings.seed = static_cast<std::uint64_t>(seed);
  settings.network.hidden = {8};
  settings.network.training.steps = 50;
  settings.ddpg.start_steps = 100;
  settings.ddpg.updates_per_step = 0.02;
  return settings;
}

std::string name_of(const ::testing::TestParamInfo<Algorithm>& of) {
  return name(of.param);
}

class FaultsOf : public ::testing::TestWithParam<Algorithm> {};

INSTANTIATE_TEST_SUITE_P(Every, FaultsOf,
                         ::testing::Values(Algorithm::pilqr, Algorithm::lqr_flm, Algorithm::pi2,
                                           Algorithm::mdgps_pilqr, Algorithm::mdgps_lqr_flm,
                                           Algorithm::mdgps_pi2, Algorithm::trpo, Algorithm::ddpg),
                         name_of);

// Every failed attempt is in the log and told of, and the others are what the update used.
TEST_P(FaultsOf, AreListedAndLeftOut) {
  Settings settings = settings_of("reacher", GetParam(), 3);
  settings.conditions = {1, 0};
  settings.samples = 10;
  settings.iterations = 2;
  settings.faults.least_share = 0.1;
  LearnerRun run(settings);
  const Failure failure = run.train_on(Faulty(run.task, 0.2));
  ASSERT_TRUE(failure.ok()) << failure.message();
  ASSERT_EQ(run.log.size(), 4U);
  std::multiset<std::string> listed;
  for (std::size_t i = 0; i < run.log.size(); ++i) {
    const IterationRecord& record = run.log[i];
    EXPECT_TRUE(record.report.ok());
    EXPECT_TRUE(std::isfinite(record.report.cost_mean));
    int again = 0;
    int lost = 0;
    for (const Failure& fault : record.faults) {
      EXPECT_EQ(fault.condition, record.condition);
      again += fault.attempt == 0 ? 1 : 0;
      lost += fault.attempt == 1 ? 1 : 0;
      listed.insert(fmt::format("{} {}", record.iteration, fault.message()));
    }
    EXPECT_EQ(record.rollouts, settings.samples + again);
    EXPECT_EQ(run.used[i], settings.samples - lost);
  }
  // About 48 rollouts with the second attempts, of which 9.6 fail in the mean; fewer than 5 have a
  // chance of 4 %, and the seed is fixed.
  EXPECT_GE(listed.size(), 5U);
  std::multiset<std::string> told;
  for (const FailedRollout<>& f : run.failed) {
    told.insert(fmt::format("{} {}", f.iteration, f.failure.message()));
    for (int t = 0; t < f.rollout.steps(); ++t) EXPECT_TRUE(f.rollout.x[t].allFinite());
  }
  EXPECT_EQ(told, listed);
}

// On both tasks: the training ends and says why, and nothing has changed.
TEST_P(FaultsOf, WhenAllFailNothingIsLearnt) {
  for (const char* task : {"point_mass", "reacher"}) {
    SCOPED_TRACE(task);
    Settings settings = settings_of(task, GetParam(), 0);
    settings.conditions = {0};
    settings.samples = 6;
    LearnerRun run(settings);
    const std::string before = run.state();
    const Failure failure = run.train_on(Faulty(run.task, 1.0, {Faulty::throws}));
    EXPECT_EQ(failure.kind, FailureKind::system_error);
    EXPECT_TRUE(
        failure.message().ends_with("(the gripper is stuck; 0 of 6 rollouts are good, 3 needed)"))
        << failure.message();
    EXPECT_EQ(run.state(), before);
    ASSERT_EQ(run.log.size(), 1U) << "a robot that is broken is not asked again";
    EXPECT_EQ(run.log[0].faults.size(), 12U);
    EXPECT_EQ(run.failed.size(), 12U);
  }
}

}  // namespace
}  // namespace pilqr
