// The cost model of samples whose expansions differ, against their mean one by one.

#include <gtest/gtest.h>

#include <cmath>

#include "fit/fit_checks.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/fit/cost_fit.hpp"

namespace pilqr {
namespace {

using golden::close;

TEST(CostFit, TheModelIsTheMeanOfTheSamplesExpansions) {
  constexpr int T = 3;
  constexpr int nx = 4;
  constexpr int nu = 2;
  test::Random random(22);
  const auto dynamics = random.dynamics<Dynamic, Dynamic>(T, nx, nu);
  const auto quadratic = random.cost<Dynamic, Dynamic>(T, nx, nu);
  const auto policy = random.policy<Dynamic, Dynamic>(T, nx, nu);
  CostSum cost;
  cost.add(2.0, StateCost({.target = VectorX::Ones(nx), .norm = {.l1 = 1.0, .l2 = 0.5}}))
      .add(1.0, ActionCost({.weights = VectorX::Ones(nu)}));
  for (const int N : {1, 2, 5, 200}) {
    Rollouts<> r = test::simulate(dynamics, quadratic, policy, N, random);
    r.x.flat().array() += 10.0;  // sums that cancel
    const auto fit = fit_cost(r, cost);
    ASSERT_TRUE(fit.ok());
    for (int t = 0; t < T; ++t) {
      MatrixX C = MatrixX::Zero(nx + nu, nx + nu);
      VectorX c = VectorX::Zero(nx + nu);
      double c0 = 0.0;
      for (int i = 0; i < N; ++i) {
        VectorX y(nx + nu);
        y << r.x[t].col(i), r.u[t].col(i);
        CostExpansion e(nx, nu);
        cost.expand(t, y.head(nx), y.tail(nu), 1.0, e);
        C += e.hessian / N;
        c += (e.gradient - e.hessian * y) / N;
        c0 += (e.value - e.gradient.dot(y) + 0.5 * y.dot(e.hessian * y)) / N;
      }
      EXPECT_TRUE(close(fit.cost.C[t], C, 1e-13));
      EXPECT_TRUE(close(fit.cost.c[t], c, 1e-12));
      EXPECT_NEAR(fit.cost.c0(t), c0, 1e-12 * std::max(1.0, std::abs(c0)));
    }
  }
}

}  // namespace
}  // namespace pilqr
