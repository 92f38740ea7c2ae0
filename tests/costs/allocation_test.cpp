// Calls of costs do not allocate.

#include <gtest/gtest.h>

#include "cost_checks.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/finite_difference_cost.hpp"
#include "pilqr/costs/ramp.hpp"
#include "pilqr/costs/region_cost.hpp"
#include "pilqr/costs/residual_cost.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "support/count_allocations.hpp"

namespace pilqr {
namespace {

#if defined(PILQR_TEST_COUNTS_MALLOC)

using test::allocations;

/// d = x - 1.
struct Offset {
  int n;
  int size() const { return n; }
  void operator()(int, const ConstVectorRef& x, const ConstVectorRef&, VectorRef d) const {
    d = x.array() - 1.0;
  }
  void jacobian(int, const ConstVectorRef&, const ConstVectorRef&, MatrixRef J) const {
    J.leftCols(n).setIdentity();
  }
  void add_second_derivatives(int, const ConstVectorRef&, const ConstVectorRef&,
                              const ConstVectorRef&, MatrixRef) const {}
};

TEST(Allocation, TheCounterCounts) {
  const long before = allocations;
  const VectorX v = VectorX::Ones(1000);
  EXPECT_GT(allocations, before);
  EXPECT_EQ(v.sum(), 1000.0);
}

TEST(Allocation, CallsDoNotAllocate) {
  constexpr int nx = 30;
  constexpr int nu = 7;
  const NormOptions norm{.kind = NormKind::log, .l1 = 1.0};
  const auto sine = [](int, const auto& x, const auto& u) {
    using std::sin;
    return sin(x.squaredNorm()) * u(0);
  };
  CostSum sum;
  sum.add(1.0, StateCost({.start = 1,
                          .target = MatrixX::Ones(20, 3),
                          .multipliers = ramp_multipliers(Ramp::linear, 3),
                          .norm = norm}))
      .add(2.0, ActionCost({.R = MatrixX::Identity(nu, nu)}))
      .add(3.0, RegionCost({.center = VectorX::Zero(3), .radius = 1.0}))
      .add(4.0, ResidualCost(Offset{nx}, {.norm = norm}))
      .add(5.0, make_autodiff_cost<nx, nu>(sine))
      .add(6.0, FiniteDifferenceCost([&](int t, const ConstVectorRef& x, const ConstVectorRef& u) {
             return sine(t, x, u);
           }));
  const VectorX x = VectorX::Constant(nx, 0.1);
  const VectorX u = VectorX::Constant(nu, 0.2);
  CostExpansion out(nx, nu);
  double total = sum(0, x, u);  // the thread's scratch memory is made here
  sum.expand(0, x, u, 1.0, out);
  const long before = allocations;
  for (int t = 0; t < 3; ++t) {
    total += sum(t, x, u);
    sum.expand(t, x, u, 1.0, out);
  }
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(std::isfinite(total) && out.hessian.allFinite());
}

#else

TEST(Allocation, CallsDoNotAllocate) {
  GTEST_SKIP() << "malloc cannot be counted in this build";
}

#endif

}  // namespace
}  // namespace pilqr
