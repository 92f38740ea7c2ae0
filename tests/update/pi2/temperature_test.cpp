/// The temperature against bisection and minimisation of the dual in long double, and its laws.

#include "pilqr/update/pi2/temperature.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;
using Real = long double;

/// log mean exp(-(S - min S) / eta).
Real log_mean(const VectorX& S, Real eta) {
  const Real least = S.minCoeff();
  Real sum = 0.0L;
  for (Eigen::Index i = 0; i < S.size(); ++i) {
    sum += std::expm1(-(static_cast<Real>(S(i)) - least) / eta);
  }
  return std::log1p(sum / static_cast<Real>(S.size()));
}

/// KL(w || uniform) = sum w log(N w) by its definition.
Real divergence(const VectorX& S, Real eta) {
  const Real least = S.minCoeff();
  const Real shift = log_mean(S, eta);
  Real kl = 0.0L;
  for (Eigen::Index i = 0; i < S.size(); ++i) {
    const Real log_wn = -(static_cast<Real>(S(i)) - least) / eta - shift;
    kl += std::exp(log_wn) * log_wn;
  }
  return kl / static_cast<Real>(S.size());
}

/// The REPS dual of the shifted costs.
Real dual(const VectorX& S, Real eta, Real kl_step) {
  return eta * (kl_step + log_mean(S, eta));
}

/// The root of divergence = kl_step by bisection in log eta.
double bisect(const VectorX& S, double kl_step) {
  const Real range = S.maxCoeff() - S.minCoeff();
  Real low = std::log(range) - 30.0L;
  Real high = std::log(range) + 30.0L;
  for (int i = 0; i < 200; ++i) {
    const Real middle = 0.5L * (low + high);
    (divergence(S, std::exp(middle)) > kl_step ? low : high) = middle;
  }
  return static_cast<double>(std::exp(0.5L * (low + high)));
}

TEST(Temperature, AgreesWithBisectionInLongDouble) {
  Random random(1);
  for (const int N : {2, 5, 20, 1000}) {
    for (int trial = 0; trial < (N == 1000 ? 3 : 20); ++trial) {
      VectorX S = random.vector(N);
      if (trial % 3 == 1) S = S.array().exp();  // long tail
      if (trial % 3 == 2) S(0) -= 100.0;        // one far better than the rest
      const double most = std::log(static_cast<double>(N));
      for (const double share : {1e-8, 1e-3, 0.3, 0.9, 0.999}) {
        const double eta = optimize_temperature(S, {.kl_step = share * most});
        // Near both ends the divergence hardly depends on the temperature.
        EXPECT_NEAR(eta / bisect(S, share * most), 1.0, share > 1e-4 && share < 0.99 ? 1e-11 : 1e-7)
            << "N = " << N << ", trial " << trial << ", share " << share;
        EXPECT_NEAR(static_cast<double>(divergence(S, eta)) / (share * most), 1.0,
                    share > 1e-4 ? 1e-11 : 1e-7);
      }
    }
  }
}

TEST(Temperature, MinimisesTheRepsDual) {
  Random random(2);
  for (int trial = 0; trial < 30; ++trial) {
    const VectorX S = 10.0 * random.vector(2 + trial);
    const double kl_step = random.uniform(0.01, 0.9) * std::log(2.0);
    const double eta = optimize_temperature(S, {.kl_step = kl_step});
    // Golden section in log eta; the dual is convex in eta and so has one minimum.
    const Real golden = 0.5L * (std::sqrt(5.0L) - 1.0L);
    Real low = -20.0L;
    Real high = 20.0L;
    while (high - low > 1e-12L) {
      const Real a = high - golden * (high - low);
      const Real b = low + golden * (high - low);
      (dual(S, std::exp(a), kl_step) < dual(S, std::exp(b), kl_step) ? high : low) =
          dual(S, std::exp(a), kl_step) < dual(S, std::exp(b), kl_step) ? b : a;
    }
    EXPECT_NEAR(std::log(eta), static_cast<double>(0.5L * (low + high)), 1e-7);
    for (Real factor = 1.01L; factor < 3.0L; factor *= 1.1L) {  // and a grid
      EXPECT_LT(dual(S, eta, kl_step), dual(S, eta * factor, kl_step));
      EXPECT_LT(dual(S, eta, kl_step), dual(S, eta / factor, kl_step));
    }
  }
}

TEST(Temperature, ACommonOffsetHasNoEffect) {
  Random random(3);
  VectorX S(20);
  for (int i = 0; i < 20; ++i) S(i) = std::round(1024.0 * 16.0 * random.normal()) / 1024.0;
  const double eta = optimize_temperature(S, {.kl_step = 0.7});
  VectorX w(20);
  VectorX shifted_w(20);
  path_integral_weights(S, eta, w);
  for (const double offset : {-1e12, -1e6, 1e6, 1e12}) {  // exact: S is a multiple of 1/1024
    const VectorX shifted = S.array() + offset;
    EXPECT_EQ(optimize_temperature(shifted, {.kl_step = 0.7}), eta) << offset;
    path_integral_weights(shifted, eta, shifted_w);
    EXPECT_EQ(shifted_w, w) << offset;
  }
}

TEST(Temperature, ScalesWithTheCosts) {
  Random random(4);
  const VectorX S = random.vector(20);
  for (const double kl_step : {1e-4, 0.5, 2.5}) {
    const double eta = optimize_temperature(S, {.kl_step = kl_step});
    for (const double scale : {1e-8, 1e-3, 7.0, 1e8}) {
      EXPECT_NEAR(optimize_temperature(scale * S, {.kl_step = kl_step}) / (scale * eta), 1.0,
                  1e-9 * std::min(1.0, 1e-3 / kl_step));
    }
  }
}

TEST(Temperature, FallsAsTheStepGrows) {
  Random random(5);
  for (const int N : {2, 5, 20, 1000}) {
    const VectorX S = random.vector(N);
    double last = std::numeric_limits<double>::infinity();
    for (double kl_step = 1e-6; kl_step < 0.99 * std::log(N); kl_step *= 1.2) {
      const double eta = optimize_temperature(S, {.kl_step = kl_step});
      EXPECT_LT(eta, last) << "N = " << N << ", step " << kl_step;
      last = eta;
    }
  }
}

TEST(Temperature, SitsAtItsBoundWhereTheStepCannotBeUsedUp) {
  Random random(6);
  for (const int N : {2, 5, 1000}) {
    const VectorX S = random.vector(N);
    const double range = S.maxCoeff() - S.minCoeff();
    const double step = 1.001 * std::log(static_cast<double>(N));
    EXPECT_EQ(optimize_temperature(S, {.kl_step = step}), 1e-12 * range);
    EXPECT_EQ(optimize_temperature(S, {.kl_step = step, .min_temperature = 0.3}), 0.3);
    EXPECT_EQ(optimize_temperature(S, {.kl_step = 50.0, .min_temperature = 0.3}), 0.3);
  }
  // Two best samples share the weight, so KL stays below log(N / 2).
  VectorX tied = random.vector(8).cwiseAbs();
  tied(2) = tied(5) = -1.0;
  const double range = tied.maxCoeff() + 1.0;
  EXPECT_EQ(optimize_temperature(tied, {.kl_step = std::log(4.1)}), 1e-12 * range);
  const double eta = optimize_temperature(tied, {.kl_step = std::log(3.9)});
  EXPECT_NEAR(eta / bisect(tied, std::log(3.9)), 1.0, 1e-10);
}

TEST(Temperature, HonoursItsMinimum) {
  Random random(7);
  const VectorX S = random.vector(20);
  const double eta = optimize_temperature(S, {.kl_step = 1.0});
  EXPECT_EQ(optimize_temperature(S, {.kl_step = 1.0, .min_temperature = 2.0 * eta}), 2.0 * eta);
  EXPECT_NEAR(optimize_temperature(S, {.kl_step = 1.0, .min_temperature = 0.5 * eta}), eta,
              1e-12 * eta);
}

TEST(Temperature, EqualCostsGiveUniformWeights) {
  for (const int N : {1, 2, 20}) {
    for (const double value : {0.0, -3.0, 1e12}) {
      const VectorX S = VectorX::Constant(N, value);
      const double eta = optimize_temperature(S, {.kl_step = 0.5});
      EXPECT_EQ(eta, std::numeric_limits<double>::max());
      VectorX w(N);
      path_integral_weights(S, eta, w);
      EXPECT_EQ(w, VectorX::Constant(N, 1.0 / N));
      EXPECT_NEAR(effective_samples(w), N, 1e-12 * N);
      EXPECT_NEAR(kl_to_uniform(w), 0.0, 1e-14);
    }
  }
}

// The search at a step starts from the result of the one before, whatever that was.
TEST(Temperature, OnePerStep) {
  Random random(8);
  MatrixX S = random.matrix(6, 12);
  S.col(2) *= 1e-9;
  S.col(3) *= 1e12;
  S.col(4).setConstant(3.0);               // no price
  S.col(6) << 0.0, 0.0, 0.0, 0.0, 0.0, 1;  // the least temperature
  S.col(8) << 1.0, 1.0, 1.0, 1.0, 1.0, 0;
  S.col(9).array() += 1e6;
  for (const double step : {0.05, 0.4, 1.7}) {
    const VectorX eta = optimize_temperatures(S, {.kl_step = step});
    ASSERT_EQ(eta.size(), 12);
    for (int t = 0; t < 12; ++t) {
      const double alone = optimize_temperature(S.col(t), {.kl_step = step});
      EXPECT_NEAR(eta(t), alone, 1e-13 * alone) << "step " << t << " kl " << step;
    }
  }
}

TEST(Temperature, WeightsOfExtremeCosts) {
  VectorX S(4);
  S << 1e300, 0.0, 5.0, -2.0;
  VectorX w(4);
  path_integral_weights(S, 1.0, w);
  EXPECT_LT(w(0), 1e-300);
  const double sum = 1.0 + std::exp(-2.0) + std::exp(-7.0);
  EXPECT_NEAR(w(1), std::exp(-2.0) / sum, 1e-15);
  EXPECT_NEAR(w.sum(), 1.0, 1e-15);
  path_integral_weights(S, 1e-300, w);
  EXPECT_LT((w - VectorX::Unit(4, 3)).norm(), 1e-300);
  EXPECT_EQ(effective_samples(w), 1.0);
  EXPECT_NEAR(kl_to_uniform(w), std::log(4.0), 1e-15);
}

TEST(Temperature, MisuseThrows) {
  const VectorX S = VectorX::LinSpaced(4, 0.0, 1.0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    EXPECT_THROW((void)optimize_temperature(S, {.kl_step = bad}), InvalidArgument) << bad;
  }
  for (const double bad : {-1.0, nan, infinity}) {
    EXPECT_THROW((void)optimize_temperature(S, {.min_temperature = bad}), InvalidArgument) << bad;
    VectorX broken = S;
    broken(1) = bad;
    if (bad == -1.0) continue;  // a cost like any other
    EXPECT_THROW((void)optimize_temperature(broken, {}), InvalidArgument) << bad;
  }
  EXPECT_THROW((void)optimize_temperature(VectorX(0), {}), InvalidArgument);
}

// The allowed divergence as a share of log N, its largest value: the smaller bound holds.
TEST(Temperature, TheShareOfTheLargestDivergence) {
  for (const int N : {2, 5, 20, 200}) {
    const VectorX S = Random(12).vector(N);
    const double log_n = std::log(static_cast<double>(N));
    const double eta = optimize_temperature(S, {.kl_step = 1e3, .kl_share = 0.25});
    EXPECT_NEAR(static_cast<double>(divergence(S, eta)), 0.25 * log_n, 1e-10 * log_n) << N;
    EXPECT_EQ(eta, optimize_temperature(S, {.kl_step = 0.25 * log_n})) << N;
    EXPECT_EQ(optimize_temperature(S, {.kl_step = 0.1 * log_n, .kl_share = 0.25}),
              optimize_temperature(S, {.kl_step = 0.1 * log_n}));
  }
  for (const int N : {7, 14, 20, 49}) {  // log N, rounded, is below what one heavy weight has
    const VectorX S = Random(13).vector(N);
    EXPECT_EQ(optimize_temperature(S, {.kl_step = 1e3, .kl_share = 1.0}),
              1e-12 * (S.maxCoeff() - S.minCoeff()));
  }
  const VectorX one = VectorX::Constant(1, 3.0);
  EXPECT_EQ(optimize_temperature(one, {.kl_share = 0.25}), std::numeric_limits<double>::max());
  for (const double share : {0.0, -1.0, 1.1, std::nan("")}) {
    EXPECT_THROW((void)optimize_temperature(one, {.kl_share = share}), InvalidArgument) << share;
  }
}

}  // namespace
}  // namespace pilqr
