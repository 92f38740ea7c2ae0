// The trainer against the loop as the paper writes it: one condition after the other, sampled and
// updated on one thread.

#include "pilqr/train/trainer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "support/thread_team.hpp"
#include "train/moody_reacher.hpp"

#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr {
namespace {

using test::MoodyReacher;
using test::RecordedRun;

/// Iteration by iteration and condition by condition, nothing in parallel.
void train_in_sequence(RecordedRun& run, int iterations) {
  AnySystem system{MoodyReacher{}};
  for (int n = 0; n < iterations; ++n) {
    for (std::size_t m = 0; m < run.optimizers.size(); ++m) {
      const int id = run.options.conditions[m];
      const auto batch = sample(system, run.costs[m], run.optimizers[m].policy(),
                                {.samples = run.options.samples,
                                 .seed = run.options.seed,
                                 .iteration = n,
                                 .condition = id,
                                 .noise = run.options.noise});
      ASSERT_TRUE(batch.ok());
      UpdateReport report =
          run.optimizers[m].update(batch.rollouts, run.costs[m],
                                   RandomStream({.seed = run.options.seed,
                                                 .iteration = static_cast<std::uint32_t>(n),
                                                 .condition = static_cast<std::uint32_t>(id),
                                                 .purpose = StreamPurpose::fit}));
      ASSERT_TRUE(report.ok()) << report.failure.message();
      const Exploration left = describe_exploration(run.optimizers[m].policy().L,
                                                    find_task("reacher").initial_policy(id).L);
      report.noise_std_min = left.std_min;
      report.noise_ratio_min = left.ratio_min;
      report.noise_ratio_max = left.ratio_max;
      run.log.push_back(
          {.iteration = n, .condition = id, .report = report, .rollouts = run.options.samples});
      run.seen.push_back(batch.rollouts.x);
    }
  }
}

template <class E, class R>
TrainResult train_with(RecordedRun& run, int iterations, const MoodyReacher& reacher, E&& executor,
                       R&& team) {
  AnySystem system{reacher};
  run.options.iterations = iterations;
  return train(system, run.costs, run.optimizers, run.options, run.callbacks(), executor, team);
}

/// All of it, on one thread or several, by one rank or several.
class TrainerOf : public ::testing::TestWithParam<std::pair<Algorithm, bool>> {
 protected:
  static RecordedRun fresh() { return RecordedRun(GetParam().first, GetParam().second); }
};

TEST_P(TrainerOf, ExecutorsAndRanksDoNotShow) {
  constexpr int iterations = 3;
  RecordedRun expected = fresh();
  train_in_sequence(expected, iterations);
  const auto check = [&](const RecordedRun& run, const TrainResult& result,
                         const std::string& what) {
    SCOPED_TRACE(what);
    EXPECT_TRUE(result.ok()) << result.failure.message();
    EXPECT_EQ(result.iterations, iterations);
    EXPECT_EQ(run.states(), expected.states());
    EXPECT_EQ(run.reports(), expected.reports());
    EXPECT_TRUE(run.seen == expected.seen) << "the callbacks' rollouts";
  };
  RecordedRun serial = fresh();
  check(serial, train_with(serial, iterations, {}, SerialExecutor{}, SingleRank{}), "serial");
#if defined(PILQR_HAS_TBB)
  for (const int threads : {1, 2, 8}) {
    RecordedRun run = fresh();
    TbbExecutor executor(threads);
    check(run, train_with(run, iterations, {}, executor, SingleRank{}),
          fmt::format("{} threads", threads));
  }
#endif
  for (const int ranks : {2, 3, 13}) {  // 3 conditions, 12 rollouts
    std::vector<RecordedRun> runs(static_cast<std::size_t>(ranks), fresh());
    std::vector<TrainResult> results(runs.size());
    test::on_ranks(ranks, [&](test::ThreadTeam& team) {
      const auto r = static_cast<std::size_t>(team.rank());
      results[r] = train_with(runs[r], iterations, {}, SerialExecutor{}, team);
    });
    for (std::size_t r = 0; r < runs.size(); ++r) {
      check(runs[r], results[r], fmt::format("rank {} of {}", r, ranks));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TrainerOf,
    ::testing::Values(std::pair{Algorithm::pilqr, false}, std::pair{Algorithm::pilqr, true},
                      std::pair{Algorithm::lqr_flm, false}, std::pair{Algorithm::pi2, false}),
    [](const auto& of) {
      return std::string(name(of.param.first)) + (of.param.second ? "_gmm" : "");
    });

/// What must hold when rollouts of condition 1 (the second of 2, 1, 0) fail in iteration 1.
void expect_failed_in_the_middle(const RecordedRun& run, const TrainResult& result) {
  EXPECT_EQ(result.iterations, 1);
  EXPECT_FALSE(result.stopped);
  EXPECT_EQ(result.failure.kind, FailureKind::system_error);
  EXPECT_EQ(result.failure.condition, 1);
  EXPECT_EQ(result.failure.sample, 2);
  EXPECT_EQ(result.failure.step, 17);
  EXPECT_NE(result.failure.message().find("bad mood"), std::string::npos);
  // All were reported, in order; the others were updated.
  ASSERT_EQ(run.log.size(), 6U);
  for (const std::size_t m : {0U, 1U, 2U}) {
    EXPECT_EQ(run.log[3 + m].condition, run.options.conditions[m]);
    EXPECT_EQ(run.log[3 + m].report.ok(), m != 1);
  }
  EXPECT_TRUE(std::isnan(run.log[4].report.cost_mean));
  EXPECT_EQ(run.ended, std::vector<int>{0}) << "the failed iteration did not end well";
  // Condition 1 has its policy of one iteration, the others theirs of two.
  for (const std::size_t m : {0U, 1U, 2U}) {
    RecordedRun good(Algorithm::pilqr, false);
    train_in_sequence(good, m == 1 ? 1 : 2);
    EXPECT_EQ(run.states()[m], good.states()[m]) << m;
  }
}

const MoodyReacher moody{.condition = 1, .iteration = 1, .sample = 2};

TEST(Trainer, OtherConditionsAreUpdatedAndReportedWhenOneFails) {
  RecordedRun run(Algorithm::pilqr, false);
  expect_failed_in_the_middle(run, train_with(run, 5, moody, SerialExecutor{}, SingleRank{}));
}

TEST(Trainer, RanksFailTogetherAndNameTheRank) {
  for (const int ranks : {2, 4}) {
    std::vector<RecordedRun> runs(static_cast<std::size_t>(ranks),
                                  RecordedRun(Algorithm::pilqr, false));
    std::vector<TrainResult> results(runs.size());
    test::on_ranks(ranks, [&](test::ThreadTeam& team) {
      const auto r = static_cast<std::size_t>(team.rank());
      results[r] = train_with(runs[r], 5, moody, SerialExecutor{}, team);
    });
    for (std::size_t r = 0; r < runs.size(); ++r) {
      SCOPED_TRACE(fmt::format("rank {} of {}", r, ranks));
      expect_failed_in_the_middle(runs[r], results[r]);
      // Condition 1 is the second one: its rollout 2 is piece 4 + 2.
      EXPECT_EQ(results[r].failure.rank, 6 % ranks);
      EXPECT_TRUE(results[r].failure.message().starts_with(
          fmt::format("system_error: rank {}, ", 6 % ranks)));
    }
  }
}

// An update that fails numerically: without a ridge, 3 samples are too few.
TEST(Trainer, AFailedUpdateKeepsItsPolicyOnAllRanks) {
  Settings settings = test::reacher_settings(Algorithm::pilqr, false);
  settings.model.fit.ridge = 0.0;
  settings.model.neighbours.reset();
  settings.samples = 3;
  std::vector<RecordedRun> runs(2, RecordedRun(settings));
  const auto before = runs[0].states();
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    auto& run = runs[static_cast<std::size_t>(team.rank())];
    const TrainResult result = train_with(run, 2, {}, SerialExecutor{}, team);
    EXPECT_EQ(result.failure.kind, FailureKind::singular_fit);
    EXPECT_EQ(result.failure.condition, 2);
    EXPECT_EQ(result.failure.rank, -1) << "the same on any rank";
    EXPECT_EQ(result.failed_updates, 2);
    EXPECT_EQ(run.log.size(), 6U);
  });
  EXPECT_EQ(runs[0].states(), before);
  EXPECT_EQ(runs[1].states(), before);
}

TEST(Trainer, OneRankThatStopsStopsAll) {
  std::vector<int> ended(3, -1);
  test::on_ranks(3, [&](test::ThreadTeam& team) {
    RecordedRun run(Algorithm::pi2, false);
    AnySystem system{MoodyReacher{}};
    auto callbacks = run.callbacks();
    callbacks.on_iteration = [&](int iteration) { return team.rank() != 1 || iteration < 2; };
    run.options.iterations = 9;
    SerialExecutor executor;
    const TrainResult result =
        train(system, run.costs, run.optimizers, run.options, callbacks, executor, team);
    EXPECT_TRUE(result.stopped);
    ended[static_cast<std::size_t>(team.rank())] = result.iterations;
    EXPECT_EQ(team.exchanges, 1 + 3 * 3) << "what to do; rollouts, updates, whether to go on";
  });
  EXPECT_EQ(ended, std::vector<int>(3, 3));
}

TEST(Trainer, OneProcessExchangesNothing) {
  test::on_ranks(1, [&](test::ThreadTeam& team) {
    RecordedRun run(Algorithm::pi2, false);
    EXPECT_TRUE(train_with(run, 2, {}, SerialExecutor{}, team).ok());
    EXPECT_EQ(team.exchanges, 0);
  });
}

TEST(Trainer, RanksWithDifferentWorkAreRefusedTogether) {
  const std::vector<std::function<void(RecordedRun&)>> differences = {
      [](RecordedRun& run) { run.options.samples = 5; },
      [](RecordedRun& run) { run.options.seed = 8; },
      [](RecordedRun& run) { run.options.noise.width = 0.0; },
      [](RecordedRun& run) { run.options.noise.antithetic = true; },
      [](RecordedRun& run) { run.options.first_iteration = 1; },
      [](RecordedRun& run) {
        run.options.conditions = {0, 1, 2};
      },
      [](RecordedRun& run) { run.costs.pop_back(), run.optimizers.pop_back(); },
      [](RecordedRun& run) {
        auto state = state_of(run.optimizers[1]);
        state.policy.k[9](0) = 0.25;
        restore_state(state, run.optimizers[1]);
      },
  };
  for (const auto& differ : differences) {
    test::on_ranks(3, [&](test::ThreadTeam& team) {
      RecordedRun run(Algorithm::pi2, false);
      run.options.conditions = {};
      if (team.rank() == 2) differ(run);
      EXPECT_THROW((void)train_with(run, 1, {}, SerialExecutor{}, team), InvalidArgument);
    });
  }
}

TEST(Trainer, CountsAreChecked) {
  RecordedRun run(Algorithm::pi2, false);
  run.options.samples = std::numeric_limits<int>::max() / 2;
  EXPECT_THROW((void)train_with(run, 1, {}, SerialExecutor{}, SingleRank{}), InvalidArgument);
  run.options.samples = 0;
  EXPECT_THROW((void)train_with(run, 1, {}, SerialExecutor{}, SingleRank{}), InvalidArgument);
  run.options.samples = 4;
  run.options.conditions = {0, 1};
  EXPECT_THROW((void)train_with(run, 1, {}, SerialExecutor{}, SingleRank{}), InvalidArgument);
}

TEST(Share, EveryPieceIsDoneOnce) {
  for (const int ranks : {1, 2, 3, 7}) {
    for (const int pieces : {0, 1, 2, 6, 7, 8, 100}) {
      std::multiset<int> done;
      for (int rank = 0; rank < ranks; ++rank) {
        const Share share{rank, ranks, pieces};
        EXPECT_LE(share.count(), (pieces + ranks - 1) / ranks);
        for (int j = 0; j < share.count(); ++j) done.insert(share.piece(j));
      }
      ASSERT_EQ(static_cast<int>(done.size()), pieces);
      for (int p = 0; p < pieces; ++p) EXPECT_EQ(done.count(p), 1U);
    }
  }
}

}  // namespace
}  // namespace pilqr
