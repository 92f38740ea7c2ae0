#pragma once
/// Oracles for costs: numerical differentiation of what a cost puts into its expansion.

#include <gtest/gtest.h>

#include "pilqr/core/check.hpp"
#include "pilqr/model/concepts.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr::test {

template <Cost C>
CostExpansion expansion(const C& cost, int t, const VectorX& x, const VectorX& u,
                        double weight = 1.0) {
  CostExpansion out(rows(x), rows(u));
  cost.expand(t, x, u, weight, out);
  return out;
}

/// The gradient in the expansion against five-point differences of the value in it, the Hessian
/// against those of the gradient; a symmetric Hessian. `step` suits the cost's length scale.
template <Cost C>
void expect_consistent_derivatives(const C& cost, int t, const VectorX& x, const VectorX& u,
                                   double tolerance = 1e-8, double step = 1e-3) {
  const CostExpansion exact = expansion(cost, t, x, u);
  const int ny = rows(exact.gradient);
  VectorX gradient(ny);
  MatrixX hessian(ny, ny);
  for (int i = 0; i < ny; ++i) {
    const auto at = [&](double offset) {
      VectorX xi = x;
      VectorX ui = u;
      (i < rows(x) ? xi(i) : ui(i - rows(x))) += offset * step;
      return expansion(cost, t, xi, ui);
    };
    const CostExpansion p1 = at(1.0);
    const CostExpansion m1 = at(-1.0);
    const CostExpansion p2 = at(2.0);
    const CostExpansion m2 = at(-2.0);
    gradient(i) = (8.0 * (p1.value - m1.value) - (p2.value - m2.value)) / (12.0 * step);
    hessian.col(i) =
        (8.0 * (p1.gradient - m1.gradient) - (p2.gradient - m2.gradient)) / (12.0 * step);
  }
  EXPECT_TRUE(golden::close(exact.gradient, gradient, tolerance, 1.0));
  EXPECT_TRUE(golden::close(exact.hessian, hessian, tolerance, 1.0));
  EXPECT_TRUE(golden::close(exact.hessian, exact.hessian.transpose(), 0.0, 1.0));
}

/// expand ADDS weight times the same numbers, whatever `out` holds.
template <Cost C>
void expect_expansion_is_linear(const C& cost, int t, const VectorX& x, const VectorX& u) {
  Random random(99);
  const CostExpansion once = expansion(cost, t, x, u);
  CostExpansion out(rows(x), rows(u));
  out.value = random.normal();
  out.gradient = random.vector(rows(out.gradient));
  out.hessian = random.symmetric(rows(out.gradient));
  const CostExpansion before = out;
  cost.expand(t, x, u, 0.7, out);
  cost.expand(t, x, u, -2.0, out);
  const double scale = 1.0 + std::abs(once.value) + once.gradient.cwiseAbs().maxCoeff() +
                       once.hessian.cwiseAbs().maxCoeff();
  EXPECT_NEAR(out.value, before.value - 1.3 * once.value, 1e-13 * scale);
  EXPECT_TRUE(golden::close(out.gradient, before.gradient - 1.3 * once.gradient, 1e-13, scale));
  EXPECT_TRUE(golden::close(out.hessian, before.hessian - 1.3 * once.hessian, 1e-13, scale));
}

/// The call throws InvalidArgument with `part` in its message.
template <class Call>
void expect_invalid(const Call& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown, expected a message with: " << part;
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

}  // namespace pilqr::test
