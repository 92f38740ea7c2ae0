#include "pilqr/baselines/advantage.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "pilqr/baselines/running_moments.hpp"
#include "pilqr/core/check.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

struct Problem {
  MatrixX cost, value;
  explicit Problem(int N, int T) {
    test::Random random(7);
    cost = random.matrix(N, T);
    value = random.matrix(N, T);
  }
  [[nodiscard]] MatrixX solve(double discount, double lambda) const {
    MatrixX out(cost.rows(), cost.cols());
    generalized_advantage(cost, value, discount, lambda, out);
    return out;
  }
};

// GAE eq. 16 as it is written, each sum by itself.
TEST(Advantage, IsTheSumOfDiscountedTemporalDifferences) {
  for (const int T : {1, 2, 9}) {
    const Problem p(3, T);
    for (const double lambda : {0.0, 0.7, 1.0}) {
      const double discount = 0.9;
      const MatrixX found = p.solve(discount, lambda);
      for (int i = 0; i < 3; ++i) {
        for (int t = 0; t < T; ++t) {
          double sum = 0.0;
          for (int j = t; j < T; ++j) {
            const double next = j + 1 < T ? p.value(i, j + 1) : 0.0;
            const double delta = -p.cost(i, j) + discount * next - p.value(i, j);
            sum += std::pow(discount * lambda, j - t) * delta;
          }
          EXPECT_NEAR(found(i, t), sum, 1e-13);
        }
      }
    }
  }
}

// With lambda 1 the values telescope: the discounted return minus the value.
TEST(Advantage, OfLambdaOneIsTheReturnMinusTheValue) {
  const Problem p(2, 6);
  const MatrixX found = p.solve(0.8, 1.0);
  for (int i = 0; i < 2; ++i) {
    for (int t = 0; t < 6; ++t) {
      double sum = 0.0;
      for (int j = t; j < 6; ++j) sum -= std::pow(0.8, j - t) * p.cost(i, j);
      EXPECT_NEAR(found(i, t), sum - p.value(i, t), 1e-13);
    }
  }
}

// Values that satisfy the Bellman equation leave nothing.
TEST(Advantage, OfTheRightValuesIsZero) {
  Problem p(4, 7);
  for (int t = 6; t >= 0; --t) {
    p.value.col(t) = -p.cost.col(t);
    if (t < 6) p.value.col(t) += 0.95 * p.value.col(t + 1);
  }
  EXPECT_LE(p.solve(0.95, 0.6).cwiseAbs().maxCoeff(), 1e-14);
}

TEST(Advantage, RefusesOtherShapesAndDiscounts) {
  const Problem p(2, 3);
  MatrixX out(2, 3);
  MatrixX other(3, 2);
  EXPECT_THROW(generalized_advantage(p.cost, p.value, 0.9, 0.9, other), InvalidArgument);
  EXPECT_THROW(generalized_advantage(p.cost, other, 0.9, 0.9, out), InvalidArgument);
  EXPECT_THROW(generalized_advantage(p.cost, p.value, 1.1, 0.9, out), InvalidArgument);
  EXPECT_THROW(generalized_advantage(p.cost, p.value, 0.9, std::nan(""), out), InvalidArgument);
}

TEST(Advantage, TimeRunsFromMinusOneToOne) {
  EXPECT_EQ(time_feature(0, 100), -1.0);
  EXPECT_EQ(time_feature(99, 100), 1.0);
  EXPECT_EQ(time_feature(1, 3), 0.0);
  EXPECT_EQ(time_feature(0, 1), 0.0);
}

TEST(RunningMoments, AreThoseOfAllPointsWhateverTheBatches) {
  test::Random random(8);
  MatrixX x = random.matrix(3, 20);
  x.row(1).array() += 1e4;
  RunningMoments moments(3);
  EXPECT_EQ(moments.normalisation({}), no_normalisation(3));
  for (const auto& [first, size] : {std::pair{0, 1}, {1, 7}, {8, 12}}) {
    moments.add(x.middleCols(first, size));
  }
  const Normalisation all = fit_normalisation(x);
  const Normalisation found = moments.normalisation({});
  EXPECT_LE((found.mean - all.mean).norm(), 1e-11);
  EXPECT_LE((found.scale - all.scale).norm(), 1e-11);
  EXPECT_EQ(moments.points, 20.0);
}

TEST(RunningMoments, KeepTheLeastScaleAndRefuseWhatIsNotFinite) {
  RunningMoments moments(2);
  moments.add(MatrixX::Constant(2, 5, 3.0));
  EXPECT_EQ(moments.normalisation({.least_scale = 0.25}).scale, VectorX::Constant(2, 0.25));
  const RunningMoments before = moments;
  MatrixX bad = MatrixX::Zero(2, 3);
  bad(1, 2) = std::nan("");
  EXPECT_THROW(moments.add(bad), InvalidArgument);
  EXPECT_THROW(moments.add(MatrixX::Zero(3, 1)), InvalidArgument);
  EXPECT_EQ(moments, before);
}

}  // namespace
}  // namespace pilqr
