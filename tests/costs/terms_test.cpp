// State, action and region costs, ramps, sums: laws, derivatives, bad arguments.

#include <limits>

#include "cost_checks.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/ramp.hpp"
#include "pilqr/costs/region_cost.hpp"
#include "pilqr/costs/state_cost.hpp"

namespace pilqr {
namespace {

using test::expansion;
using test::expect_consistent_derivatives;
using test::expect_expansion_is_linear;
using test::expect_invalid;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int nx = 5;
constexpr int nu = 2;

static_assert(Cost<StateCost> && Cost<ActionCost> && Cost<RegionCost>);
static_assert(Cost<AnyCost> && Cost<CostSum>);
struct NoExpansion {
  double operator()(int, const ConstVectorRef&, const ConstVectorRef&) const { return 0.0; }
};
static_assert(!Cost<NoExpansion> && !std::constructible_from<AnyCost, NoExpansion>);

class Norms : public ::testing::TestWithParam<NormOptions> {};
INSTANTIATE_TEST_SUITE_P(
    Kinds, Norms,
    ::testing::Values(NormOptions{}, NormOptions{.l2 = 0.0, .alpha = 0.0},
                      NormOptions{.l2 = 3.0, .alpha = 0.0},
                      NormOptions{.kind = NormKind::l1, .l1 = 0.4, .l2 = 0.0, .alpha = 0.1},
                      NormOptions{.kind = NormKind::l1, .l1 = 2.0, .l2 = 1.5, .alpha = 0.3},
                      NormOptions{.kind = NormKind::log, .l1 = 0.4, .l2 = 0.0, .alpha = 0.1},
                      NormOptions{.kind = NormKind::log, .l1 = 2.0, .l2 = 1.5, .alpha = 0.3}));

TEST_P(Norms, StateCostHasTheDerivativesOfItsValue) {
  test::Random random(1);
  for (int trial = 0; trial < 10; ++trial) {
    const StateCost cost({.start = trial % 3,
                          .target = random.vector(3),
                          .weights = random.vector(3).cwiseAbs(),
                          .multipliers = ramp_multipliers(Ramp::linear, 4, 2.0),
                          .norm = GetParam()});
    const VectorX x = random.vector(nx);
    const VectorX u = random.vector(nu);
    for (int t = 0; t < 4; ++t) {
      expect_consistent_derivatives(cost, t, x, u);
      expect_expansion_is_linear(cost, t, x, u);
      EXPECT_EQ(cost(t, x, u), expansion(cost, t, x, u).value);
    }
  }
}

TEST_P(Norms, ValueIsTheFormula) {
  test::Random random(2);
  const NormOptions norm = GetParam();
  const VectorX w = random.vector(4).cwiseAbs();
  const VectorX d = random.vector(4);
  const double S = norm.alpha + w.cwiseProduct(d).squaredNorm();
  double expected = 0.5 * norm.l2 * d.dot(w.asDiagonal() * d);
  if (norm.kind == NormKind::l1) expected += norm.l1 * std::sqrt(S);
  if (norm.kind == NormKind::log) expected += 0.5 * norm.l1 * std::log(S);
  EXPECT_NEAR(norm_terms(norm, w, d).value, expected, 1e-14 * (1.0 + std::abs(expected)));
}

TEST_P(Norms, AreSymmetricAndStationaryAtTheTarget) {
  test::Random random(3);
  const VectorX target = random.vector(nx);
  const VectorX offset = random.vector(nx);
  const StateCost cost({.target = target, .norm = GetParam()});
  const VectorX u = VectorX::Zero(nu);
  EXPECT_NEAR(cost(0, target + offset, u), cost(0, target - offset, u), 1e-14);
  EXPECT_EQ(expansion(cost, 0, target, u).gradient, VectorX::Zero(nx + nu));
  EXPECT_LE(cost(0, target, u), cost(0, target + offset, u));
}

TEST(Norm, L1IsConvexAndLogIsNot) {
  const VectorX target = VectorX::Zero(2);
  const VectorX far = VectorX::Constant(2, 3.0);
  const auto smallest = [&](NormKind kind) {
    const StateCost cost(
        {.target = target, .norm = {.kind = kind, .l1 = 1.0, .l2 = 0.0, .alpha = 0.1}});
    const Matrix<2, 2> H = expansion(cost, 0, far, VectorX(0)).hessian;
    return 0.5 * (H.trace() - std::hypot(H(0, 0) - H(1, 1), 2.0 * H(0, 1)));
  };
  EXPECT_GT(smallest(NormKind::l1), 0.0);
  EXPECT_LT(smallest(NormKind::log), 0.0);
}

TEST(StateCost, SeesOnlyItsSlice) {
  test::Random random(4);
  const StateCost cost({.start = 1, .target = random.vector(2)});
  const VectorX u = random.vector(nu);
  VectorX x = random.vector(nx);
  const CostExpansion before = expansion(cost, 0, x, u);
  x(0) += 1.0;
  x.tail(2).array() += 5.0;
  EXPECT_EQ(expansion(cost, 0, x, u).value, before.value);
  EXPECT_EQ(before.gradient(0), 0.0);
  EXPECT_EQ(before.gradient.tail(nx + nu - 3), VectorX::Zero(nx + nu - 3));
  EXPECT_EQ(before.hessian(1, 1), 1.0);
  x(1) += 1.0;
  EXPECT_NE(expansion(cost, 0, x, u).value, before.value);
}

TEST(StateCost, FollowsWaypoints) {
  test::Random random(5);
  const int T = 4;
  const MatrixX waypoints = random.matrix(3, T);
  const StateCost moving({.start = 2, .target = waypoints});
  const VectorX x = random.vector(nx);
  const VectorX u = random.vector(nu);
  for (int t = 0; t < T; ++t) {
    const StateCost fixed({.start = 2, .target = waypoints.col(t)});
    EXPECT_EQ(moving(t, x, u), fixed(0, x, u));
    EXPECT_EQ(expansion(moving, t, x, u).gradient, expansion(fixed, 17, x, u).gradient);
    expect_consistent_derivatives(moving, t, x, u);
    VectorX there = VectorX::Zero(nx);
    there.tail(3) = waypoints.col(t);
    EXPECT_EQ(moving(t, there, u), 0.0);
  }
  expect_invalid([&] { (void)moving(T, x, u); }, "step 4, but there are 4 waypoints");
  expect_invalid([&] { (void)moving(-1, x, u); }, "step -1");
  expect_invalid([&] { (void)expansion(moving, T, x, u); }, "4 waypoints");
}

TEST(StateCost, FinalOnlyLeavesTheConstantElsewhere) {
  test::Random random(6);
  const int T = 5;
  const VectorX x = random.vector(nx);
  const VectorX u = random.vector(nu);
  const auto make = [&](Ramp ramp, NormOptions norm) {
    return StateCost(
        {.target = VectorX::Zero(nx), .multipliers = ramp_multipliers(ramp, T), .norm = norm});
  };
  const StateCost squares = make(Ramp::final_only, {});
  const NormOptions l1{.l1 = 2.0, .alpha = 0.25};
  const StateCost root = make(Ramp::final_only, l1);
  for (int t = 0; t + 1 < T; ++t) {
    EXPECT_EQ(squares(t, x, u), 0.0);
    EXPECT_EQ(root(t, x, u), 1.0);  // l1 sqrt(alpha)
    EXPECT_TRUE(expansion(root, t, x, u).gradient.isZero(0.0));
    EXPECT_TRUE(expansion(root, t, x, u).hessian.isZero(0.0));
  }
  EXPECT_EQ(root(T - 1, x, u), make(Ramp::constant, l1)(T - 1, x, u));
  EXPECT_GT(expansion(root, T - 1, x, u).gradient.norm(), 0.1);
  expect_invalid([&] { (void)root(T, x, u); }, "multipliers for 5 steps");
}

TEST(StateCost, RefusesBadOptions) {
  const VectorX two = VectorX::Ones(2);
  const auto bad = [](StateCostOptions options, const char* part) {
    expect_invalid([&] { StateCost{options}; }, part);
  };
  bad({}, "target is 0x0");
  bad({.start = -1, .target = two}, "first entry -1");
  bad({.target = VectorX::Constant(2, nan)}, "NaN");
  bad({.target = two, .weights = VectorX::Ones(3)}, "3 weights for a target of 2");
  bad({.target = two, .weights = VectorX::Constant(2, -1.0)}, "weight 0 is -1");
  bad({.target = two, .weights = VectorX::Constant(2, nan)}, "weight 0 is nan");
  bad({.target = two, .weights = VectorX::Constant(2, infinity)}, "weight 0 is inf");
  bad({.target = two, .multipliers = VectorX::Constant(4, nan)}, "multiplier 0 is nan");
  bad({.target = MatrixX::Ones(2, 3), .multipliers = VectorX::Ones(4)}, "3 waypoints");
  bad({.target = two, .norm = {.l1 = -1.0}}, "l1 is -1");
  bad({.target = two, .norm = {.l1 = nan}}, "l1 is nan");
  bad({.target = two, .norm = {.l2 = -1.0}}, "l2 is -1");
  bad({.target = two, .norm = {.l2 = infinity}}, "l2 is inf");
  bad({.target = two, .norm = {.alpha = -1e-9}}, "alpha is -1e-09");
  bad({.target = two, .norm = {.alpha = nan}}, "alpha is nan");
  bad({.target = two, .norm = {.l1 = 1.0, .alpha = 0.0}}, "alpha is 0 with l1 = 1");
}

TEST(Costs, RefuseStatesControlsAndExpansionsOfOtherSizes) {
  const StateCost state({.start = 3, .target = VectorX::Ones(2)});
  const RegionCost region({.start = 3, .center = VectorX::Ones(2)});
  const ActionCost action({.weights = VectorX::Ones(nu)});
  const VectorX x = VectorX::Zero(4);  // one short
  const VectorX u = VectorX::Zero(nu);
  const VectorX longer = VectorX::Zero(nu + 1);
  expect_invalid([&] { (void)state(0, x, u); }, "entries 3 to 4 of a state with 4");
  expect_invalid([&] { (void)expansion(state, 0, x, u); }, "entries 3 to 4 of a state with 4");
  expect_invalid([&] { (void)region(0, x, u); }, "entries 3 to 4 of a state with 4");
  expect_invalid([&] { (void)expansion(region, 0, x, u); }, "entries 3 to 4 of a state with 4");
  expect_invalid([&] { (void)action(0, x, longer); }, "u has 3 entries, expected 2");
  expect_invalid([&] { (void)expansion(action, 0, x, longer); }, "u has 3 entries, expected 2");
  const VectorX fitting = VectorX::Zero(5);
  EXPECT_NO_THROW((void)state(0, fitting, u));
  for (CostExpansion out : {CostExpansion(), CostExpansion(4, 2), CostExpansion(6, 1)}) {
    expect_invalid([&] { state.expand(0, fitting, u, 1.0, out); }, "cost expansion");
    expect_invalid([&] { action.expand(0, fitting, u, 1.0, out); }, "cost expansion");
    expect_invalid([&] { region.expand(0, fitting, u, 1.0, out); }, "cost expansion");
  }
}

TEST(ActionCost, IsTheQuadraticForm) {
  test::Random random(7);
  const MatrixX R = random.symmetric(3);
  const VectorX x = random.vector(nx);
  const VectorX u = random.vector(3);
  const ActionCost full({.R = R});
  EXPECT_NEAR(full(0, x, u), 0.5 * (u.transpose() * R * u).value(), 1e-14);
  expect_consistent_derivatives(full, 0, x, u);
  expect_expansion_is_linear(full, 0, x, u);
  const VectorX w = random.vector(3).cwiseAbs();
  const ActionCost diagonal({.weights = w});
  EXPECT_NEAR(diagonal(0, x, u), 0.5 * (w.array() * u.array().square()).sum(), 1e-15);
  EXPECT_EQ(expansion(diagonal, 0, x, u).hessian.bottomRightCorner(3, 3), MatrixX(w.asDiagonal()));
  expect_consistent_derivatives(diagonal, 0, x, u);
}

TEST(ActionCost, RefusesBadOptions) {
  const VectorX w = VectorX::Ones(2);
  MatrixX R = MatrixX::Identity(2, 2);
  expect_invalid([] { ActionCost{ActionCostOptions{}}; }, "exactly one");
  expect_invalid([&] { ActionCost({.weights = w, .R = R}); }, "exactly one");
  expect_invalid([&] { ActionCost({.weights = -w}); }, "weight 0 is -1");
  expect_invalid([&] { ActionCost({.weights = nan * w}); }, "weight 0 is nan");
  expect_invalid([&] { ActionCost({.R = MatrixX::Ones(2, 3)}); }, "R is 2x3");
  R(0, 1) = 0.5;
  expect_invalid([&] { ActionCost({.R = R}); }, "differs from its transpose by 0.5");
  R(0, 1) = nan;
  expect_invalid([&] { ActionCost({.R = R}); }, "NaN");
}

TEST(RegionCost, IsInsideUpToAndOnTheBorderInL1) {
  const RegionCost cost({.start = 1,
                         .center = Eigen::Vector2d(1.0, -1.0),
                         .radius = 0.5,
                         .inside = -3.0,
                         .outside = 0.5});
  const VectorX u = VectorX::Zero(nu);
  const auto at = [&](double a, double b) { return cost(0, Eigen::Vector3d(9.0, a, b), u); };
  EXPECT_EQ(at(1.0, -1.0), -3.0);
  EXPECT_EQ(at(1.25, -1.25), -3.0);  // on the border
  EXPECT_EQ(at(0.5, -1.0), -3.0);
  EXPECT_EQ(at(1.26, -1.25), 0.5);
  EXPECT_EQ(at(1.4, -0.6), 0.5);  // inside the box and outside the l1 ball
  EXPECT_TRUE(std::isnan(at(nan, 0.0)));
  EXPECT_EQ(at(infinity, 0.0), 0.5);
}

TEST(RegionCost, AddsNothingToTheExpansion) {
  const RegionCost cost({.center = VectorX::Zero(2), .radius = 10.0});
  test::Random random(8);
  CostExpansion out(2, 1);
  out.value = random.normal();
  out.gradient = random.vector(3);
  out.hessian = random.symmetric(3);
  const CostExpansion before = out;
  cost.expand(0, VectorX::Zero(2), VectorX::Zero(1), 5.0, out);
  EXPECT_EQ(out.value, before.value);
  EXPECT_EQ(out.gradient, before.gradient);
  EXPECT_EQ(out.hessian, before.hessian);
}

TEST(RegionCost, RefusesBadOptions) {
  const VectorX c = VectorX::Zero(2);
  const auto bad = [](RegionCostOptions options, const char* part) {
    expect_invalid([&] { RegionCost{options}; }, part);
  };
  bad({}, "center of 0 entries");
  bad({.center = VectorX::Constant(2, nan)}, "all finite");
  bad({.start = -2, .center = c}, "first entry -2");
  bad({.center = c, .radius = -0.1}, "radius is -0.1");
  bad({.center = c, .radius = nan}, "radius is nan");
  bad({.center = c, .inside = nan}, "nan inside");
  bad({.center = c, .outside = infinity}, "inf outside");
}

TEST(Ramp, RefusesBadArguments) {
  expect_invalid([] { (void)ramp_multipliers(Ramp::linear, 0); }, "0 steps");
  expect_invalid([] { (void)ramp_multipliers(Ramp::linear, 3, nan); }, "nan");
  expect_invalid([] { (void)ramp_multipliers(Ramp::linear, 3, -1.0); }, "-1");
}

TEST(Ramp, EndsAtTheFinalMultiplierAtEveryHorizon) {
  for (const Ramp ramp : {Ramp::constant, Ramp::linear, Ramp::quadratic, Ramp::final_only}) {
    for (const int T : {1, 2, 37}) {
      const VectorX m = ramp_multipliers(ramp, T, 3.0);
      ASSERT_EQ(rows(m), T);
      EXPECT_EQ(m(T - 1), 3.0);
      for (int t = 1; t < T; ++t) EXPECT_LE(m(t - 1), m(t));
    }
  }
}

TEST(CostSum, IsTheSumOfItsTerms) {
  test::Random random(9);
  const StateCost state({.start = 1, .target = random.vector(3), .norm = {.l1 = 0.5}});
  const ActionCost action({.weights = random.vector(nu).cwiseAbs()});
  const RegionCost region({.center = VectorX::Zero(1), .radius = 100.0, .inside = -7.0});
  CostSum sum;
  sum.add(2.0, state).add(-0.5, action).add(3.0, region);
  EXPECT_EQ(sum.size(), 3);
  for (int trial = 0; trial < 5; ++trial) {
    const VectorX x = random.vector(nx);
    const VectorX u = random.vector(nu);
    EXPECT_NEAR(sum(0, x, u), 2.0 * state(0, x, u) - 0.5 * action(0, x, u) - 21.0, 1e-13);
    CostExpansion expected(nx, nu);
    state.expand(0, x, u, 2.0, expected);
    action.expand(0, x, u, -0.5, expected);
    const CostExpansion out = expansion(sum, 0, x, u);
    EXPECT_EQ(out.value, expected.value);
    EXPECT_EQ(out.gradient, expected.gradient);
    EXPECT_EQ(out.hessian, expected.hessian);
    EXPECT_NEAR(sum(0, x, u) - out.value, -21.0, 1e-12);  // the region is outside the expansion
    expect_consistent_derivatives(sum, 0, x, u);
    expect_expansion_is_linear(sum, 0, x, u);
  }
}

TEST(CostSum, NestsCopiesAndMayBeEmpty) {
  const VectorX x = VectorX::Ones(2);
  const VectorX u = VectorX::Ones(1);
  CostSum inner;
  EXPECT_EQ(inner(0, x, u), 0.0);
  EXPECT_EQ(expansion(inner, 0, x, u).value, 0.0);
  inner.add(2.0, ActionCost({.weights = VectorX::Ones(1)}));
  CostSum outer;
  outer.add(3.0, inner);
  inner.add(100.0, ActionCost({.weights = VectorX::Ones(1)}));  // outer holds the value as it was
  EXPECT_EQ(outer(0, x, u), 3.0);
  EXPECT_EQ(expansion(outer, 0, x, u).hessian(2, 2), 6.0);
  const CostSum copy = outer;
  outer.add(1.0, inner);
  EXPECT_EQ(copy(0, x, u), 3.0);
  AnyCost any = copy;
  const AnyCost other = std::move(any);
  EXPECT_EQ(other(0, x, u), 3.0);
  EXPECT_EQ(any(0, x, u), 3.0);  // NOLINT(bugprone-use-after-move): a move is a copy
  expect_invalid([&] { inner.add(nan, copy); }, "weight 2 is nan");
}

TEST(Costs, PassNaNOn) {
  const VectorX u = VectorX::Ones(1);
  VectorX x = VectorX::Ones(2);
  x(1) = nan;
  for (const NormKind kind : {NormKind::l1, NormKind::log}) {
    // A weight or a multiplier of zero does not hide it.
    const StateCost cost({.target = VectorX::Zero(2),
                          .weights = Eigen::Vector2d(1.0, 0.0),
                          .norm = {.kind = kind, .l1 = 1.0}});
    CostSum sum;
    sum.add(0.0, cost);
    EXPECT_TRUE(std::isnan(cost(0, x, u)));
    EXPECT_TRUE(std::isnan(expansion(cost, 0, x, u).value));
    EXPECT_TRUE(std::isnan(sum(0, x, u)));
    EXPECT_TRUE(std::isnan(expansion(sum, 0, x, u).value));
  }
}

}  // namespace
}  // namespace pilqr
