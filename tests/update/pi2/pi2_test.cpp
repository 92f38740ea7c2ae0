/// Laws of the PI2 step: against plain formulas on the samples' controls, and at the edges.

#include "pilqr/update/pi2/pi2.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using test::deviation;
using test::Random;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

template <int Nx = Dynamic, int Nu = Dynamic>
struct Problem {
  LinearGaussianPolicy<Nx, Nu> policy;
  Sequence<Nu, Dynamic> xi;
  MatrixX S;            // N x T
  VectorX temperature;  // T

  Problem(std::uint64_t seed, int T, int nu, int N) {
    Random random(seed);
    policy = random.policy<Nx, Nu>(T, Nx == Dynamic ? 3 : Nx, nu);
    xi.resize(T, nu, N);
    for (int t = 0; t < T; ++t) xi[t] = random.matrix(nu, N);
    S = random.matrix(N, T);
    temperature = VectorX::Constant(T, 0.7);
  }
  Pi2Result<Nx, Nu> update(const Pi2Options& options = {}) const {
    return pi2_update(policy, xi, S, temperature, options);
  }
};

Pi2Options with(double damping, bool centered) {
  return {.covariance_damping = damping, .centered = centered};
}

/// What the step should give at t, from the feed-forward controls s_i = k + L xi_i themselves.
struct Expected {
  VectorX k;
  MatrixX Sigma;
};
Expected by_controls(const Problem<>& p, int t, const Pi2Options& options) {
  const int N = p.xi.cols();
  const int nu = p.xi.rows();
  const MatrixX old = p.policy.Sigma(t);
  MatrixX s = p.policy.L[t] * p.xi[t];
  s.colwise() += VectorX(p.policy.k[t]);
  VectorX w(N);
  for (int i = 0; i < N; ++i) w(i) = std::exp(-p.S(i, t) / p.temperature(t));
  w /= w.sum();
  const auto scatter = [&](const VectorX& weights) {
    const VectorX mean = s * weights;
    MatrixX sum = MatrixX::Zero(nu, nu);
    for (int i = 0; i < N; ++i) {
      sum += weights(i) * (s.col(i) - mean) * (s.col(i) - mean).transpose();
    }
    return sum;
  };
  const VectorX uniform = VectorX::Constant(N, 1.0 / N);
  Expected e;
  e.k = s * w;
  if (options.centered) e.k += p.policy.k[t] - s * uniform;
  if (options.covariance_damping > 0.0) {
    const MatrixX precision = old.inverse();
    const double spread = (precision * scatter(w)).trace();
    const double reference = options.centered ? (precision * scatter(uniform)).trace() : nu;
    e.Sigma = old * std::pow(spread / reference, 1.0 / options.covariance_damping);
  } else {
    e.Sigma = scatter(w);
    if (options.centered) e.Sigma += old - scatter(uniform);
    const double n_eff = 1.0 / w.squaredNorm();
    e.Sigma = (n_eff * e.Sigma + options.shrinkage * old) / (n_eff + options.shrinkage);
  }
  return e;
}

TEST(Pi2Update, AgreesWithTheFormulasOnControls) {
  for (const double damping : {0.0, 1.0, 2.0, 10.0}) {
    for (const bool centered : {false, true}) {
      const Problem<> p(1, 4, 3, 200);  // enough samples for the scatters to be definite
      const Pi2Options options = with(damping, centered);
      const auto result = p.update(options);
      ASSERT_TRUE(result.ok()) << result.failure.message();
      EXPECT_EQ(result.policy.K, p.policy.K);
      for (int t = 0; t < 4; ++t) {
        const Expected e = by_controls(p, t, options);
        EXPECT_LT(deviation(result.policy.k[t], e.k), 1e-12) << damping << centered;
        EXPECT_LT(deviation(result.policy.Sigma(t), e.Sigma), 1e-11) << damping << centered;
        EXPECT_TRUE(result.policy.L[t].isLowerTriangular(0.0));
        EXPECT_GT(result.policy.L[t].diagonal().minCoeff(), 0.0);
        const double ratio =
            std::pow(e.Sigma.determinant() / p.policy.Sigma(t).determinant(), 1.0 / 3.0);
        EXPECT_NEAR(result.variance_ratio(t), ratio, 1e-11);
        EXPECT_NEAR(result.effective_samples(t), 1.0 / result.weights.col(t).squaredNorm(), 1e-9);
        EXPECT_NEAR(result.weights.col(t).sum(), 1.0, 1e-14);
      }
    }
  }
}

TEST(Pi2Update, EqualCostsCentredAreTheIdentity) {
  for (const double damping : {0.0, 2.0}) {
    for (const int N : {1, 2, 5, 20}) {
      Problem<> p(2, 3, 2, N);
      p.S.setConstant(1e7);
      const auto result = p.update(with(damping, true));
      ASSERT_TRUE(result.ok());
      for (int t = 0; t < 3; ++t) {
        EXPECT_LT(deviation(result.policy.k[t], p.policy.k[t]), 1e-15);
        EXPECT_LT(deviation(result.policy.L[t], p.policy.L[t]),
                  1e-15 + (damping > 0.0 ? 0.0 : 1e-14));
        EXPECT_NEAR(result.variance_ratio(t), 1.0, 1e-14);
      }
    }
  }
}

TEST(Pi2Update, EqualCostsNotCentredMoveToTheSamplesMean) {
  Problem<> p(3, 3, 2, 20);
  p.S.setConstant(-4.0);
  const auto result = p.update(with(2.0, false));
  for (int t = 0; t < 3; ++t) {
    const VectorX mean = p.policy.k[t] + p.policy.L[t] * VectorX(p.xi[t].rowwise().mean());
    EXPECT_LT(deviation(result.policy.k[t], mean), 1e-14);
  }
}

TEST(Pi2Update, AntitheticNoiseHasNoMeanToLeak) {
  Problem<> p(4, 3, 2, 20);
  p.S.setConstant(2.0);
  for (int t = 0; t < 3; ++t) p.xi[t].rightCols(10) = -p.xi[t].leftCols(10).eval();
  for (const bool centered : {false, true}) {
    const auto result = p.update(with(2.0, centered));
    EXPECT_LT(deviation(result.policy.k.flat(), p.policy.k.flat()), 1e-15);
  }
}

TEST(Pi2Update, OneDominatingSampleIsFollowedWithoutCollapse) {
  for (const double damping : {0.0, 1.0, 2.0, 10.0}) {
    for (const bool centered : {false, true}) {
      Problem<> p(5, 3, 2, 10);
      p.S.row(7).setConstant(-1e6);
      Pi2Options options = with(damping, centered);
      options.shrinkage = 0.0;
      options.min_variance_ratio = 0.01;
      const auto result = p.update(options);
      ASSERT_TRUE(result.ok()) << result.failure.message();
      for (int t = 0; t < 3; ++t) {
        VectorX shift = p.xi[t].col(7);
        if (centered) shift -= p.xi[t].rowwise().mean();
        EXPECT_LT(deviation(result.policy.k[t], p.policy.k[t] + p.policy.L[t] * shift), 1e-13);
        EXPECT_NEAR(result.effective_samples(t), 1.0, 1e-12);
        const double least = damping > 0.0 ? std::pow(0.01, 1.0 / damping) : 0.01;
        EXPECT_TRUE(test::at_least(result.policy.Sigma(t), least, p.policy.Sigma(t)));
        if (damping > 0.0) {  // no spread is left, so the ratio sits at its floor
          EXPECT_NEAR(result.variance_ratio(t), least, 1e-12);
        }
      }
    }
  }
}

TEST(Pi2Update, FewerSamplesThanControlsStayPositiveDefinite) {
  for (const int N : {1, 2}) {
    for (const bool centered : {false, true}) {
      for (const double shrinkage : {0.0, 1.0}) {
        const Problem<> p(6, 3, 5, N);
        const auto result =
            p.update({.covariance_damping = 0.0, .centered = centered, .shrinkage = shrinkage});
        ASSERT_TRUE(result.ok());
        for (int t = 0; t < 3; ++t) {
          EXPECT_TRUE(test::at_least(result.policy.Sigma(t), 1e-3, p.policy.Sigma(t)));
        }
        EXPECT_NO_THROW(require_valid(result.policy, "result"));
      }
    }
  }
}

TEST(Pi2Update, OneSampleCentredIsTheIdentity) {
  const Problem<> p(7, 1, 1, 1);  // one step and one control as well
  const auto result = p.update();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.policy, p.policy);
  EXPECT_EQ(result.weights(0, 0), 1.0);
}

TEST(Pi2Update, NoSpreadAtAllKeepsTheCovariance) {
  Problem<> p(8, 2, 2, 6);
  p.xi.set_zero();
  const auto result = p.update();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.policy, p.policy);
}

TEST(Pi2Update, OrderOfTheSamplesDoesNotMatter) {
  const Problem<> p(9, 3, 2, 7);
  Problem<> q = p;
  Eigen::PermutationMatrix<Dynamic> order(7);
  order.indices() << 3, 0, 6, 1, 5, 2, 4;
  for (int t = 0; t < 3; ++t) q.xi[t] = (p.xi[t] * order.transpose()).eval();
  q.S = order * p.S;
  for (const double damping : {0.0, 2.0}) {
    const auto a = p.update(with(damping, true));
    const auto b = q.update(with(damping, true));
    EXPECT_LT(test::policy_deviation(b.policy, a.policy), 1e-13);
    EXPECT_LT((b.weights - order * a.weights).norm(), 1e-15);
  }
}

TEST(Pi2Update, OffsetAndCommonScaleOfCostsDoNotMatter) {
  Problem<> p(10, 3, 2, 7);
  const auto before = p.update();
  p.S.array() = p.S.array() * 8.0 + 1e3;
  p.temperature *= 8.0;
  EXPECT_LT(test::policy_deviation(p.update().policy, before.policy), 1e-10);
}

TEST(Pi2Update, FixedAndDynamicSizesAgree) {
  const Problem<> p(11, 4, 2, 9);
  const Problem<3, 2> q(11, 4, 2, 9);
  for (const double damping : {0.0, 2.0}) {
    for (const bool centered : {false, true}) {
      const auto a = p.update(with(damping, centered));
      const auto b = q.update(with(damping, centered));
      EXPECT_LT(test::policy_deviation(b.policy, a.policy), 1e-14);
      EXPECT_LT((a.weights - b.weights).norm(), 1e-14);
    }
  }
}

TEST(Pi2Update, LowersTheExpectedCostOfAQuadratic) {
  // S_i = |s_i - target|^2 of the controls: the mean moves towards the target.
  Problem<> p(12, 1, 2, 400);
  const Eigen::Vector2d target = p.policy.k[0] + Eigen::Vector2d(1.0, -0.5);
  for (int i = 0; i < 400; ++i) {
    p.S(i, 0) = (p.policy.k[0] + p.policy.L[0] * p.xi[0].col(i) - target).squaredNorm();
  }
  const double before = (p.policy.k[0] - target).norm();
  EXPECT_LT((p.update().policy.k[0] - target).norm(), 0.8 * before);
}

TEST(Pi2Failure, CostsThatAreNotFiniteAreNamed) {
  for (const double bad : {nan, infinity, -infinity}) {
    for (int t = 0; t < 3; ++t) {
      for (const int i : {0, 4}) {
        Problem<> p(13, 3, 2, 5);
        p.S(i, t) = bad;
        const auto result = p.update();
        ASSERT_FALSE(result.ok()) << bad;
        EXPECT_EQ(result.failure.kind, FailureKind::non_finite_update);
        EXPECT_EQ(result.failure.step, t);
        EXPECT_FALSE(std::isfinite(result.failure.value));
      }
    }
  }
}

TEST(Pi2Failure, NoiseThatIsNotFiniteIsNamed) {
  for (const double bad : {nan, infinity}) {
    for (const double damping : {0.0, 2.0}) {
      for (int t = 0; t < 3; ++t) {
        Problem<> p(14, 3, 2, 5);
        p.xi[t](1, 3) = bad;
        const auto result = p.update(with(damping, true));
        ASSERT_FALSE(result.ok()) << bad;
        EXPECT_EQ(result.failure.kind, FailureKind::non_finite_update);
        EXPECT_EQ(result.failure.step, t);
      }
    }
  }
}

TEST(Pi2Misuse, Throws) {
  const Problem<> good(15, 3, 2, 5);
  Problem<> p = good;
  p.xi.resize(2, 2, 5);
  EXPECT_THROW((void)p.update(), InvalidArgument);
  p = good;
  p.xi.resize(3, 1, 5);
  EXPECT_THROW((void)p.update(), InvalidArgument);
  p = good;
  p.xi.resize(3, 2, 0);
  p.S.resize(0, 3);
  EXPECT_THROW((void)p.update(), InvalidArgument);
  p = good;
  p.S.resize(3, 5);  // transposed
  EXPECT_THROW((void)p.update(), InvalidArgument);
  p = good;
  p.temperature.resize(2);
  EXPECT_THROW((void)p.update(), InvalidArgument);
  for (const double bad : {0.0, -1.0, nan}) {
    p = good;
    p.temperature(1) = bad;
    EXPECT_THROW((void)p.update(), InvalidArgument) << bad;
    EXPECT_THROW((void)good.update({.min_variance_ratio = bad}), InvalidArgument) << bad;
  }
  for (const double bad : {-1.0, nan, infinity}) {
    EXPECT_THROW((void)good.update({.covariance_damping = bad}), InvalidArgument) << bad;
    EXPECT_THROW((void)good.update({.shrinkage = bad}), InvalidArgument) << bad;
  }
  EXPECT_THROW((void)good.update({.min_variance_ratio = 1.1}), InvalidArgument);
}

/// Rollouts of x' = A x + B u + a under a policy, and a policy with other gains.
struct Deviations {
  static constexpr int T = 7;
  static constexpr int nx = 3;
  static constexpr int nu = 2;
  static constexpr int N = 5;
  Random random{21};
  MatrixX A = 0.5 * random.matrix(nx, nx);
  MatrixX B = random.matrix(nx, nu);
  VectorX a = random.vector(nx);
  LinearGaussianPolicy<> sampled = random.policy<Dynamic, Dynamic>(T, nx, nu);
  LinearGaussianPolicy<> other = random.policy<Dynamic, Dynamic>(T, nx, nu);
  Rollouts<> r{T, N, nx, nu};
  MatrixX weights = random.matrix(N, T).cwiseAbs();

  Deviations() {
    const VectorX start = random.vector(nx);
    for (int i = 0; i < N; ++i) {
      VectorX x = start;
      for (int t = 0; t < T; ++t) {
        r.x[t].col(i) = x;
        r.xi[t].col(i) = random.vector(nu);
        r.u[t].col(i) = sampled.K[t] * x + sampled.k[t] + sampled.L[t] * r.xi[t].col(i);
        x = A * x + B * r.u[t].col(i) + a;
      }
    }
    for (int t = 0; t < T; ++t) weights.col(t) /= weights.col(t).sum();
  }
  /// Mean states of a policy from the first mean state of the samples.
  [[nodiscard]] MatrixX states(const LinearGaussianPolicy<>& policy) const {
    MatrixX x(nx, T);
    x.col(0) = r.x[0].rowwise().mean();
    for (int t = 0; t + 1 < T; ++t) {
      x.col(t + 1) = A * x.col(t) + B * (policy.K[t] * x.col(t) + policy.k[t]) + a;
    }
    return x;
  }
};

TEST(CarryOver, OfTheSampledPolicyIsTheCentredStep) {
  Deviations d;
  LinearGaussianPolicy<> updated = d.sampled;
  ASSERT_TRUE(carry_over(d.r, d.weights, d.sampled, updated).ok());
  for (int t = 0; t < Deviations::T; ++t) {
    const VectorX w = d.weights.col(t).array() - 1.0 / Deviations::N;
    EXPECT_LT(deviation(updated.k[t], d.sampled.k[t] + d.sampled.L[t] * (d.r.xi[t] * w)), 1e-12);
  }
  EXPECT_EQ(updated.K, d.sampled.K);
  EXPECT_EQ(updated.L, d.sampled.L);
}

// Linear dynamics, the same weights at every step: the weighted deviation of the samples' states is
// added to the other policy's trajectory, whatever its gains.
TEST(CarryOver, AddsTheSamplesDeviationToTheTrajectory) {
  Deviations d;
  for (int t = 1; t < Deviations::T; ++t) d.weights.col(t) = d.weights.col(0);
  LinearGaussianPolicy<> updated = d.other;
  ASSERT_TRUE(carry_over(d.r, d.weights, d.other, updated).ok());
  const VectorX w = d.weights.col(0).array() - 1.0 / Deviations::N;
  const MatrixX before = d.states(d.other);
  const MatrixX after = d.states(updated);
  for (int t = 0; t < Deviations::T; ++t) {
    EXPECT_LT(deviation(after.col(t), before.col(t) + d.r.x[t] * w), 1e-12) << t;
  }
  EXPECT_GT((after - before).norm(), 0.1);
}

TEST(CarryOver, UniformWeightsAndFailures) {
  Deviations d;
  LinearGaussianPolicy<> updated = d.other;
  const MatrixX uniform = MatrixX::Constant(Deviations::N, Deviations::T, 1.0 / Deviations::N);
  ASSERT_TRUE(carry_over(d.r, uniform, d.other, updated).ok());
  EXPECT_EQ(updated, d.other);
  d.r.u[4](1, 2) = infinity;
  const Failure failure = carry_over(d.r, d.weights, d.other, updated);
  EXPECT_EQ(failure.kind, FailureKind::non_finite_update);
  EXPECT_EQ(failure.step, 4);
  EXPECT_EQ(updated, d.other) << "untouched";
  EXPECT_THROW((void)carry_over(d.r, d.weights.leftCols(3), d.other, updated), InvalidArgument);
  EXPECT_THROW(
      (void)carry_over(d.r, d.weights, d.random.policy<Dynamic, Dynamic>(7, 2, 2), updated),
      InvalidArgument);
}

}  // namespace
}  // namespace pilqr
