/// Laws of the constrained model-based update: constraints hold, costs fall, and the result follows
/// changes of units and coordinates.

#include "pilqr/update/lqr/lqr_flm.hpp"

#include <gtest/gtest.h>

#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using test::deviation;
using test::expected_kl;
using test::LqrProblem;
using test::policy_deviation;
using test::Random;
using test::step_of;

constexpr int T = 6;
constexpr int nx = 4;
constexpr int nu = 2;

template <int Nx, int Nu>
LqrFlmResult<Nx, Nu> update(const LqrProblem<Nx, Nu>& p, double step,
                            const LqrFlmOptions& options = {.min_variance_ratio = 0.0}) {
  return lqr_flm_update(p.dynamics, p.cost, p.reference, p.start,
                        VectorX::Constant(p.reference.steps(), step), options);
}

LqrFlmOptions total(double tolerance = 0.01) {
  return {.constraint = KlConstraint::total, .tolerance = tolerance};
}
constexpr KlConstraint both[] = {KlConstraint::per_step, KlConstraint::total};

/// Options under which results of the two forms can be compared to 1e-9.
LqrFlmOptions tight(KlConstraint constraint) {
  return {.constraint = constraint, .min_variance_ratio = 0.0, .tolerance = 1e-12};
}

TEST(LqrFlmPerStep, DivergenceIsTheStepAtEveryStep) {
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    for (const bool convex : {true, false}) {
      LqrProblem<> p(seed, T, nx, nu);
      if (!convex) p.make_indefinite(seed);
      const test::StateMarginals x(p, p.reference);
      VectorX steps(T);
      for (int t = 0; t < T; ++t) steps(t) = std::pow(10.0, t - 5);
      const auto result = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, steps,
                                         {.min_variance_ratio = seed % 2 == 1 ? 0.0 : 0.5});
      ASSERT_TRUE(result.ok()) << result.failure.message();
      EXPECT_EQ(result.sweeps, 1);
      for (int t = 0; t < T; ++t) {
        const auto i = static_cast<std::size_t>(t);
        const double kl =
            expected_kl(step_of(result.policy, t), step_of(p.reference, t), x.mu[i], x.Omega[i]);
        EXPECT_NEAR(kl, steps(t), 1e-10 * std::max(1.0, steps(t))) << "step " << t;
        EXPECT_NEAR(result.kl(t), steps(t), 1e-11 * steps(t)) << "step " << t;
      }
    }
  }
}

TEST(LqrFlmTotal, DivergenceIsTheStepWithinTheTolerance) {
  int active = 0;
  for (std::uint64_t seed = 1; seed < 5; ++seed) {
    for (const bool convex : {true, false}) {
      for (const KlMarginals marginals : {KlMarginals::updated, KlMarginals::reference}) {
        for (const double step : {1e-6, 1e-3, 0.1, 1.0, 10.0, 100.0}) {
          SCOPED_TRACE(fmt::format("seed {}, convex {}, step {}", seed, convex, step));
          LqrProblem<> p(seed, T, nx, nu);
          if (!convex) p.make_indefinite(seed);
          LqrFlmOptions options = total();
          options.marginals = marginals;
          const auto result = update(p, step, options);
          ASSERT_TRUE(result.ok()) << result.failure.message();
          const test::StateMarginals x(
              p, marginals == KlMarginals::updated ? result.policy : p.reference);
          double kl = 0.0;
          for (int t = 0; t < T; ++t) {
            const auto i = static_cast<std::size_t>(t);
            kl += expected_kl(step_of(result.policy, t), step_of(p.reference, t), x.mu[i],
                              x.Omega[i]);
          }
          EXPECT_NEAR(result.kl.sum(), kl, 1e-9 * std::max(1.0, kl));
          if (result.active) {
            ++active;
            EXPECT_LE(std::abs(kl - T * step), 0.010001 * T * step);
          } else {
            EXPECT_LT(kl, T * step);
            EXPECT_NEAR(result.kl_dual(0), options.min_dual, 1e-12 * options.min_dual);
            EXPECT_TRUE(convex);  // a cost without a minimum uses up any step
          }
          EXPECT_LE(result.sweeps, 60);
          EXPECT_EQ(result.kl_dual.minCoeff(), result.kl_dual.maxCoeff());
        }
      }
    }
  }
  EXPECT_GT(active, 70);
}

TEST(LqrFlm, ConstantsOfTheCostDoNotMatter) {
  LqrProblem<> p(11, T, nx, nu);
  for (const KlConstraint constraint : both) {
    const auto before = update(p, 0.2, tight(constraint));
    LqrProblem<> shifted = p;
    shifted.cost.c0.array() += 1e6;
    const auto after = update(shifted, 0.2, tight(constraint));
    EXPECT_EQ(after.policy, before.policy);
    EXPECT_EQ(after.kl_dual, before.kl_dual);
  }
}

TEST(LqrFlm, ScalingTheCostScalesTheDuals) {
  const LqrProblem<> p(12, T, nx, nu);
  for (const KlConstraint constraint : both) {
    const auto before = update(p, 0.2, tight(constraint));
    for (const double scale : {1e-4, 3.0, 1e6}) {
      LqrProblem<> scaled = p;
      scaled.cost.C.flat() *= scale;
      scaled.cost.c.flat() *= scale;
      const auto after = update(scaled, 0.2, tight(constraint));
      ASSERT_TRUE(after.ok());
      EXPECT_LT(policy_deviation(after.policy, before.policy), 1e-9);
      EXPECT_LT(deviation(after.kl_dual / scale, before.kl_dual), 1e-9);
    }
  }
}

TEST(LqrFlm, PermutingControlsPermutesThePolicy) {
  const int n = 3;
  const LqrProblem<> p(13, T, nx, n);
  Eigen::PermutationMatrix<Dynamic> swap(n);
  swap.indices() << 2, 0, 1;
  const MatrixX P = swap.toDenseMatrix().cast<double>();
  MatrixX M = MatrixX::Identity(nx + n, nx + n);  // new y = M y
  M.bottomRightCorner(n, n) = P;
  LqrProblem<> q = p;
  for (int t = 0; t < T; ++t) {
    q.cost.C[t] = M * p.cost.C[t] * M.transpose();
    q.cost.c[t] = M * p.cost.c[t];
    q.reference.K[t] = P * p.reference.K[t];
    q.reference.k[t] = P * p.reference.k[t];
    MatrixX L = P * p.reference.Sigma(t) * P.transpose();
    ASSERT_TRUE(cholesky_in_place(L));
    q.reference.L[t] = L;
    if (t + 1 < T) q.dynamics.F[t] = p.dynamics.F[t] * M.transpose();
  }
  for (const KlConstraint constraint : both) {
    const auto before = update(p, 0.2, tight(constraint));
    const auto after = update(q, 0.2, tight(constraint));
    ASSERT_TRUE(before.ok() && after.ok());
    EXPECT_LT(deviation(after.kl_dual, before.kl_dual), 1e-9);
    for (int t = 0; t < T; ++t) {
      EXPECT_LT(deviation(after.policy.K[t], P * before.policy.K[t]), 1e-9);
      EXPECT_LT(deviation(after.policy.k[t], P * before.policy.k[t]), 1e-9);
      EXPECT_LT(deviation(after.policy.Sigma(t), P * before.policy.Sigma(t) * P.transpose()), 1e-9);
    }
  }
}

TEST(LqrFlm, FollowsALinearChangeOfTheState) {
  const LqrProblem<> p(14, T, nx, nu);
  Random random(15);
  const MatrixX S = random.matrix(nx, nx) + 3.0 * MatrixX::Identity(nx, nx);  // x = S z
  const MatrixX inverse = S.inverse();
  MatrixX M = MatrixX::Identity(nx + nu, nx + nu);
  M.topLeftCorner(nx, nx) = S;
  LqrProblem<> q = p;
  q.start = {inverse * p.start.mu, inverse * p.start.Sigma * inverse.transpose()};
  for (int t = 0; t < T; ++t) {
    q.cost.C[t] = M.transpose() * p.cost.C[t] * M;
    q.cost.c[t] = M.transpose() * p.cost.c[t];
    q.reference.K[t] = p.reference.K[t] * S;
    if (t + 1 == T) break;
    q.dynamics.F[t] = inverse * p.dynamics.F[t] * M;
    q.dynamics.f[t] = inverse * p.dynamics.f[t];
    q.dynamics.W[t] = inverse * p.dynamics.W[t] * inverse.transpose();
  }
  for (const KlConstraint constraint : both) {
    const auto before = update(p, 0.2, tight(constraint));
    auto after = update(q, 0.2, tight(constraint));
    ASSERT_TRUE(before.ok() && after.ok());
    EXPECT_LT(deviation(after.kl_dual, before.kl_dual), 1e-8);
    for (int t = 0; t < T; ++t) after.policy.K[t] = (after.policy.K[t] * inverse).eval();
    EXPECT_LT(policy_deviation(after.policy, before.policy), 1e-8);
  }
}

template <int Nx, int Nu>
void check_fixed_against_dynamic() {
  const LqrProblem<> p(16, T, Nx, Nu);
  const LqrProblem<Nx, Nu> q(16, T, Nx, Nu);
  for (const KlConstraint constraint : both) {
    const auto a = update(p, 0.2, tight(constraint));
    const auto b = update(q, 0.2, tight(constraint));
    ASSERT_TRUE(a.ok() && b.ok()) << Nx << "x" << Nu;
    EXPECT_LT(policy_deviation(b.policy, a.policy), 1e-10) << Nx << "x" << Nu;
    EXPECT_LT(deviation(b.kl_dual, a.kl_dual), 1e-8) << Nx << "x" << Nu;
  }
}

TEST(LqrFlm, FixedAndDynamicSizesAgree) {
  check_fixed_against_dynamic<nx, nu>();
  check_fixed_against_dynamic<1, 1>();
  check_fixed_against_dynamic<1, 2>();
  check_fixed_against_dynamic<9, 1>();
}

TEST(LqrFlm, SmallStepsLowerTheExpectedCost) {
  for (std::uint64_t seed = 20; seed < 30; ++seed) {
    LqrProblem<> p(seed, T, nx, nu);
    if (seed % 2 == 1) p.make_indefinite(seed);
    const double before = test::totals(p, p.reference).cost;
    for (const KlConstraint constraint : both) {
      double gain = 0.0;
      for (const double step : {1e-6, 1e-4}) {
        LqrFlmOptions options = tight(constraint);
        options.tolerance = 1e-8;  // such a small divergence has fewer digits
        const auto result = update(p, step, options);
        ASSERT_TRUE(result.ok()) << result.failure.message();
        const double more = before - test::totals(p, result.policy).cost;
        EXPECT_GT(more, gain) << "seed " << seed << ", step " << step;
        gain = more;
      }
    }
  }
}

/// The divergence at t = 0 is measured under the start distribution, which no update changes, so
/// the expected cost is what the first step minimises, given the later ones.
TEST(LqrFlmPerStep, ALargerStepNeverRaisesTheExpectedValueOfItsStep) {
  for (std::uint64_t seed = 30; seed < 36; ++seed) {
    for (const int horizon : {1, 2, 5}) {
      LqrProblem<> p(seed, horizon, nx, nu);
      if (seed % 2 == 1) p.make_indefinite(seed);
      VectorX steps = VectorX::Constant(horizon, 0.1);
      double last = std::numeric_limits<double>::infinity();
      for (double step = 1e-6; step < 50.0; step *= 3.0) {
        steps(0) = step;
        const auto result = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, steps);
        ASSERT_TRUE(result.ok());
        const double cost = test::totals(p, result.policy).cost;
        EXPECT_LE(cost, last + 1e-10 * (1.0 + std::abs(last))) << "step " << step;
        last = cost;
      }
    }
  }
}

TEST(LqrFlmTotal, ALargerStepNeverRaisesTheExpectedCost) {
  const LqrProblem<> p(37, T, nx, nu);
  double last = test::totals(p, p.reference).cost;
  for (double step = 1e-6; step < 10.0; step *= 3.0) {
    const auto result = update(p, step, total(1e-10));
    ASSERT_TRUE(result.ok());
    const double cost = test::totals(p, result.policy).cost;
    EXPECT_LT(cost, last) << "step " << step;
    last = cost;
  }
}

TEST(LqrFlm, AZeroCostLeavesThePolicy) {
  LqrProblem<> p(40, T, nx, nu);
  p.cost.C.set_zero();
  p.cost.c.set_zero();
  for (const KlConstraint constraint : both) {
    const auto result = update(p, 0.1, {.constraint = constraint});
    ASSERT_TRUE(result.ok()) << result.failure.message();
    EXPECT_LT(policy_deviation(result.policy, p.reference), 1e-12);
    EXPECT_LT(result.kl.maxCoeff(), 1e-12);
    EXPECT_EQ(result.active, constraint == KlConstraint::per_step);
  }
}

TEST(LqrFlm, ALastStepWithoutControlCostKeepsItsControl) {
  LqrProblem<> p(41, T, nx, nu);
  p.cost.C[T - 1].rightCols(nu).setZero();
  p.cost.C[T - 1].bottomRows(nu).setZero();
  p.cost.c[T - 1].tail(nu).setZero();
  for (const KlConstraint constraint : both) {
    const auto result = update(p, 0.1, {.constraint = constraint});
    ASSERT_TRUE(result.ok()) << result.failure.message();
    EXPECT_LT(result.kl(T - 1), 1e-12);
    EXPECT_LT(deviation(result.policy.K[T - 1], p.reference.K[T - 1]), 1e-12);
    EXPECT_LT(deviation(result.policy.k[T - 1], p.reference.k[T - 1]), 1e-12);
    EXPECT_LT(deviation(result.policy.L[T - 1], p.reference.L[T - 1]), 1e-12);
    EXPECT_GT(result.kl(0), 0.01);
  }
}

TEST(LqrFlm, TakesSingularCovariancesAndOneStep) {
  for (const int horizon : {1, T}) {
    LqrProblem<> p(42, horizon, nx, nu);
    p.start.Sigma.setZero();
    p.dynamics.W.set_zero();
    if (horizon > 1) p.dynamics.W[0](1, 1) = 0.3;  // rank 1
    for (const KlConstraint constraint : both) {
      const auto result = update(p, 0.2, tight(constraint));
      ASSERT_TRUE(result.ok()) << result.failure.message();
      EXPECT_NEAR(result.kl.sum(), 0.2 * horizon, 1e-10);
      const double before = test::totals(p, p.reference).cost;
      EXPECT_LT(test::totals(p, result.policy).cost, before);
    }
  }
}

TEST(LqrFlm, BothConstraintsAgreeForOneStep) {
  for (std::uint64_t seed = 50; seed < 55; ++seed) {
    LqrProblem<> p(seed, 1, nx, nu);
    if (seed % 2 == 1) p.make_indefinite(seed);
    const auto a = update(p, 0.3, tight(KlConstraint::per_step));
    const auto b = update(p, 0.3, tight(KlConstraint::total));
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_LT(policy_deviation(b.policy, a.policy), 1e-9);
    EXPECT_LT(deviation(b.kl_dual, a.kl_dual), 1e-9);
  }
}

TEST(LqrFlmPerStep, VarianceFloorHoldsAndTheMeanTakesTheStep) {
  for (std::uint64_t seed = 60; seed < 66; ++seed) {
    const LqrProblem<> p(seed, T, nx, 3);
    const auto free = update(p, 1.0);
    for (const double floor : {0.1, 0.9, 0.999}) {
      const auto result = update(p, 1.0, {.min_variance_ratio = floor});
      ASSERT_TRUE(result.ok()) << result.failure.message();
      for (int t = 0; t < T; ++t) {
        EXPECT_TRUE(test::at_least(result.policy.Sigma(t), floor, p.reference.Sigma(t)));
        if (floor == 0.999) {  // and the floor is reached
          EXPECT_FALSE(test::at_least(result.policy.Sigma(t), 1.0, p.reference.Sigma(t)));
        }
        EXPECT_NEAR(result.kl(t), 1.0, 1e-10);
      }
      if (floor > 0.5) {  // the last step's Q is the same in both: less spread on the variance
        EXPECT_LT(result.kl_dual(T - 1), free.kl_dual(T - 1));
      }
    }
  }
}

TEST(LqrFlmTotal, FindsTheSameDualFromAnyStart) {
  for (const bool convex : {true, false}) {  // if not, small duals have no policy at all
    LqrProblem<> p(70, T, nx, nu);
    if (!convex) p.make_indefinite(70);
    const VectorX steps = VectorX::Constant(T, 0.1);
    const auto expected =
        lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, steps, total(1e-12));
    ASSERT_TRUE(expected.ok()) << expected.failure.message();
    for (const double start : {1e-300, 1e-8, 1e-3, 1e5, 1e16, 1e300}) {
      SCOPED_TRACE(fmt::format("convex {}, start {}", convex, start));
      const auto result =
          lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, steps, total(1e-12), start);
      ASSERT_TRUE(result.ok()) << result.failure.message();
      EXPECT_NEAR(result.kl_dual(0) / expected.kl_dual(0), 1.0, 1e-9);
    }
    const auto warm = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, steps, total(0.1),
                                     expected.kl_dual(0));
    EXPECT_EQ(warm.sweeps, 1);
  }
}

/// With C_uu = -1 and K = k = 0, L = 1 there is a policy for duals above 1, of variance
/// eta / (eta - 1): its divergence is (1 / (eta - 1) - log(eta / (eta - 1))) / 2.
TEST(LqrFlmTotal, FindsTheDualOfAConcaveStepByHand) {
  LqrProblem<> p(71, 1, 1, 1);
  p.cost.C.set_zero();
  p.cost.C[0](1, 1) = -1.0;
  p.cost.c.set_zero();
  p.reference.K.set_zero();
  p.reference.k.set_zero();
  p.reference.L[0](0, 0) = 1.0;
  for (const double start : {1e-300, 1e-8, 0.5, 1.0, 2.0, 1e16}) {
    const auto result = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start,
                                       VectorX::Constant(1, 0.5), total(1e-10), start);
    ASSERT_TRUE(result.ok()) << start << ": " << result.failure.message();
    const double eta = result.kl_dual(0);
    EXPECT_NEAR(1.0 / (eta - 1.0) - std::log(eta / (eta - 1.0)), 1.0, 1e-9) << start;
  }
}

TEST(LqrFlmTotal, ReportsAConstraintThatNoDualReaches) {
  const LqrProblem<> p(71, T, nx, nu);
  LqrFlmOptions options = total();
  options.max_dual = 1e-3;  // far too small for this step
  const auto result = update(p, 1e-6, options);
  EXPECT_EQ(result.failure.kind, FailureKind::kl_not_reached);
  EXPECT_GT(result.failure.value, T * 1e-6);
}

}  // namespace
}  // namespace pilqr
