/// LQR-FLM with a lower bound on the duals of its steps.

#include <gtest/gtest.h>

#include "pilqr/update/lqr/lqr_flm.hpp"
#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using test::expected_kl;
using test::LqrProblem;
using test::policy_deviation;
using test::step_of;

constexpr int T = 6;
constexpr int nx = 4;
constexpr int nu = 2;

// A bound on the duals: none of them below it, no divergence above the step, and a dual that is
// high enough leaves the reference.
TEST(LqrFlmLeastDual, DualsStayAboveTheirBound) {
  LqrProblem<> p(7, T, nx, nu);
  LqrFlmWorkspace<> workspace;
  const VectorX steps = VectorX::Constant(T, 0.5);
  const LqrFlmOptions options{.min_variance_ratio = 0.0};
  const auto states = state_marginals(p.dynamics, p.reference, p.start);
  const auto bounded = [&](const VectorX& least) {
    auto result = lqr_flm_update(p.dynamics, p.cost, p.reference, states, steps, options, 1.0,
                                 workspace, least);
    EXPECT_TRUE(result.ok()) << result.failure.message();
    return result;
  };
  const auto free = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, steps, options);
  EXPECT_EQ(bounded(VectorX::Zero(T)).policy, free.policy);
  const test::StateMarginals x(p, p.reference);
  VectorX least = VectorX::Zero(T);
  least(T - 1) = 2.0 * free.kl_dual(T - 1);
  least(1) = 1e3;
  const auto result = bounded(least);
  EXPECT_EQ(result.kl_dual(T - 1), least(T - 1));
  EXPECT_EQ(result.kl_dual(1), 1e3);
  for (int t = 0; t < T; ++t) {
    const auto i = static_cast<std::size_t>(t);
    const double kl =
        expected_kl(step_of(result.policy, t), step_of(p.reference, t), x.mu[i], x.Omega[i]);
    EXPECT_NEAR(kl, result.kl(t), 1e-10) << t;
    if (least(t) > 0.0) {
      EXPECT_LT(kl, 0.49);
    } else {
      EXPECT_NEAR(kl, 0.5, 1e-10);
    }
  }
  EXPECT_LT(policy_deviation(bounded(VectorX::Constant(T, 1e14)).policy, p.reference), 1e-9);
  EXPECT_THROW((void)bounded(VectorX::Ones(T - 1)), InvalidArgument);
  EXPECT_THROW((void)bounded(VectorX::Constant(T, -1.0)), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
