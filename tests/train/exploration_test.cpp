/// Exploration noise: how much is left, the floor under it, and the end when it is spent.

#include "pilqr/train/exploration.hpp"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <limits>

#include "pilqr/core/random.hpp"
#include "support/thread_team.hpp"
#include "train/moody_reacher.hpp"

namespace pilqr {
namespace {

using test::RecordedRun;

/// T lower triangular matrices with a positive diagonal.
Sequence<Dynamic, Dynamic> random_factors(int T, int nu, std::uint64_t seed, double scale = 1.0) {
  RandomStream random({.seed = seed});
  Sequence<Dynamic, Dynamic> L(T, nu, nu);
  for (int t = 0; t < T; ++t) {
    for (int i = 0; i < nu; ++i) {
      for (int j = 0; j < nu; ++j) {
        L[t](i, j) = j < i ? scale * random.normal() : 0.0;
      }
      L[t](i, i) = scale * std::exp(random.normal());
    }
  }
  return L;
}

MatrixX covariance(const Sequence<Dynamic, Dynamic>& L, int t) {
  return L[t] * L[t].transpose();
}

/// Roots of the eigenvalues of A^-1 B, ascending, by the general eigenvalue problem.
VectorX ratios(const MatrixX& B, const MatrixX& A) {
  return Eigen::GeneralizedSelfAdjointEigenSolver<MatrixX>(B, A).eigenvalues().cwiseSqrt();
}

TEST(Exploration, IsDescribedByGeneralisedEigenvalues) {
  for (const int nu : {1, 2, 5}) {
    const auto first = random_factors(4, nu, 1);
    const auto L = random_factors(4, nu, 2, 0.3);
    double std_min = std::numeric_limits<double>::infinity();
    double least = std_min;
    double most = 0.0;
    for (int t = 0; t < 4; ++t) {
      const VectorX r = ratios(covariance(L, t), covariance(first, t));
      least = std::min(least, r(0));
      most = std::max(most, r(nu - 1));
      std_min = std::min(std_min, std::sqrt(covariance(L, t).diagonal().minCoeff()));
    }
    const Exploration e = describe_exploration(L, first);
    EXPECT_NEAR(e.std_min, std_min, 1e-12 * std_min);
    EXPECT_NEAR(e.ratio_min, least, 1e-7 * most);
    EXPECT_NEAR(e.ratio_max, most, 1e-9 * most);
  }
}

TEST(Exploration, TheFloorIsReachedAndNothingIsLowered) {
  for (const int nu : {1, 2, 5}) {
    for (const double floor : {0.05, 0.5, 0.9}) {
      const auto first = random_factors(6, nu, 3);
      const auto before = random_factors(6, nu, 4, 0.4);
      auto L = before;
      const int raised = raise_exploration(first, floor, L);
      int expected = 0;
      for (int t = 0; t < 6; ++t) {
        const MatrixX A = covariance(first, t);
        const bool low = ratios(covariance(before, t), A)(0) < floor;
        expected += low ? 1 : 0;
        if (!low) {
          EXPECT_EQ(MatrixX(L[t]), MatrixX(before[t])) << "to the bit";
          continue;
        }
        const VectorX was = ratios(covariance(before, t), A);
        const VectorX is = ratios(covariance(L, t), A);
        for (int j = 0; j < nu; ++j) EXPECT_NEAR(is(j), std::max(was(j), floor), 1e-7 * is(nu - 1));
        EXPECT_TRUE(MatrixX(L[t]).isLowerTriangular());
        EXPECT_GT(L[t].diagonal().minCoeff(), 0.0);
      }
      EXPECT_EQ(raised, expected);
      auto again = L;
      EXPECT_EQ(raise_exploration(first, floor, again), 0);
      EXPECT_EQ(again, L);
    }
  }
}

// Other units or axes of the controls, u -> A u, give the same policy in those units.
TEST(Exploration, TheFloorDoesNotDependOnUnits) {
  const auto first = random_factors(3, 3, 5);
  auto L = random_factors(3, 3, 6, 0.2);
  const auto change = random_factors(1, 3, 7);
  const MatrixX A = change[0];  // lower triangular, so that factors stay factors
  auto first_A = first;
  auto L_A = L;
  for (int t = 0; t < 3; ++t) {
    first_A[t] = A * first[t];
    L_A[t] = A * L[t];
  }
  ASSERT_GT(raise_exploration(first, 0.4, L), 0);
  (void)raise_exploration(first_A, 0.4, L_A);
  for (int t = 0; t < 3; ++t) {
    const MatrixX expected = A * covariance(L, t) * A.transpose();
    EXPECT_TRUE(covariance(L_A, t).isApprox(expected, 1e-10));
  }
}

TEST(Exploration, OfNothingLeft) {
  const auto first = random_factors(2, 2, 8);
  auto L = first;
  L.flat() *= 1e-150;
  EXPECT_NEAR(describe_exploration(L, first).ratio_max, 1e-150, 1e-160);
  EXPECT_EQ(raise_exploration(first, 1e-3, L), 2);
  EXPECT_NEAR(describe_exploration(L, first).ratio_min, 1e-3, 1e-12);
}

TEST(Exploration, OptionsAndShapes) {
  const auto left = [](double ratio) { return Exploration{.ratio_max = ratio}; };
  EXPECT_THROW(require_valid(ExplorationOptions{.floor = 1.0}), InvalidArgument);
  EXPECT_THROW(require_valid(ExplorationOptions{.floor = -0.1}), InvalidArgument);
  EXPECT_THROW(require_valid(ExplorationOptions{.spent_ratio = std::nan("")}), InvalidArgument);
  EXPECT_THROW(require_valid(ExplorationOptions{.spent_iterations = 0}), InvalidArgument);
  auto L = random_factors(2, 2, 1);
  EXPECT_THROW((void)describe_exploration(L, random_factors(3, 2, 1)), InvalidArgument);
  EXPECT_THROW((void)raise_exploration(random_factors(2, 3, 1), 0.5, L), InvalidArgument);
  EXPECT_FALSE(is_spent(left(1e-300), ExplorationOptions{})) << "the default ends nothing";
  EXPECT_TRUE(is_spent(left(0.1), ExplorationOptions{.spent_ratio = 0.1}));
  EXPECT_TRUE(is_spent(left(0.2), ExplorationOptions{.floor = 0.2}));
  EXPECT_FALSE(is_spent(left(0.21), ExplorationOptions{.floor = 0.2, .spent_ratio = 0.1}));
}

/// A training of three conditions of the reacher, with histories.
struct Explored {
  explicit Explored(const ExplorationOptions& exploration, Algorithm algorithm = Algorithm::pi2)
      : run(algorithm, false) {
    run.options.exploration = exploration;
  }
  template <class R>
  TrainResult train(int first, int iterations, R&& team) {
    AnySystem system = find_task("reacher").system();
    run.options.first_iteration = first;
    run.options.iterations = iterations;
    SerialExecutor serial;
    return pilqr::train(system, run.costs, run.optimizers, run.options, run.callbacks(), serial,
                        team, histories);
  }
  TrainResult train(int first, int iterations) { return train(first, iterations, SingleRank{}); }

  RecordedRun run;
  std::vector<ConditionHistory> histories;
};

TEST(Exploration, TrainingKeepsTheFloor) {
  for (const Algorithm algorithm : {Algorithm::pilqr, Algorithm::lqr_flm, Algorithm::pi2}) {
    SCOPED_TRACE(name(algorithm));
    constexpr double floor = 0.95;
    Explored with({.floor = floor, .spent_iterations = 1000}, algorithm);
    Explored without({}, algorithm);
    ASSERT_TRUE(with.train(0, 4).ok());
    ASSERT_TRUE(without.train(0, 4).ok());
    int floored = 0;
    for (const IterationRecord& record : with.run.log) {
      EXPECT_GE(record.report.noise_ratio_min, floor * (1.0 - 1e-8));
      EXPECT_GT(record.report.noise_std_min, 0.0);
      floored += record.report.floored_steps;
    }
    EXPECT_GT(floored, 0);
    const auto& last = without.run.log.back().report;
    EXPECT_LT(last.noise_ratio_min, floor) << "the floor was of no use";
    EXPECT_EQ(last.floored_steps, 0);
    const Exploration left =
        describe_exploration(without.run.optimizers[2].policy().L, without.histories[2].first_L);
    EXPECT_EQ(left.ratio_min, last.noise_ratio_min);
    EXPECT_EQ(left.ratio_max, last.noise_ratio_max);
    EXPECT_EQ(left.std_min, last.noise_std_min);
  }
}

TEST(Exploration, SpentEndsTheTraining) {
  // Every ratio is below 1000: spent in each iteration.
  const ExplorationOptions all_spent{.spent_ratio = 1e3, .spent_iterations = 3};
  Explored e(all_spent);
  const TrainResult result = e.train(0, 10);
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result.spent);
  EXPECT_FALSE(result.stopped);
  EXPECT_EQ(result.iterations, 3);
  EXPECT_EQ(e.run.ended.size(), 3U) << "the last one is saved too";
  // Nothing further happens when it is asked to go on.
  const auto states = e.run.states();
  const TrainResult again = e.train(3, 7);
  EXPECT_TRUE(again.spent);
  EXPECT_EQ(again.iterations, 0);
  EXPECT_EQ(e.run.states(), states);
  // Cut anywhere: the same end.
  for (int cut = 1; cut < 3; ++cut) {
    Explored parts(all_spent);
    EXPECT_FALSE(parts.train(0, cut).spent);
    EXPECT_TRUE(parts.train(cut, 10 - cut).spent);
    EXPECT_EQ(parts.run.states(), states);
  }
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    Explored shared(all_spent);
    EXPECT_EQ(shared.train(0, 10, team).iterations, 3);
    EXPECT_EQ(shared.run.states(), states);
  });
}

TEST(Exploration, AllConditionsMustBeSpentInARow) {
  const ExplorationOptions options{.spent_iterations = 2};
  EXPECT_FALSE(is_spent(std::vector<ConditionHistory>{}, options));
  EXPECT_FALSE(is_spent({{.spent = 2}, {.spent = 1}}, options));
  EXPECT_TRUE(is_spent({{.spent = 2}, {.spent = 5}}, options));
  // An iteration that is not spent begins anew.
  Explored e({.spent_ratio = 1e3, .spent_iterations = 3});
  ASSERT_TRUE(e.train(0, 2).ok());
  EXPECT_EQ(e.histories[1].spent, 2);
  e.run.options.exploration.spent_ratio = 1e-9;
  ASSERT_TRUE(e.train(2, 1).ok());
  EXPECT_EQ(e.histories[1].spent, 0);
}

}  // namespace
}  // namespace pilqr
