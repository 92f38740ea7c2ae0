// Norms of general residuals, and the thread's scratch memory below them.

#include <latch>
#include <thread>

#include "cost_checks.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/ramp.hpp"
#include "pilqr/costs/residual_cost.hpp"
#include "pilqr/costs/state_cost.hpp"

namespace pilqr {
namespace {

using test::expansion;
using test::expect_consistent_derivatives;
using test::expect_expansion_is_linear;
using test::expect_invalid;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Tip of a two-link arm with joint angles x, and a product of state and control:
///   d = [cos x0 + cos(x0 + x1) - 1/2,  sin x0 + sin(x0 + x1) - 1,  x0 u0^2].
struct Arm {
  int size() const { return 3; }
  void operator()(int, const ConstVectorRef& x, const ConstVectorRef& u, VectorRef d) const {
    d(0) = std::cos(x(0)) + std::cos(x(0) + x(1)) - 0.5;
    d(1) = std::sin(x(0)) + std::sin(x(0) + x(1)) - 1.0;
    d(2) = x(0) * u(0) * u(0);
  }
  void jacobian(int, const ConstVectorRef& x, const ConstVectorRef& u, MatrixRef J) const {
    J(0, 1) = -std::sin(x(0) + x(1));
    J(0, 0) = -std::sin(x(0)) + J(0, 1);
    J(1, 1) = std::cos(x(0) + x(1));
    J(1, 0) = std::cos(x(0)) + J(1, 1);
    J(2, 0) = u(0) * u(0);
    J(2, 2) = 2.0 * x(0) * u(0);
  }
  void add_second_derivatives(int, const ConstVectorRef& x, const ConstVectorRef& u,
                              const ConstVectorRef& g, MatrixRef H) const {
    const double both = -g(0) * std::cos(x(0) + x(1)) - g(1) * std::sin(x(0) + x(1));
    H(0, 0) += both - g(0) * std::cos(x(0)) - g(1) * std::sin(x(0));
    H(0, 1) += both;
    H(1, 0) += both;
    H(1, 1) += both;
    H(0, 2) += 2.0 * u(0) * g(2);
    H(2, 0) += 2.0 * u(0) * g(2);
    H(2, 2) += 2.0 * x(0) * g(2);
  }
};

struct Incomplete {
  int size() const { return 1; }
};
static_assert(Residual<Arm> && !Residual<Incomplete> && Cost<ResidualCost<Arm>>);

const NormOptions log_norm{.kind = NormKind::log, .l1 = 1.3, .l2 = 0.7, .alpha = 0.2};
const NormOptions l1_norm{.kind = NormKind::l1, .l1 = 1.3, .l2 = 0.7, .alpha = 0.2};

TEST(ResidualCost, HasTheDerivativesOfItsValue) {
  test::Random random(1);
  for (const NormOptions& norm : {NormOptions{}, log_norm, l1_norm}) {
    for (int trial = 0; trial < 10; ++trial) {
      const ResidualCost cost(Arm{}, {.weights = random.vector(3).cwiseAbs(),
                                      .multipliers = ramp_multipliers(Ramp::quadratic, 3),
                                      .norm = norm});
      const VectorX x = random.vector(2);
      const VectorX u = random.vector(1);
      expect_consistent_derivatives(cost, trial % 3, x, u);
      expect_expansion_is_linear(cost, trial % 3, x, u);
      EXPECT_EQ(cost(trial % 3, x, u), expansion(cost, trial % 3, x, u).value);
    }
  }
}

TEST(ResidualCost, FinalOnlyHasNoDerivativesElsewhere) {
  const ResidualCost cost(Arm{},
                          {.multipliers = ramp_multipliers(Ramp::final_only, 3), .norm = l1_norm});
  const VectorX x = VectorX::Ones(2);
  const VectorX u = VectorX::Ones(1);
  const CostExpansion out = expansion(cost, 1, x, u);
  EXPECT_EQ(out.value, 1.3 * std::sqrt(0.2));
  EXPECT_TRUE(out.gradient.isZero(0.0) && out.hessian.isZero(0.0));
  EXPECT_FALSE(expansion(cost, 2, x, u).gradient.isZero(0.1));
  expect_invalid([&] { (void)cost(3, x, u); }, "multipliers for 3 steps");
}

TEST(ResidualCost, RefusesBadArguments) {
  const auto bad = [](ResidualCostOptions options, const char* part) {
    expect_invalid([&] { ResidualCost(Arm{}, options); }, part);
  };
  bad({.weights = VectorX::Ones(2)}, "2 weights for 3 entries");
  bad({.weights = VectorX::Constant(3, nan)}, "weight 0 is nan");
  bad({.multipliers = VectorX::Constant(3, -1.0)}, "multiplier 0 is -1");
  bad({.norm = {.alpha = -1.0}}, "alpha is -1");
  CostExpansion out(3, 1);
  const ResidualCost cost(Arm{});
  expect_invalid([&] { cost.expand(0, VectorX::Ones(2), VectorX::Ones(1), 1.0, out); },
                 "cost expansion");
}

/// Forgets to write d(1).
struct Forgetful {
  int size() const { return 2; }
  void operator()(int, const ConstVectorRef& x, const ConstVectorRef&, VectorRef d) const {
    d(0) = x(0);
  }
  void jacobian(int, const ConstVectorRef&, const ConstVectorRef&, MatrixRef J) const {
    J(0, 0) = 1.0;
  }
  void add_second_derivatives(int, const ConstVectorRef&, const ConstVectorRef&,
                              const ConstVectorRef&, MatrixRef) const {}
};

TEST(ResidualCost, AnEntryThatWasNotWrittenIsNaN) {
  const ResidualCost cost(Forgetful{});
  const VectorX x = VectorX::Ones(1);
  for (int repeat = 0; repeat < 2; ++repeat) {
    EXPECT_TRUE(std::isnan(cost(0, x, x)));
    EXPECT_TRUE(std::isnan(expansion(cost, 0, x, x).value));
  }
}

/// A residual that evaluates another ResidualCost, so that scratch memory nests.
struct Nested {
  ResidualCost<Arm> inner{Arm{}};
  int size() const { return 1; }
  void operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u, VectorRef d) const {
    d(0) = inner(t, x, u);
  }
  void jacobian(int t, const ConstVectorRef& x, const ConstVectorRef& u, MatrixRef J) const {
    J.row(0) = expansion(inner, t, x, u).gradient;
  }
  void add_second_derivatives(int t, const ConstVectorRef& x, const ConstVectorRef& u,
                              const ConstVectorRef& g, MatrixRef H) const {
    H += g(0) * expansion(inner, t, x, u).hessian;
  }
};

TEST(ResidualCost, MayBeNested) {
  test::Random random(2);
  const ResidualCost cost(Nested{}, {.norm = log_norm});
  expect_consistent_derivatives(cost, 0, random.vector(2), random.vector(1));
}

TEST(ResidualCost, MayBeCalledConcurrently) {
  test::Random random(3);
  const ResidualCost cost(Arm{}, {.norm = log_norm});
  constexpr int points = 200;
  const MatrixX y = random.matrix(3, points);
  const auto run = [&](MatrixX& gradients) {
    for (int i = 0; i < points; ++i) {
      gradients.col(i) = expansion(cost, 0, y.col(i).head(2), y.col(i).tail(1)).gradient;
    }
  };
  MatrixX serial(3, points);
  run(serial);
  MatrixX first(3, points);
  MatrixX second(3, points);
  std::latch both(2);
  const auto repeat = [&](MatrixX& gradients) {
    int wrong = 0;
    both.arrive_and_wait();
    for (int round = 0; round < 100; ++round) {
      run(gradients);
      wrong += gradients == serial ? 0 : 1;
    }
    return wrong;
  };
  int wrong_in_other = 0;
  std::thread other([&] { wrong_in_other = repeat(first); });
  EXPECT_EQ(repeat(second), 0);
  other.join();
  EXPECT_EQ(wrong_in_other, 0);
}

TEST(Scratch, BlocksOfNestedUsesAreDistinctAndSurviveGrowth) {
  const Scratch outer(4);
  outer.data()[3] = 1.5;
  {
    const Scratch middle(4);
    middle.data()[3] = 2.5;
    const Scratch inner(100000);
    inner.data()[99999] = 3.5;
    EXPECT_EQ(middle.data()[3], 2.5);
  }
  EXPECT_EQ(outer.data()[3], 1.5);
}

}  // namespace
}  // namespace pilqr
