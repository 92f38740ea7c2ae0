// The neighbours' scatter as a prior over any points: its definition, and NeighbourPrior as a
// special case.

#include "pilqr/fit/neighbouring_points.hpp"

#include <gtest/gtest.h>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

Sequence<Dynamic, Dynamic> points(int T, int D, int N, std::uint64_t seed) {
  Random random(seed);
  Sequence<Dynamic, Dynamic> z(T, D, N);
  for (int t = 0; t < T; ++t) z[t] = random.matrix(D, N);
  return z;
}

TEST(NeighbouringPoints, AreTheDecayingSumOfTheOtherStepsScatters) {
  const int T = 9;
  for (const int N : {1, 4}) {
    const auto z = points(T, 5, N, 3);
    const NeighbouringPoints prior(z, 3, {.points_per_input = 6.0});
    ASSERT_TRUE(prior.failure().ok());
    const double steps = 6.0 * 3 / N;
    EXPECT_NEAR((1.0 + prior.decay()) / (1.0 - prior.decay()), steps, 1e-12 * steps);
    for (int t = 0; t < T; ++t) {
      MatrixX Phi = MatrixX::Zero(5, 5);
      double n0 = 0.0;
      for (int s = 0; s < T; ++s) {
        if (s == t) continue;
        const double weight = std::pow(prior.decay(), std::abs(s - t));
        for (int i = 0; i < N; ++i) {
          const VectorX d = z[s].col(i) - z[s].rowwise().mean();
          Phi += weight * d * d.transpose();
        }
        n0 += weight * N;
      }
      const NormalInverseWishart& at = prior.at(t, z[t]);
      EXPECT_LT((at.Phi - Phi).norm(), 1e-12 * (1.0 + Phi.norm())) << t;
      EXPECT_EQ(at.Phi, at.Phi.transpose());
      EXPECT_NEAR(at.n0, n0, 1e-12 * n0);
      EXPECT_EQ(at.m, 0.0);
    }
  }
}

// Of the points z = [x; u; x'] the two classes must say the same.
TEST(NeighbouringPoints, OfTransitionsAreTheNeighbourPrior) {
  Random random(4);
  Rollouts<> r(7, 3, 2, 1);
  for (int t = 0; t < 7; ++t) {
    r.x[t] = random.matrix(2, 3);
    r.u[t] = random.matrix(1, 3);
  }
  Sequence<Dynamic, Dynamic> z(6, 5, 3);
  for (int t = 0; t < 6; ++t) z[t] << r.x[t], r.u[t], r.x[t + 1];
  const NeighbourPrior expected(r, {});
  const NeighbouringPoints prior(z, 3, {});
  EXPECT_EQ(prior.decay(), expected.decay());
  for (int t = 0; t < 6; ++t) {  // what is left of the posterior's scatter without the step's own
    const Moments all = expected.moments(t);
    const MatrixX d = z[t].colwise() - z[t].rowwise().mean();
    const MatrixX own = d * d.transpose();
    const double* entry = all.scatter;
    for (int j = 0; j < 5; ++j) {
      for (int i = j; i < 5; ++i) {
        EXPECT_NEAR(prior.at(t, z[t]).Phi(i, j), *entry++ - own(i, j), 1e-12);
      }
    }
    EXPECT_NEAR(prior.at(t, z[t]).n0, all.points - 3.0, 1e-12);
  }
}

TEST(NeighbouringPoints, EdgesAndFailures) {
  const auto many = points(3, 4, 30, 5);
  const NeighbouringPoints none(many, 3, {.points_per_input = 10.0});
  EXPECT_EQ(none.decay(), 0.0) << "30 = 10 x 3";
  EXPECT_EQ(none.at(2, many[2]).n0, 0.0);
  EXPECT_EQ(none.at(2, many[2]).Phi.norm(), 0.0);
  const auto one = points(1, 4, 2, 6);
  EXPECT_EQ(NeighbouringPoints(one, 3, {}).at(0, one[0]).n0, 0.0);
  auto bad = points(4, 4, 2, 7);
  bad[2](1, 1) = 1e200;
  const NeighbouringPoints overflow(bad, 3, {});
  EXPECT_EQ(overflow.failure().kind, FailureKind::singular_fit);
  EXPECT_EQ(overflow.failure().step, 2);
  EXPECT_THROW(NeighbouringPoints(bad, 4, {}), InvalidArgument) << "nothing left to regress";
  EXPECT_THROW(NeighbouringPoints(bad, 3, {.points_per_input = -1.0}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
