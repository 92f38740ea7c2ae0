// Costs from plain functions: automatic differentiation and finite differences.

#include <Eigen/Core>
#include <unsupported/Eigen/AutoDiff>

#include "cost_checks.hpp"
#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/finite_difference_cost.hpp"
#include "pilqr/costs/state_cost.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::expansion;
using test::expect_consistent_derivatives;
using test::expect_expansion_is_linear;
using test::expect_invalid;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Checks f of x in R^3, u in R^1 near positive points, both as AutoDiffCost and, against that, as
/// FiniteDifferenceCost.
template <class F>
void check(const char* what, const F& f, double low = 0.3, double high = 0.9) {
  SCOPED_TRACE(what);
  test::Random random(1);
  const auto exact = make_autodiff_cost<3, 1>(f);
  static_assert(Cost<decltype(exact)>);
  const FiniteDifferenceCost numeric(
      [&f](int t, const ConstVectorRef& x, const ConstVectorRef& u) -> double {
        return f(t, x, u);
      });
  for (int trial = 0; trial < 5; ++trial) {
    VectorX x(3);
    for (int i = 0; i < 3; ++i) x(i) = random.uniform(low, high);
    const VectorX u = VectorX::Constant(1, random.uniform(low, high));
    expect_consistent_derivatives(exact, trial, x, u, 2e-8);
    expect_expansion_is_linear(exact, trial, x, u);
    const CostExpansion a = expansion(exact, trial, x, u);
    const CostExpansion b = expansion(numeric, trial, x, u);
    EXPECT_EQ(exact(trial, x, u), numeric(trial, x, u));
    EXPECT_NEAR(a.value, exact(trial, x, u), 1e-14 * (1.0 + std::abs(a.value)));
    EXPECT_TRUE(close(b.gradient, a.gradient, 1e-8, 1.0));
    EXPECT_TRUE(close(b.hessian, a.hessian, 1e-5, 1.0));
  }
}

TEST(AutoDiffCost, ElementaryFunctions) {
  check("sqrt", [](int, const auto& x, const auto& u) {
    using std::sqrt;
    return sqrt(x(0) * x(1)) + sqrt(u(0) + x(2));
  });
  check("cbrt", [](int, const auto& x, const auto&) {
    using std::cbrt;
    return cbrt(x(0) * x(1));
  });
  check("exp", [](int, const auto& x, const auto& u) {
    using std::exp;
    using std::expm1;
    return exp(x(0) * u(0)) + expm1(x(1) * x(2));
  });
  check("log", [](int, const auto& x, const auto& u) {
    using std::log;
    using std::log1p;
    return log(x(0) + 2.0 * u(0)) * log1p(x(1) * x(2));
  });
  check("sin", [](int, const auto& x, const auto& u) {
    using std::cos;
    using std::sin;
    using std::tan;
    return sin(x(0) * x(1)) * cos(u(0)) + tan(x(2) * x(0));
  });
  check("asin", [](int, const auto& x, const auto& u) {
    using std::acos;
    using std::asin;
    using std::atan;
    return asin(x(0) * x(1)) + acos(u(0) * x(2)) + atan(x(2) * x(1));
  });
  check("sinh", [](int, const auto& x, const auto& u) {
    using std::cosh;
    using std::sinh;
    using std::tanh;
    return sinh(x(0) * x(1)) + cosh(u(0) * x(2)) * tanh(x(2) * x(1));
  });
  check("pow", [](int, const auto& x, const auto& u) {
    using std::pow;
    return pow(x(0) * x(1), 2.5) + pow(2.0, x(2) * u(0)) + pow(x(0), x(1) + u(0)) + pow(x(2), -3);
  });
}

TEST(AutoDiffCost, ArithmeticWithConstants) {
  check("products", [](int t, const auto& x, const auto& u) {
    auto sum = 2.0 * x(0) * x(1) - x(2) * 3;
    sum += u(0) * u(0);
    sum -= 1.5;
    sum *= x(0);
    sum /= 2.0 + x(1);
    return -sum + +x(1) + 1.0 / x(2) + x(0) / u(0) + t;
  });
  check("constant", [](int, const auto&, const auto&) { return 4.0; });
  check("linear", [](int, const auto& x, const auto&) { return x(1); });
}

TEST(AutoDiffCost, Atan2InAllQuadrants) {
  const auto f = [](int, const auto& x, const auto& u) {
    using std::atan2;
    return atan2(x(0), x(1)) * u(0);
  };
  const auto cost = make_autodiff_cost<2, 1>(f);
  const VectorX u = VectorX::Ones(1);
  for (const double a : {-1.2, -0.3, 0.3, 1.2}) {
    for (const double b : {-0.9, 0.9, 0.0}) {
      expect_consistent_derivatives(cost, 0, Eigen::Vector2d(a, b), u, 1e-7);
      EXPECT_EQ(expansion(cost, 0, Eigen::Vector2d(a, b), u).value, std::atan2(a, b));
    }
  }
}

TEST(AutoDiffCost, VectorsBranchesAndIntermediates) {
  check("norm", [](int, const auto& x, const auto& u) { return x.norm() + u.squaredNorm(); });
  check("mixed vectors", [](int, const auto& x, const auto& u) {
    const Eigen::Vector3d target(0.1, -0.2, 2.0);
    const Eigen::Matrix3d A = Eigen::Vector3d(1.0, 2.0, 3.0).asDiagonal();
    const auto d = (x - target).eval();
    return d.dot(A * d) + (0.5 * u).sum() + x.template head<2>().squaredNorm();
  });
  check("auto keeps values", [](int, const auto& x, const auto&) {
    using std::sqrt;
    const auto square = x.squaredNorm() * 2.0 + 1.0;
    const auto root = sqrt(square);
    return root * square;
  });
  check("branches", [](int, const auto& x, const auto& u) {
    using std::abs;
    using std::max;
    using std::min;
    using Scalar = std::decay_t<decltype(x(0))>;
    const Scalar a = x(0) > 0.0 ? Scalar(x(0) * x(1)) : Scalar(1.0);
    return a * abs(u(0) - 10.0) + max(Scalar(x(2) * x(2)), Scalar(-1.0)) +
           min(Scalar(x(1) * x(0)), Scalar(5.0)) * 2.0;
  });
}

TEST(AutoDiffCost, HypotAndPowersAtZero) {
  const auto powers = make_autodiff_cost<2, 1>([](int, const auto& x, const auto& u) {
    using std::pow;
    return pow(x(0), 0) + pow(x(0), 1) + 3.0 * pow(x(0), 2) + pow(x(1), 3) + u(0);
  });
  const CostExpansion out = expansion(powers, 0, VectorX::Zero(2), VectorX::Zero(1));
  EXPECT_EQ(out.value, 1.0);
  EXPECT_EQ(out.gradient, Eigen::Vector3d(1.0, 0.0, 1.0));
  EXPECT_EQ(out.hessian, MatrixX(Eigen::Vector3d(6.0, 0.0, 0.0).asDiagonal()));
  expect_consistent_derivatives(powers, 0, Eigen::Vector2d(-0.4, -0.8), VectorX::Ones(1));
  const Jet<1> a = Jet<1>::variable(3.0, 0, 0);
  EXPECT_EQ(hypot(a, 4.0).value, 5.0);
  EXPECT_DOUBLE_EQ(hypot(a, 4.0).slope, 0.6);
  EXPECT_DOUBLE_EQ(hypot(a, 4.0).slope_gradient(0), 16.0 / 125.0);
}

TEST(AutoDiffCost, MissingDerivativesSurface) {
  const VectorX zero = VectorX::Zero(1);
  const auto root = make_autodiff_cost<1, 1>([](int, const auto& x, const auto&) {
    using std::sqrt;
    return sqrt(x(0) * x(0));
  });
  EXPECT_EQ(root(0, zero, zero), 0.0);
  EXPECT_FALSE(expansion(root, 0, zero, zero).gradient.allFinite());
  EXPECT_FALSE(expansion(root, 0, zero, zero).hessian.allFinite());
  const auto logarithm = make_autodiff_cost<1, 1>([](int, const auto& x, const auto&) {
    using std::log;
    return log(x(0));
  });
  EXPECT_TRUE(std::isnan(expansion(logarithm, 0, VectorX::Constant(1, -1.0), zero).value));
  const FiniteDifferenceCost difference(
      [](int, const ConstVectorRef& x, const ConstVectorRef&) { return std::sqrt(x(0)); });
  EXPECT_TRUE(std::isnan(expansion(difference, 0, zero, zero).gradient(0)));
  EXPECT_TRUE(std::isnan(expansion(difference, 0, zero, zero).hessian(0, 0)));
  for (const double a : {1.0, nan}) {
    for (const double b : {2.0, nan}) {
      const bool bad = std::isnan(a) || std::isnan(b);
      EXPECT_EQ(isnan(max(Jet<1>(a), Jet<1>(b))), bad);
      EXPECT_EQ(isnan(min(Jet<1>(a), Jet<1>(b))), bad);
    }
  }
}

/// An independent implementation: Eigen's AutoDiffScalar, nested, in the subset where that is safe.
TEST(AutoDiffCost, AgreesWithEigensAutoDiff) {
  using First = Eigen::AutoDiffScalar<Eigen::Matrix<double, 3, 1>>;
  using Second = Eigen::AutoDiffScalar<Eigen::Matrix<First, 3, 1>>;
  const auto f = [](const auto& a, const auto& b, const auto& c) {
    using std::exp;
    using std::log;
    using std::sin;
    using Scalar = std::decay_t<decltype(a)>;
    const Scalar s = sin(a) * exp(b) / log(c);
    const Scalar p = a * b * c;
    return Scalar(s * p);
  };
  const Eigen::Vector3d y(0.7, 1.3, 2.1);
  Eigen::Matrix<Second, 3, 1> seeded;
  for (int i = 0; i < 3; ++i) {
    seeded(i).value() = First(y(i), 3, i);
    for (int j = 0; j < 3; ++j) seeded(i).derivatives()(j) = First(i == j ? 1.0 : 0.0);
  }
  const Second expected = f(seeded(0), seeded(1), seeded(2));
  const auto cost = make_autodiff_cost<2, 1>(
      [&](int, const auto& x, const auto& u) { return f(x(0), x(1), u(0)); });
  const CostExpansion out = expansion(cost, 0, y.head(2), y.tail(1));
  EXPECT_NEAR(out.value, expected.value().value(), 1e-13);
  EXPECT_TRUE(close(out.gradient, expected.value().derivatives(), 1e-14));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(close(out.hessian.col(i), expected.derivatives()(i).derivatives(), 1e-13));
  }
}

TEST(AutoDiffCost, MatchesAHandWrittenCost) {
  test::Random random(4);
  const VectorX target = random.vector(3);
  const StateCost by_hand({.target = target, .norm = {.l1 = 0.8, .l2 = 1.5, .alpha = 0.01}});
  const auto automatic = make_autodiff_cost<3, 2>([&](int, const auto& x, const auto&) {
    using std::sqrt;
    const auto s = (x - target).squaredNorm();
    return 0.75 * s + 0.8 * sqrt(s + 0.01);
  });
  const VectorX x = random.vector(3);
  const VectorX u = random.vector(2);
  const CostExpansion a = expansion(by_hand, 0, x, u);
  const CostExpansion b = expansion(automatic, 0, x, u);
  EXPECT_NEAR(a.value, b.value, 1e-14);
  EXPECT_TRUE(close(b.gradient, a.gradient, 1e-13));
  EXPECT_TRUE(close(b.hessian, a.hessian, 1e-13));
}

TEST(AutoDiffCost, HoldsManyVariablesAndRefusesOtherSizes) {
  constexpr int nx = 38;
  const auto cost = make_autodiff_cost<nx, 7>(
      [](int, const auto& x, const auto& u) { return x.squaredNorm() * u.squaredNorm(); });
  test::Random random(5);
  const VectorX x = random.vector(nx);
  const VectorX u = random.vector(7);
  MatrixX expected(nx + 7, nx + 7);
  expected << 2.0 * u.squaredNorm() * MatrixX::Identity(nx, nx), 4.0 * x * u.transpose(),
      4.0 * u * x.transpose(), 2.0 * x.squaredNorm() * MatrixX::Identity(7, 7);
  EXPECT_TRUE(close(expansion(cost, 0, x, u).hessian, expected, 1e-13));
  expect_invalid([&] { (void)cost(0, u, u); }, "x has 7 and u 7 entries, expected 38 and 7");
  expect_invalid([&] { (void)expansion(cost, 0, x, x); }, "expected 38 and 7");
}

TEST(FiniteDifferenceCost, IsAccurateAtOtherScales) {
  // f = cos(x / s) with |x| of about s: the step has to follow s or x.
  for (const double s : {1e-6, 1.0, 1e6}) {
    const auto f = [s](int, const ConstVectorRef& x, const ConstVectorRef& u) {
      return std::cos(x(0) / s) + 0.0 * u(0);
    };
    const FiniteDifferenceCost cost(f, {.scale = s});
    const double x = 0.8 * s;
    const CostExpansion out =
        expansion(cost, 0, VectorX::Constant(1, x), VectorX::Constant(1, 0.0));
    EXPECT_NEAR(out.gradient(0) * s, -std::sin(0.8), 1e-9);
    EXPECT_NEAR(out.hessian(0, 0) * s * s, -std::cos(0.8), 1e-6);
  }
}

TEST(FiniteDifferenceCost, IsExactForQuadraticsAndCombines) {
  test::Random random(6);
  const MatrixX C = random.symmetric(5);
  const VectorX c = random.vector(5);
  const FiniteDifferenceCost cost([&](int, const ConstVectorRef& x, const ConstVectorRef& u) {
    VectorX y(5);
    y << x, u;
    return y.dot(0.5 * (C * y) + c) + 3.0;
  });
  const VectorX y = random.vector(5);
  CostSum sum;
  sum.add(2.0, cost);
  const CostExpansion out = expansion(sum, 0, y.head(3), y.tail(2));
  EXPECT_TRUE(close(out.gradient, 2.0 * (C * y + c), 1e-9));
  EXPECT_TRUE(close(out.hessian, 2.0 * C, 1e-6));
  EXPECT_EQ(out.hessian, out.hessian.transpose());
  expect_expansion_is_linear(cost, 0, y.head(3), y.tail(2));
  // A finite difference of a finite difference cost: scratch memory nests.
  const FiniteDifferenceCost outer([&](int t, const ConstVectorRef& x, const ConstVectorRef& u) {
    return expansion(cost, t, x, u).value;
  });
  EXPECT_TRUE(close(expansion(outer, 0, y.head(3), y.tail(2)).gradient, C * y + c, 1e-9));
}

TEST(FiniteDifferenceCost, RefusesBadArguments) {
  const auto f = [](int, const ConstVectorRef&, const ConstVectorRef&) { return 0.0; };
  for (const double scale : {0.0, -1.0, nan, std::numeric_limits<double>::infinity()}) {
    expect_invalid([&] { FiniteDifferenceCost(f, {.scale = scale}); }, "scale is");
  }
  CostExpansion out(2, 2);
  expect_invalid(
      [&] { FiniteDifferenceCost(f).expand(0, VectorX::Ones(2), VectorX::Ones(1), 1.0, out); },
      "cost expansion");
}

}  // namespace
}  // namespace pilqr
