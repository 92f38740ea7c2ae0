/// The dual of one step against long double bisection, finite differences and brute force.

#include "pilqr/update/lqr/step_dual.hpp"

#include <gtest/gtest.h>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;
using Real = long double;

/// KL at eta = bound + excess by its definition: per direction 1/2 [d - 1 - log d + m / p^2] with
/// p = eta + lambda and d = max(eta / p, floor).
Real exact_kl(const StepKl<>& kl, Real excess) {
  Real bound = 0.0L;
  for (Eigen::Index i = 0; i < kl.lambda.size(); ++i) {
    bound = std::max(bound, -static_cast<Real>(kl.lambda(i)));
  }
  Real sum = 0.0L;
  for (Eigen::Index i = 0; i < kl.lambda.size(); ++i) {
    const Real p = (static_cast<Real>(kl.lambda(i)) + bound) + excess;
    const Real floor = kl.min_variance_ratio;
    Real change = -static_cast<Real>(kl.lambda(i)) / p;  // d - 1
    if (1.0L + change < floor) change = floor - 1.0L;
    const Real term = std::abs(change) < 1e-5L
                          ? change * change * (0.5L - change / 3.0L + change * change / 4.0L)
                          : change - std::log1p(change);
    sum += term + static_cast<Real>(kl.m(i)) / p / p;
  }
  return 0.5L * sum;
}

/// log of the excess where KL = step, by bisection.
Real exact_log_excess(const StepKl<>& kl, Real step) {
  Real low = -300.0L;
  Real high = 300.0L;
  for (int i = 0; i < 300; ++i) {
    const Real middle = 0.5L * (low + high);
    (exact_kl(kl, std::exp(middle)) > step ? low : high) = middle;
  }
  return 0.5L * (low + high);
}

StepKl<> random_step(Random& random, int nu, double scale, int kind) {
  StepKl<> kl{scale * random.vector(nu), scale * scale * random.vector(nu).cwiseAbs2(), 0.0};
  if (kind == 0) kl.lambda = kl.lambda.cwiseAbs();
  if (kind == 1) kl.lambda = -kl.lambda.cwiseAbs();
  if (kind == 3) kl.m.setZero();
  if (kind == 4) kl.lambda.setZero();
  return kl;
}

TEST(StepDual, AgreesWithBisectionInLongDouble) {
  Random random(1);
  int active = 0;
  for (int trial = 0; trial < 600; ++trial) {
    const double scale = std::pow(10.0, random.uniform(-6.0, 8.0));
    StepKl<> kl = random_step(random, 1 + trial % 7, scale, trial % 5);
    if (trial % 4 == 3) kl.min_variance_ratio = random.uniform(0.01, 0.99);
    for (const double step : {1e-8, 1e-3, 0.2, 5.0, 1e3}) {
      const DualRoot root = solve_step_dual(kl, step, 1e-12 * scale);
      ASSERT_TRUE(root.ok);
      EXPECT_NEAR(root.dual, kl.lower_bound() + root.excess, 1e-15 * root.dual);
      const Real floor = 1e-12L * scale;
      if (!root.active) {
        EXPECT_LE(exact_kl(kl, floor), step * (1.0L + 1e-9L));
        EXPECT_NEAR(root.excess, 1e-12 * scale, 1e-26 * scale);
        EXPECT_LE(root.kl, step);
        continue;
      }
      ++active;
      const Real expected = exact_log_excess(kl, step);
      EXPECT_NEAR(static_cast<double>(std::log(static_cast<Real>(root.excess)) - expected), 0.0,
                  2e-11)
          << "trial " << trial << ", step " << step;
      EXPECT_NEAR(root.kl, step, 1e-11 * step);
      EXPECT_NEAR(static_cast<double>(exact_kl(kl, root.excess)), step, 1e-11 * step);
    }
  }
  EXPECT_GT(active, 1500);
}

TEST(StepDual, DivergenceAndDerivativeAgreeWithDifferences) {
  Random random(2);
  for (int trial = 0; trial < 200; ++trial) {
    StepKl<> kl = random_step(random, 1 + trial % 4, 1.0, trial % 5);
    if (trial % 3 == 2) kl.min_variance_ratio = 0.7;
    for (const double excess : {1e-4, 0.03, 1.0, 50.0, 1e4}) {
      double slope = 0.0;
      const double value = kl.at(excess, &slope);
      EXPECT_NEAR(value / static_cast<double>(exact_kl(kl, excess)), 1.0, 1e-11);
      EXPECT_EQ(value, kl.at(excess));
      // Central difference in long double; none next to a kink of the floor, where slopes differ.
      const Real h = 1e-5L * excess;
      const Real above = (exact_kl(kl, excess + h) - exact_kl(kl, excess)) / h;
      const Real below = (exact_kl(kl, excess) - exact_kl(kl, excess - h)) / h;
      if (std::abs(above - below) > 1e-3L * std::abs(above)) continue;
      EXPECT_NEAR(static_cast<double>(0.5L * (above + below)), slope, 1e-6 * std::abs(slope))
          << "trial " << trial << ", excess " << excess;
    }
  }
}

TEST(StepDual, DivergenceFallsMonotonically) {
  Random random(3);
  for (int trial = 0; trial < 100; ++trial) {
    StepKl<> kl = random_step(random, 1 + trial % 4, 1.0, trial % 5);
    if (trial % 2 == 1) kl.min_variance_ratio = random.uniform(0.1, 0.95);
    double last = std::numeric_limits<double>::infinity();
    for (double log_excess = -20.0; log_excess < 14.0; log_excess += 0.1) {
      const double value = kl.at(std::exp(log_excess));
      EXPECT_LE(value, last);
      EXPECT_GT(value, 0.0);
      last = value;
    }
  }
}

TEST(StepDual, NothingToGainIsSatisfied) {
  for (const double step : {1e-8, 1.0, 1e3}) {
    const StepKl<> zero{VectorX::Zero(3), VectorX::Zero(3), 0.0};
    const DualRoot root = solve_step_dual(zero, step, 1e-8);
    EXPECT_TRUE(root.ok);
    EXPECT_FALSE(root.active);
    EXPECT_EQ(root.kl, 0.0);
    EXPECT_NEAR(root.dual, 1e-8, 1e-20);
  }
}

TEST(StepDual, FlooredVariancesAloneCanKeepTheStepInactive) {
  const StepKl<> kl{VectorX::Constant(2, 3.0), VectorX::Zero(2), 0.5};
  const double most = 0.5 - 1.0 + std::log(2.0);  // both directions at the floor
  const DualRoot root = solve_step_dual(kl, 1.01 * most, 1e-8);
  EXPECT_FALSE(root.active);
  EXPECT_NEAR(root.kl, most, 1e-14);
  EXPECT_TRUE(solve_step_dual(kl, 0.99 * most, 1e-8).active);
}

TEST(StepDual, RefusesNanAndInfinity) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, infinity, -infinity}) {
    for (int i = 0; i < 3; ++i) {
      StepKl<> kl{VectorX::Ones(3), VectorX::Ones(3), 0.0};
      kl.lambda(i) = bad;
      EXPECT_FALSE(solve_step_dual(kl, 0.1, 1e-8).ok);
      kl.lambda(i) = 1.0;
      kl.m(i) = bad;
      EXPECT_FALSE(solve_step_dual(kl, 0.1, 1e-8).ok);
    }
  }
}

/// One control without state: cost 1/2 lambda u^2 + g u from the reference N(0, 1). Among all N(e,
/// d) with d >= floor and KL <= step, found on a grid, none is better than the root's.
TEST(StepDual, SolvesTheScalarProblemOnAGrid) {
  for (const double lambda : {-2.0, -0.3, 0.0, 0.5, 4.0}) {
    for (const double g : {0.0, 0.2, -3.0}) {
      for (const double floor : {0.0, 0.6, 0.95}) {
        for (const double step : {0.01, 0.3, 2.0}) {
          const StepKl<> kl{VectorX::Constant(1, lambda), VectorX::Constant(1, g * g), floor};
          const DualRoot root = solve_step_dual(kl, step, 1e-10);
          const auto cost = [&](double e, double d) { return 0.5 * lambda * (d + e * e) + g * e; };
          const double d_best = kl.variance_ratio(0, root.excess);
          const double e_best = -g / (lambda + root.dual);
          EXPECT_GE(d_best, floor);
          const double reached = 0.5 * (d_best - 1.0 - std::log(d_best) + e_best * e_best);
          EXPECT_LE(reached, step * (1.0 + 1e-10));
          double least = std::numeric_limits<double>::infinity();
          for (double d = std::max(floor, 1e-3); d < 8.0; d += 1e-3) {
            const double room = 2.0 * step - (d - 1.0 - std::log(d));
            if (room < 0.0) continue;
            // The cost is a parabola in e on [-radius, radius].
            const double radius = std::sqrt(room);
            least = std::min({least, cost(radius, d), cost(-radius, d)});
            if (lambda > 0.0 && std::abs(g / lambda) < radius) {
              least = std::min(least, cost(-g / lambda, d));
            }
          }
          const double best = cost(e_best, d_best);
          // A gradient of zero with lambda < 0 has two best means, +-e; the policy keeps the
          // middle.
          const bool split = g == 0.0 && lambda < 0.0;
          if (!split) {
            EXPECT_LE(best, least + 1e-9) << lambda << " " << g << " " << floor << " " << step;
          }
          if (!split && std::isfinite(least)) {
            EXPECT_NEAR(best, least, 0.02 * (1.0 + std::abs(least)));  // the grid is not far off
          }
        }
      }
    }
  }
}

TEST(StepDual, ARaisedDualIsTheRootOrWhatItIsRaisedTo) {
  Random random(9);
  for (const bool convex : {true, false}) {
    StepKl<> kl{.lambda = random.vector(3), .m = random.vector(3).cwiseAbs()};
    if (convex) kl.lambda = kl.lambda.cwiseAbs();
    const DualRoot root = solve_step_dual(kl, 0.3, 1e-8);
    EXPECT_EQ(raise_dual(kl, root, 0.0).dual, root.dual);
    EXPECT_EQ(raise_dual(kl, root, root.dual).kl, root.kl);
    const double least = 3.0 * root.dual;
    const DualRoot raised = raise_dual(kl, root, least);
    EXPECT_EQ(raised.dual, least);
    EXPECT_NEAR(raised.excess, least - kl.lower_bound(), 1e-12 * least);
    EXPECT_NEAR(raised.kl, static_cast<double>(exact_kl(kl, least - kl.lower_bound())), 1e-12);
    EXPECT_LT(raised.kl, root.kl);
    EXPECT_FALSE(raised.active);
  }
}

}  // namespace
}  // namespace pilqr
