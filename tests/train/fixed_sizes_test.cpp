// Training and its messages for sizes known at compile time, on one rank and several.

#include <gtest/gtest.h>

#include <limits>

#include "pilqr/pilqr.hpp"
#include "pilqr/systems/point_mass.hpp"
#include "pilqr/train/trainer.hpp"
#include "support/thread_team.hpp"

namespace pilqr {
namespace {

using systems::PointMass;

/// A training of two conditions of the point mass.
struct FixedRun {
  std::vector<Pilqr<4, 2>> optimizers{2, Pilqr<4, 2>(PointMass::initial_policy())};
  std::vector<Sequence<4, Dynamic>> seen{};  ///< states of the rollouts

  template <class R>
  TrainResult train_with(R& team) {
    PointMass system;
    SerialExecutor serial;
    TrainCallbacks<4, 2> callbacks;
    callbacks.on_update = [this](const IterationRecord&, const Rollouts<4, 2>& rollouts) {
      seen.push_back(rollouts.x);
    };
    const TrainOptions options{.iterations = 3, .samples = 7, .seed = 5};
    return train(system, std::vector{PointMass::cost()}, optimizers, options, callbacks, serial,
                 team);
  }
};

TEST(FixedSizes, RanksDoNotShow) {
  FixedRun expected;
  SingleRank alone;
  ASSERT_TRUE(expected.train_with(alone).ok());
  ASSERT_FALSE(expected.optimizers[0].policy() == PointMass::initial_policy());
  for (const int ranks : {2, 3}) {
    std::vector<FixedRun> runs(static_cast<std::size_t>(ranks));
    test::on_ranks(ranks, [&](test::ThreadTeam& team) {
      FixedRun& run = runs[static_cast<std::size_t>(team.rank())];
      EXPECT_TRUE(run.train_with(team).ok());
      for (const std::size_t m : {0U, 1U}) {
        // The models stay where they were made.
        const bool mine = static_cast<int>(m) % ranks == team.rank();
        EXPECT_EQ(run.optimizers[m].model().cost.steps(), mine ? PointMass::steps : 0);
      }
    });
    for (const FixedRun& run : runs) {
      EXPECT_TRUE(run.seen == expected.seen);
      for (const std::size_t m : {0U, 1U}) {
        EXPECT_TRUE(run.optimizers[m].policy() == expected.optimizers[m].policy());
        EXPECT_EQ(encode_optimizer(state_of(run.optimizers[m])),
                  encode_optimizer(state_of(expected.optimizers[m])));
      }
    }
  }
}

TEST(FixedSizes, ARestoredOptimiserHasNoModelOfAnotherPolicy) {
  FixedRun run;
  SingleRank alone;
  ASSERT_TRUE(run.train_with(alone).ok());
  Pilqr<4, 2>& optimizer = run.optimizers[0];
  ASSERT_EQ(optimizer.model().cost.steps(), PointMass::steps);
  restore_state(state_of(run.optimizers[1]), optimizer);
  EXPECT_EQ(optimizer.model().cost.steps(), 0);
  EXPECT_EQ(optimizer.model().dynamics.F.steps(), 0);
  ASSERT_TRUE(run.train_with(alone).ok()) << "and goes on";
}

constexpr int N = 3;  // rollouts of a condition

template <int Nx, int Nu>
void expect_batches_of_any_shape_arrive() {
  // Entry of sample i of condition m, or NaN where another rank makes it.
  const auto batches_of = [](int rank, int ranks) {
    std::vector<Rollouts<Nx, Nu>> batches;
    for (const int steps : {2, 9, 1}) {
      const int m = static_cast<int>(batches.size());
      Rollouts<Nx, Nu>& batch = batches.emplace_back(steps, N, 2, 1);
      for (int t = 0; t < steps; ++t) {
        for (int i = 0; i < N; ++i) {
          const bool mine = (m * N + i) % ranks == rank;
          const double value =
              mine ? 1000 * m + 10 * i + t + 0.5 : std::numeric_limits<double>::quiet_NaN();
          batch.x[t].col(i).setConstant(value);
          batch.u[t].col(i).setConstant(-value);
          batch.xi[t].col(i).setConstant(2 * value);
          batch.cost(i, t) = 3 * value;
        }
      }
    }
    return batches;
  };
  const auto expected = batches_of(0, 1);
  for (const int ranks : {2, 4}) {
    test::on_ranks(ranks, [&](test::ThreadTeam& team) {
      auto batches = batches_of(team.rank(), ranks);
      std::vector<Failure> failures(batches.size() * N);
      std::vector<int> made(failures.size());
      std::iota(made.begin(), made.end(), 0);
      exchange_rollouts(team, made, batches, failures);
      for (std::size_t m = 0; m < batches.size(); ++m) {
        EXPECT_TRUE(batches[m].x == expected[m].x);
        EXPECT_TRUE(batches[m].u == expected[m].u);
        EXPECT_TRUE(batches[m].xi == expected[m].xi);
        EXPECT_TRUE(batches[m].cost == expected[m].cost);
      }
    });
  }
}

TEST(ExchangeRollouts, BatchesMayHaveDifferentHorizons) {
  expect_batches_of_any_shape_arrive<2, 1>();
  expect_batches_of_any_shape_arrive<Dynamic, Dynamic>();
}

TEST(ExchangeRollouts, BytesAreCountedBeyondAnInt) {
  EXPECT_EQ(rollout_bytes(1, 1, 1), 4 * sizeof(double));
  EXPECT_EQ(rollout_bytes(100, 26, 7), 8U * 100U * 41U);
  EXPECT_EQ(rollout_bytes(1 << 20, (1 << 12) - 1, 1 << 11), std::size_t{8} << 33);
}

}  // namespace
}  // namespace pilqr
