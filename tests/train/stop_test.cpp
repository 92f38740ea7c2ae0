/// When a training ends before its iterations are over.

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "pilqr/systems/task.hpp"
#include "pilqr/train/trainer.hpp"
#include "support/thread_team.hpp"
#include "train/moody_optimizer.hpp"

namespace pilqr {
namespace {

using test::MoodyOptimizer;

/// Of each condition, the updates that fail.
using Bad = std::vector<std::set<int>>;

/// A training of the reacher in which the updates of each condition fail when they should.
struct Moody {
  explicit Moody(Bad bad) : bads(std::move(bad)) {
    for (std::size_t m = 0; m < bads.size(); ++m) {
      optimizers.emplace_back(task.initial_policy(static_cast<int>(m)), bads[m]);
      costs.push_back(task.cost(static_cast<int>(m)));
    }
    options = {.iterations = 10, .samples = 6};
  }

  TrainResult train() {
    SerialExecutor serial;
    SingleRank alone;
    return train(serial, alone);
  }
  template <class E, class R>
  TrainResult train(E& executor, R& team) {
    AnySystem system = task.system();
    TrainCallbacks<> callbacks;
    callbacks.on_update = [&](const IterationRecord& record, const Rollouts<>& rollouts) {
      log.push_back(record);
      first_controls.push_back(rollouts.u[0]);
    };
    callbacks.on_iteration = [&](int iteration) {
      ended.push_back(iteration);
      return true;
    };
    return pilqr::train(system, costs, optimizers, options, callbacks, executor, team, histories);
  }

  const Task& task = find_task("reacher");
  Bad bads;
  std::vector<MoodyOptimizer> optimizers;
  std::vector<AnyCost> costs;
  TrainOptions options;
  std::vector<ConditionHistory> histories;
  std::vector<IterationRecord> log;
  std::vector<MatrixX> first_controls;
  std::vector<int> ended;
};

TEST(Stop, AfterFailedUpdatesInARow) {
  Moody run(Bad{{1, 2, 4, 5, 6}});
  run.options.stop.failed_updates = 3;
  const TrainResult result = run.train();
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.iterations, 6);
  EXPECT_EQ(result.failed_updates, 3);
  EXPECT_EQ(result.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(result.failure.condition, 0);
  EXPECT_EQ(result.failure.step, 3);
  EXPECT_EQ(result.failure.value, 7.0) << "the last one";
  EXPECT_EQ(run.ended, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  ASSERT_EQ(run.log.size(), 7U);

  // The policy of the good updates 0 and 3, the second made on the rollouts of iteration 3.
  Moody good(Bad{{1, 2}});
  good.options.iterations = 4;
  ASSERT_TRUE(good.train().ok());
  EXPECT_EQ(run.optimizers[0].policy(), good.optimizers[0].policy());
  // A policy that stands is sampled again with other noise.
  EXPECT_NE(run.first_controls[1], run.first_controls[2]);
  for (const IterationRecord& record : run.log) EXPECT_TRUE(std::isfinite(record.report.cost_mean));
}

TEST(Stop, FewerInARowDoNot) {
  Moody run(Bad{{1, 2, 4, 5, 8, 9}});
  run.options.stop.failed_updates = 3;
  const TrainResult result = run.train();
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.iterations, 10);
  EXPECT_EQ(run.histories[0].failed_updates, 2);
  EXPECT_FALSE(result.last[0].report.ok()) << "and the last report says so";
}

TEST(Stop, AtTheFirstIfAskedTo) {
  Moody run(Bad{{2}});
  run.options.stop.failed_updates = 1;
  const TrainResult result = run.train();
  EXPECT_EQ(result.iterations, 2);
  EXPECT_EQ(result.failed_updates, 1);
}

// Failures of different conditions are not in a row, and the good ones go on learning.
TEST(Stop, EveryConditionCountsItsOwn) {
  Moody run(Bad{{0, 2}, {1, 3, 4}, {}});
  run.options.stop.failed_updates = 2;
  const TrainResult result = run.train();
  EXPECT_EQ(result.iterations, 4);
  EXPECT_EQ(result.failure.condition, 1);
  Moody good(Bad{{}});
  good.options.iterations = 5;
  good.options.conditions = {2};
  good.optimizers[0] = MoodyOptimizer(good.task.initial_policy(2));
  good.costs[0] = good.task.cost(2);
  ASSERT_TRUE(good.train().ok());
  EXPECT_EQ(run.optimizers[2].policy(), good.optimizers[0].policy());
}

// A training that has not learnt anything is no success, however few its iterations.
TEST(Stop, AtTheEndIfNothingWasLearnt) {
  Moody run(Bad{{}, {0, 1}});
  run.options.iterations = 2;
  const TrainResult result = run.train();
  EXPECT_EQ(result.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(result.failure.condition, 1);
  EXPECT_EQ(result.failed_updates, 2);
  EXPECT_EQ(result.iterations, 1);
}

// Cut anywhere, with the histories carried over: the same end.
TEST(Stop, GoesOnCountingAfterAResume) {
  for (int cut = 0; cut <= 6; ++cut) {
    Moody run(Bad{{1, 2, 4, 5, 6}});
    run.options.stop.failed_updates = 3;
    run.options.iterations = cut;
    ASSERT_TRUE(run.train().ok()) << cut;
    run.options.first_iteration = cut;
    run.options.iterations = 10 - cut;
    const TrainResult result = run.train();
    EXPECT_EQ(result.iterations, 6 - cut);
    EXPECT_EQ(result.failure.value, 7.0);
    EXPECT_EQ(result.failed_updates, 3);
  }
}

TEST(Stop, RanksStopTogether) {
  std::vector<TrainResult> results(3);
  test::on_ranks(3, [&](test::ThreadTeam& team) {
    Moody run(Bad{{}, {2, 3, 4}});
    run.options.stop.failed_updates = 3;
    SerialExecutor serial;
    results[static_cast<std::size_t>(team.rank())] = run.train(serial, team);
  });
  for (const TrainResult& result : results) {
    EXPECT_EQ(result.iterations, 4);
    EXPECT_EQ(result.failed_updates, 3);
    EXPECT_EQ(result.failure.condition, 1);
  }
}

TEST(Stop, RanksWithDifferentHistoriesAreRefused) {
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    Moody run(Bad{{}});
    run.histories = {{.failed_updates = team.rank()}};
    SerialExecutor serial;
    EXPECT_THROW((void)run.train(serial, team), InvalidArgument);
  });
}

TEST(Stop, OptionsOutOfRange) {
  Moody run(Bad{{}});
  run.options.stop.failed_updates = 0;
  EXPECT_THROW((void)run.train(), InvalidArgument);
  run.options.stop = {};
  run.histories.resize(2);
  EXPECT_THROW((void)run.train(), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
