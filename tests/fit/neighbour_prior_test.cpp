/// The neighbours' scatter against sums written out, and what it does for a regression.

#include "pilqr/fit/neighbour_prior.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fit/fit_checks.hpp"
#include "pilqr/fit/dynamics_fit.hpp"

namespace pilqr {
namespace {

using test::Random;

constexpr int nx = 3;
constexpr int nu = 2;
constexpr int D = 2 * nx + nu;

static_assert(PosteriorMoments<NeighbourPrior>);

/// Rollouts of unrelated numbers.
Rollouts<> scrambled(int T, int N, std::uint64_t seed) {
  Random random(seed);
  Rollouts<> r(T, N, nx, nu);
  for (int t = 0; t < T; ++t) {
    r.x[t] = random.matrix(nx, N);
    r.u[t] = random.matrix(nu, N);
  }
  return r;
}

MatrixX points(const Rollouts<>& r, int t) {
  MatrixX z(D, r.samples());
  z << r.x[t], r.u[t], r.x[t + 1];
  return z;
}

MatrixX scatter(const MatrixX& z) {
  MatrixX sum = MatrixX::Zero(z.rows(), z.rows());
  for (Eigen::Index i = 0; i < z.cols(); ++i) {
    const VectorX d = z.col(i) - z.rowwise().mean();
    sum += d * d.transpose();
  }
  return sum;
}

/// The scatter of step t's moments, both triangles.
MatrixX unpacked(const NeighbourPrior& prior, int t) {
  MatrixX S(D, D);
  const double* entry = prior.moments(t).scatter;
  for (int j = 0; j < D; ++j) {
    for (int i = j; i < D; ++i) S(i, j) = S(j, i) = *entry++;
  }
  return S;
}

TEST(NeighbourPrior, IsTheDecayingSumOfAllStepsScatters) {
  for (const int N : {1, 4, 9}) {
    const int T = 12;
    const auto r = scrambled(T, N, 3);
    const NeighbourPrior prior(r, {.points_per_input = 6.0});
    ASSERT_TRUE(prior.failure().ok());
    const double steps = 6.0 * (nx + nu) / N;
    EXPECT_NEAR((1.0 + prior.decay()) / (1.0 - prior.decay()), steps, 1e-12 * steps);
    ASSERT_EQ(prior.steps(), T - 1);
    for (int t = 0; t + 1 < T; ++t) {
      MatrixX sum = MatrixX::Zero(D, D);
      double weights = 0.0;
      for (int s = 0; s + 1 < T; ++s) {
        const double weight = std::pow(prior.decay(), std::abs(s - t));
        sum += weight * scatter(points(r, s));
        weights += weight * N;
      }
      const Moments at = prior.moments(t);
      EXPECT_LT((unpacked(prior, t) - sum).norm(), 1e-12 * (1.0 + sum.norm())) << t;
      EXPECT_NEAR(at.points, weights, 1e-12 * weights);
      const VectorX mean = points(r, t).rowwise().mean();
      EXPECT_LT((Eigen::Map<const VectorX>(at.mean, D) - mean).norm(), 1e-14);
    }
  }
}

TEST(NeighbourPrior, EnoughSamplesOrNoWishNeedNone) {
  const auto r = scrambled(5, 30, 4);
  EXPECT_EQ(NeighbourPrior(r, {.points_per_input = 6.0}).decay(), 0.0) << "30 = 6 x 5";
  EXPECT_GT(NeighbourPrior(r, {.points_per_input = 6.1}).decay(), 0.0);
  EXPECT_EQ(NeighbourPrior(r, {.points_per_input = 0.0}).decay(), 0.0);
  EXPECT_EQ(NeighbourPrior(r, {.points_per_input = 0.0}).steps(), 0);
  EXPECT_LT(NeighbourPrior(scrambled(5, 1, 4), {.points_per_input = 1e6}).decay(), 1.0);
}

TEST(NeighbourPrior, ShortHorizons) {
  EXPECT_TRUE(NeighbourPrior(scrambled(1, 3, 5), {}).failure().ok());
  const auto r = scrambled(2, 3, 5);
  const NeighbourPrior alone(r, {});
  ASSERT_EQ(alone.steps(), 1);
  EXPECT_EQ(alone.moments(0).points, 3.0);
  EXPECT_LT((unpacked(alone, 0) - scatter(points(r, 0))).norm(), 1e-13);
}

// The same posterior by another route: the other steps' scatter as a normal-inverse-Wishart prior
// without an opinion on the mean.
TEST(NeighbourPrior, IsTheNormalInverseWishartPosterior) {
  const int T = 9;
  const int N = 4;
  const auto r = scrambled(T, N, 12);
  const NeighbourPrior prior(r, {});
  struct Others {
    const Rollouts<>& r;
    double decay;
    [[nodiscard]] NormalInverseWishart at(int t, const MatrixX&) const {
      NormalInverseWishart niw{VectorX::Zero(D), MatrixX::Zero(D, D), 0.0, 0.0};
      for (int s = 0; s + 1 < r.steps(); ++s) {
        if (s == t) continue;
        const double weight = std::pow(decay, std::abs(s - t));
        niw.Phi += weight * scatter(points(r, s));
        niw.n0 += weight * r.samples();
      }
      return niw;
    }
  };
  const auto a = fit_dynamics(r, {}, prior);
  const auto b = fit_dynamics(r, {}, Others{r, prior.decay()});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_LT((a.dynamics.F.flat() - b.dynamics.F.flat()).norm(), 1e-11);
  EXPECT_LT((a.dynamics.f.flat() - b.dynamics.f.flat()).norm(), 1e-11);
  for (int t = 0; t + 1 < T; ++t) {
    EXPECT_LT((a.dynamics.W[t] - b.dynamics.W[t]).norm(), 1e-11) << t;
  }
}

// With so many samples that the neighbours have no say: ridge alone.
TEST(NeighbourPrior, WithoutASayTheRidgeIsAlone) {
  const auto r = scrambled(4, 10 * (nx + nu), 21);
  const NeighbourPrior prior(r, {});
  ASSERT_TRUE(prior.failure().ok() && prior.decay() == 0.0 && prior.steps() == 0);
  const auto a = fit_dynamics(r, {}, prior);
  const auto b = fit_dynamics(r);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a.dynamics.F.flat(), b.dynamics.F.flat());
  EXPECT_EQ(a.dynamics.W.flat(), b.dynamics.W.flat());
}

// Moments of another batch's shape, and those that failed, are not read.
TEST(NeighbourPrior, MustBeThatOfTheBatch) {
  const auto r = scrambled(6, 3, 22);
  EXPECT_THROW((void)fit_dynamics(r, {}, NeighbourPrior(scrambled(5, 3, 22), {})), InvalidArgument);
  EXPECT_THROW((void)fit_dynamics(r, {}, NeighbourPrior(scrambled(7, 3, 22), {})), InvalidArgument);
  Rollouts<> wider(6, 3, nx, nu + 1);
  wider.x.set_zero();
  wider.u.set_zero();
  EXPECT_THROW((void)fit_dynamics(r, {}, NeighbourPrior(wider, {})), InvalidArgument);
  auto broken = r;
  broken.u[2](0, 0) = std::numeric_limits<double>::infinity();
  const NeighbourPrior failed(broken, {});
  const auto fit = fit_dynamics(r, {}, failed);
  EXPECT_EQ(fit.failure.kind, failed.failure().kind);
  EXPECT_EQ(fit.failure.step, 2);
}

// A later batch takes the memory of an earlier one and nothing else of it.
TEST(NeighbourPrior, UpdatesForget) {
  const auto r = scrambled(9, 4, 13);
  NeighbourPrior used(scrambled(12, 3, 14), {});
  auto broken = scrambled(7, 3, 14);
  broken.u[2](0, 0) = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(used.update(broken, {}).ok());
  ASSERT_TRUE(used.update(r, {}).ok() && used.failure().ok());
  const NeighbourPrior fresh(r, {});
  ASSERT_EQ(used.steps(), fresh.steps());
  for (int t = 0; t < used.steps(); ++t) {
    EXPECT_EQ(unpacked(used, t), unpacked(fresh, t));
    EXPECT_EQ(used.moments(t).points, fresh.moments(t).points);
  }
}

// Dynamics that do not change in time, fewer samples than nx + nu: alone a step's regression
// reproduces its own samples and nothing else, with its neighbours it finds the dynamics.
TEST(NeighbourPrior, SharedDynamicsAreFoundFromFewerSamplesThanUnknowns) {
  Random random(6);
  const int T = 40;
  const int N = 3;
  LinearGaussianDynamics<> truth(T, nx, nu);
  QuadraticCost<> cost(T, nx, nu);
  const MatrixX F = 0.3 * random.matrix(nx, nx + nu);
  const VectorX f = random.vector(nx);
  for (int t = 0; t < T; ++t) {
    cost.C[t].setZero();
    cost.c[t].setZero();
    if (t + 1 == T) break;
    truth.F[t] = F;
    truth.f[t] = f;
    truth.W[t].setZero();
  }
  const auto r =
      test::simulate(truth, cost, random.policy<Dynamic, Dynamic>(T, nx, nu, 0.1), N, random);
  const auto error = [&](const auto& prior) {
    const auto fit = fit_dynamics(r, {.ridge = 1e-12}, prior);
    EXPECT_TRUE(fit.ok());
    double largest = 0.0;
    for (int t = 0; t + 1 < T; ++t) {
      largest = std::max(largest, (fit.dynamics.F[t] - F).norm());
    }
    return largest;
  };
  EXPECT_GT(error(NoPrior{}), 0.1);
  EXPECT_LT(error(NeighbourPrior(r, {})), 1e-6);
}

// With the same data at every step neighbours change nothing.
TEST(NeighbourPrior, EqualStepsAgree) {
  const MatrixX states = Random(7).matrix(nx, 4);
  auto r = scrambled(10, 4, 7);
  for (int t = 0; t < 10; ++t) {
    r.x[t] = states;
    r.u[t] = r.u[0];
  }
  const auto alone = fit_dynamics(r, {.ridge = 1e-3});
  const auto shared = fit_dynamics(r, {.ridge = 1e-3}, NeighbourPrior(r, {}));
  ASSERT_TRUE(alone.ok() && shared.ok());
  EXPECT_LT((alone.dynamics.F.flat() - shared.dynamics.F.flat()).norm(), 1e-10);
  EXPECT_LT((alone.dynamics.f.flat() - shared.dynamics.f.flat()).norm(), 1e-10);
}

TEST(NeighbourPrior, DataThatAreNotFiniteAreNamed) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), 1e200}) {
    auto r = scrambled(8, 3, 8);
    r.u[5](1, 2) = bad;
    const NeighbourPrior prior(r, {});
    EXPECT_EQ(prior.failure().kind, FailureKind::singular_fit);
    EXPECT_EQ(prior.failure().step, 5);
    EXPECT_FALSE(std::isfinite(prior.failure().value));
    EXPECT_EQ(prior.steps(), 0);
  }
  auto large = scrambled(30, 3, 8);  // every step's scatter is finite, their sum is not
  for (int t = 0; t < 30; ++t) large.u[t] *= 5e153;
  EXPECT_FALSE(NeighbourPrior(large, {}).failure().ok());
  EXPECT_THROW(NeighbourPrior(scrambled(3, 3, 1), {.points_per_input = -1.0}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
