/// Rollouts that fail: made again, left out, listed, and no harm to learning.

#include "pilqr/train/faults.hpp"

#include <gtest/gtest.h>

#include "support/thread_team.hpp"
#include "train/faulty.hpp"
#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr {
namespace {

using test::Faulty;
using test::RecordedRun;
using test::settings_for;

TrainResult train_on(const Faulty& faulty, RecordedRun& run, int iterations,
                     TrainCallbacks<> callbacks = {}) {
  run.options.iterations = iterations;
  if (!callbacks.on_update) callbacks.on_update = run.callbacks().on_update;
  AnySystem system(faulty, run.optimizers[0].policy().nx(), run.optimizers[0].policy().nu());
  SerialExecutor serial;
  return train(system, run.costs, run.optimizers, run.options, callbacks, serial);
}

/// Cost of the policy's mean.
double noiseless_cost(const RecordedRun& run, const Task& task) {
  AnySystem system = task.system();
  return sample(system, run.costs[0], run.optimizers[0].policy(), {.samples = 1, .noiseless = true})
      .rollouts.total_cost()(0);
}

/// A fifth of the rollouts fail: what is learnt is what is learnt without, in the mean over seeds
/// (single runs differ by more whatever the reason).
void expect_no_harm(const char* name_of_task, int iterations) {
  const Task& task = find_task(name_of_task);
  constexpr int seeds = 5;
  for (const Algorithm algorithm : {Algorithm::pilqr, Algorithm::lqr_flm, Algorithm::pi2}) {
    SCOPED_TRACE(name(algorithm));
    double expected = 0.0;
    double reached = 0.0;
    for (int seed = 0; seed < seeds; ++seed) {
      const Settings settings = settings_for(name_of_task, algorithm, seed);
      RecordedRun good(settings);
      RecordedRun bad(settings);
      ASSERT_TRUE(train_on(Faulty(task, 0.0), good, iterations).ok());
      const TrainResult result = train_on(Faulty(task, 0.2), bad, iterations);
      ASSERT_TRUE(result.ok()) << result.failure.message();
      expected += noiseless_cost(good, task) / seeds;
      reached += noiseless_cost(bad, task) / seeds;

      int faults = 0;
      for (const IterationRecord& record : bad.log) {
        const auto again = std::count_if(record.faults.begin(), record.faults.end(),
                                         [](const Failure& f) { return f.attempt == 0; });
        EXPECT_EQ(record.rollouts, settings.samples + static_cast<int>(again));
        faults += static_cast<int>(record.faults.size());
      }
      EXPECT_GT(faults, iterations * 5 / 2) << "of 20 rollouts and about 4 second attempts each";
      for (const IterationRecord& record : good.log) EXPECT_TRUE(record.faults.empty());
    }
    EXPECT_LT(reached, expected + 0.05 * std::abs(expected));
  }
}

TEST(Faults, AFifthOfTheRolloutsDoesNoHarm) {
  expect_no_harm("reacher", 10);
}
TEST(Faults, AFifthOfTheRolloutsDoesNoHarmToThePointMass) {
  expect_no_harm("point_mass", find_task("point_mass").iterations);
}

TEST(Faults, WhenAllFailTheTrainingEndsAndSaysWhy) {
  const Task& task = find_task("reacher");
  struct Case {
    Faulty::Way way;
    FailureKind kind;
    std::string reason;
  };
  for (const Algorithm algorithm : {Algorithm::pilqr, Algorithm::lqr_flm, Algorithm::pi2}) {
    for (const Case& c : {Case{Faulty::throws, FailureKind::system_error, "the gripper is stuck; "},
                          Case{Faulty::gives_nan, FailureKind::non_finite_state, ""},
                          Case{Faulty::wrong_size, FailureKind::system_error,
                               "the state's size is not the policy's nx; "},
                          Case{Faulty::slow, FailureKind::timed_out, "seconds taken; "}}) {
      SCOPED_TRACE(fmt::format("{} {}", name(algorithm), name(c.kind)));
      RecordedRun run(settings_for("reacher", algorithm));
      if (c.way == Faulty::slow) run.options.faults.time_limit = 0.02;
      const auto before = run.states();
      const TrainResult result = train_on(Faulty(task, 1.0, {c.way}), run, 3);
      EXPECT_EQ(result.iterations, 0);
      EXPECT_EQ(result.failure.kind, c.kind);
      EXPECT_EQ(result.failure.attempt, 1);
      EXPECT_EQ(result.failed_updates, 0) << "there was none";
      EXPECT_TRUE(result.failure.message().ends_with(
          fmt::format("({}0 of 20 rollouts are good, 10 needed)", c.reason)))
          << result.failure.message();
      EXPECT_EQ(run.states(), before);
      ASSERT_EQ(run.log.size(), 1U) << "a robot that is broken is not asked again";
      EXPECT_EQ(run.log[0].faults.size(), 40U);
      EXPECT_EQ(run.log[0].rollouts, 40);
      EXPECT_TRUE(run.ended.empty());
    }
  }
}

TEST(Faults, EachKindIsNamedAndNoneReachesTheUpdate) {
  const Task& task = find_task("reacher");
  struct Case {
    Faulty::Way way;
    FailureKind kind;
    int applied;  ///< controls at the step that the failure names
  };
  for (const Case& c : {Case{Faulty::throws, FailureKind::system_error, 1},
                        Case{Faulty::gives_nan, FailureKind::non_finite_state, 0},
                        Case{Faulty::wrong_size, FailureKind::system_error, 0},
                        Case{Faulty::slow, FailureKind::timed_out, 1}}) {
    Settings settings = settings_for("reacher", Algorithm::pi2);
    RecordedRun run(settings);
    run.options.faults = {.retries = 0, .least_share = 0.1};
    if (c.way == Faulty::slow) run.options.faults.time_limit = 0.02;
    std::vector<FailedRollout<>> failed;
    int updated = 0;
    const TrainResult result =
        train_on(Faulty(task, 0.3, {c.way}), run, 1,
                 {.on_failed_rollout = [&](const FailedRollout<>& f) { failed.push_back(f); },
                  .on_update =
                      [&](const IterationRecord& record, const Rollouts<>& rollouts) {
                        EXPECT_EQ(record.faults.size(), failed.size());
                        EXPECT_EQ(record.rollouts, 20);
                        updated = rollouts.samples();
                        for (int t = 0; t < rollouts.steps(); ++t) {
                          EXPECT_TRUE(rollouts.x[t].allFinite() && rollouts.u[t].allFinite());
                        }
                        EXPECT_TRUE(rollouts.cost.allFinite());
                      }});
    ASSERT_TRUE(result.ok()) << result.failure.message();
    ASSERT_GT(failed.size(), 0U);
    EXPECT_EQ(updated, 20 - static_cast<int>(failed.size()));
    for (const FailedRollout<>& f : failed) {
      EXPECT_EQ(f.failure.kind, c.kind) << f.failure.message();
      EXPECT_EQ(f.rollout.samples(), 1);
      EXPECT_EQ(f.rollout.steps(), f.failure.step + c.applied);
      // The last control is the one that did it: that of the policy, with its noise.
      const int last = f.rollout.steps() - 1;
      ASSERT_GE(last, 0);
      VectorX u;
      task.initial_policy(0).act(last, f.rollout.x[last].col(0), f.rollout.xi[last].col(0), u);
      EXPECT_TRUE(f.rollout.u[last].col(0).isApprox(u, 1e-12));
      for (int t = 0; t < f.rollout.steps(); ++t) EXPECT_TRUE(f.rollout.x[t].allFinite());
    }
  }
}

// A rejected rollout is one that failed, and made again with other noise.
TEST(Faults, TheOperatorMayReject) {
  const Task& task = find_task("reacher");
  RecordedRun run(settings_for("reacher", Algorithm::pilqr));
  std::vector<FailedRollout<>> failed;
  std::vector<MatrixX> noise;
  const TrainResult result = train_on(
      Faulty(task, 0.0), run, 1,
      {.reject =
           [&](int condition, int i, const Rollouts<>& rollouts) {
             EXPECT_EQ(condition, 0);
             if (i == 7) noise.push_back(rollouts.xi[3].col(i));
             return std::string(i == 7 && noise.size() == 1 ? "someone leaned on the table" : "");
           },
       .on_failed_rollout = [&](const FailedRollout<>& f) { failed.push_back(f); }});
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].failure.kind, FailureKind::rejected);
  EXPECT_EQ(failed[0].failure.sample, 7);
  EXPECT_EQ(failed[0].rollout.steps(), task.steps);
  EXPECT_TRUE(failed[0].failure.message().ends_with("(someone leaned on the table)"));
  ASSERT_EQ(noise.size(), 2U);
  EXPECT_NE(noise[0], noise[1]);
}

// The same failures, attempts and policies whoever makes the rollouts.
TEST(Faults, AreTheSameOnAnyExecutorAndTeam) {
  const Task& task = find_task("reacher");
  Settings settings = test::reacher_settings(Algorithm::pilqr, false);
  settings.samples = 6;
  const auto fresh = [&] {
    RecordedRun run(settings);
    run.options.faults = {.retries = 2, .least_share = 0.5};
    run.options.iterations = 2;
    return run;
  };
  const auto train_with = [&](RecordedRun& run, auto&& executor, auto&& team) {
    AnySystem system(Faulty(task, 0.3), task.nx, task.nu);
    TrainCallbacks<> callbacks = run.callbacks();
    callbacks.reject = [](int, int i, const Rollouts<>& r) {
      return std::string(r.cost(i, 0) > 3.3 ? "too costly" : "");
    };
    return train(system, run.costs, run.optimizers, run.options, callbacks, executor, team);
  };
  RecordedRun serial = fresh();
  ASSERT_TRUE(train_with(serial, SerialExecutor{}, SingleRank{}).ok());
  std::size_t faults = 0;
  for (const auto& record : serial.log) faults += record.faults.size();
  ASSERT_GT(faults, 3U);
#if defined(PILQR_HAS_TBB)
  for (const int threads : {2, 8}) {
    RecordedRun run = fresh();
    TbbExecutor executor(threads);
    ASSERT_TRUE(train_with(run, executor, SingleRank{}).ok());
    EXPECT_EQ(run.states(), serial.states());
    EXPECT_EQ(run.reports(), serial.reports());
  }
#endif
  for (const int ranks : {2, 5}) {
    std::vector<RecordedRun> runs(static_cast<std::size_t>(ranks), fresh());
    test::on_ranks(ranks, [&](test::ThreadTeam& team) {
      EXPECT_TRUE(
          train_with(runs[static_cast<std::size_t>(team.rank())], SerialExecutor{}, team).ok());
    });
    for (RecordedRun& run : runs) {
      EXPECT_EQ(run.states(), serial.states());
      for (auto& record : run.log) {
        for (Failure& fault : record.faults) fault.rank = -1;
      }
      EXPECT_EQ(run.reports(), serial.reports());
    }
  }
}

// An operator that only one rank asks would leave the others waiting.
TEST(Faults, RanksAskAnOperatorTogetherOrNotAtAll) {
  std::vector<RecordedRun> runs(2, RecordedRun(Algorithm::pi2, false));
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    RecordedRun& run = runs[static_cast<std::size_t>(team.rank())];
    AnySystem system = find_task("reacher").system();
    TrainCallbacks<> callbacks;
    if (team.rank() == 0) {
      callbacks.reject = [](int, int, const Rollouts<>&) { return std::string(); };
    }
    SerialExecutor serial;
    EXPECT_THROW(
        (void)train(system, run.costs, run.optimizers, run.options, callbacks, serial, team),
        InvalidArgument);
  });
}

TEST(Faults, OptionsOutOfRange) {
  EXPECT_THROW(require_valid(FaultOptions{.retries = -1}), InvalidArgument);
  EXPECT_THROW(require_valid(FaultOptions{.least_share = 0.0}), InvalidArgument);
  EXPECT_THROW(require_valid(FaultOptions{.least_share = 1.5}), InvalidArgument);
  EXPECT_THROW(require_valid(FaultOptions{.time_limit = 0.0}), InvalidArgument);
  EXPECT_THROW(require_valid(FaultOptions{.time_limit = std::nan("")}), InvalidArgument);
  EXPECT_EQ(FaultOptions{.least_share = 0.5}.needed(5), 3);
  EXPECT_EQ(FaultOptions{.least_share = 0.01}.needed(5), 1);
  EXPECT_EQ(FaultOptions{.least_share = 0.55}.needed(100), 55);
  EXPECT_EQ(FaultOptions{.least_share = 0.28}.needed(25), 7);
  EXPECT_EQ(FaultOptions{.least_share = 0.281}.needed(25), 8);
}

}  // namespace
}  // namespace pilqr
