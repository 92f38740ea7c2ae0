#pragma once
/// A number type for exact second derivatives by forward automatic differentiation.
///
/// Eigen's AutoDiffScalar, nested, is not used for this: its operators return expressions that
/// refer to their operands, so that `const auto d = x.squaredNorm() + 1.0;` dangles, and nested it
/// has no pow, abs, tanh or atan2, no mixing with vectors of double and no `a > 0 ? b : 1.0`.

#include <Eigen/Core>
#include <cmath>

#include "pilqr/core/types.hpp"

namespace pilqr {

/// A function of y (N entries) at a point, with its gradient, its slope along one fixed direction
/// s, and the gradient of that slope: one product of the Hessian with s. With s running through the
/// unit vectors this gives the Hessian row by row, with memory that grows as N, not N^2.
///
/// Comparisons look at the value; at a kink (abs, max, min) the derivatives are those of one side.
/// Where a derivative does not exist, sqrt(0) for example, it is infinite or NaN.
template <int N>
struct Jet {
  double value;              ///< of the function
  double slope;              ///< s'gradient
  Vector<N> gradient;        ///< N
  Vector<N> slope_gradient;  ///< Hessian times s, N

  /// A constant: all derivatives are zero.
  Jet(double constant = 0.0)  // NOLINT(google-explicit-constructor): numbers are constants
      : value(constant), slope(0.0), gradient(Vector<N>::Zero()), slope_gradient(gradient) {}
  /// From its parts.
  Jet(double value_, double slope_, const Vector<N>& gradient_, const Vector<N>& slope_gradient_)
      : value(value_), slope(slope_), gradient(gradient_), slope_gradient(slope_gradient_) {}

  /// Entry i of y, for the direction s = e_direction.
  static Jet variable(double value, int i, int direction) {
    return {value, i == direction ? 1.0 : 0.0, Vector<N>::Unit(i), Vector<N>::Zero()};
  }

  /// h(a) for a function of one variable with h(a) = value, first and second derivative.
  static Jet chain(const Jet& a, double value, double first, double second) {
    return {value, first * a.slope, first * a.gradient,
            second * a.slope * a.gradient + first * a.slope_gradient};
  }

  /// The result of the operation on values, with its derivatives by the chain rule.
  ///@{
  friend Jet operator-(const Jet& a) { return chain(a, -a.value, -1.0, 0.0); }
  friend Jet operator+(const Jet& a) { return a; }
  friend Jet operator+(const Jet& a, const Jet& b) {
    return {a.value + b.value, a.slope + b.slope, a.gradient + b.gradient,
            a.slope_gradient + b.slope_gradient};
  }
  friend Jet operator-(const Jet& a, const Jet& b) {
    return {a.value - b.value, a.slope - b.slope, a.gradient - b.gradient,
            a.slope_gradient - b.slope_gradient};
  }
  friend Jet operator*(const Jet& a, const Jet& b) {
    return {a.value * b.value, a.slope * b.value + a.value * b.slope,
            a.gradient * b.value + a.value * b.gradient,
            a.slope_gradient * b.value + a.slope * b.gradient + b.slope * a.gradient +
                a.value * b.slope_gradient};
  }
  friend Jet operator/(const Jet& a, const Jet& b) {
    // With c = a/b: da = dc b + c db, so dc = (da - c db) / b, and once more.
    Jet c(a.value / b.value);
    c.slope = (a.slope - c.value * b.slope) / b.value;
    c.gradient = (a.gradient - c.value * b.gradient) / b.value;
    c.slope_gradient = (a.slope_gradient - c.slope * b.gradient - b.slope * c.gradient -
                        c.value * b.slope_gradient) /
                       b.value;
    return c;
  }
  Jet& operator+=(const Jet& b) { return *this = *this + b; }
  Jet& operator-=(const Jet& b) { return *this = *this - b; }
  Jet& operator*=(const Jet& b) { return *this = *this * b; }
  Jet& operator/=(const Jet& b) { return *this = *this / b; }
  ///@}

  /// Of the values.
  ///@{
  friend bool operator==(const Jet& a, const Jet& b) { return a.value == b.value; }
  friend auto operator<=>(const Jet& a, const Jet& b) { return a.value <=> b.value; }
  ///@}

  /// The function of the values, as in `<cmath>`, with its derivatives by the chain rule.
  ///@{
  friend Jet sqrt(const Jet& a) {
    const double r = std::sqrt(a.value);
    return chain(a, r, 0.5 / r, -0.25 / (r * a.value));
  }
  friend Jet cbrt(const Jet& a) {
    const double r = std::cbrt(a.value);
    return chain(a, r, 1.0 / (3.0 * r * r), -2.0 / (9.0 * r * r * a.value));
  }
  friend Jet exp(const Jet& a) {
    const double e = std::exp(a.value);
    return chain(a, e, e, e);
  }
  friend Jet expm1(const Jet& a) {
    const double e = std::exp(a.value);
    return chain(a, std::expm1(a.value), e, e);
  }
  friend Jet log(const Jet& a) {
    return chain(a, std::log(a.value), 1.0 / a.value, -1.0 / (a.value * a.value));
  }
  friend Jet log1p(const Jet& a) {
    const double b = 1.0 + a.value;
    return chain(a, std::log1p(a.value), 1.0 / b, -1.0 / (b * b));
  }
  friend Jet sin(const Jet& a) {
    const double s = std::sin(a.value);
    return chain(a, s, std::cos(a.value), -s);
  }
  friend Jet cos(const Jet& a) {
    const double c = std::cos(a.value);
    return chain(a, c, -std::sin(a.value), -c);
  }
  friend Jet tan(const Jet& a) {
    const double r = std::tan(a.value);
    return chain(a, r, 1.0 + r * r, 2.0 * r * (1.0 + r * r));
  }
  friend Jet asin(const Jet& a) {
    const double q = 1.0 - a.value * a.value;
    return chain(a, std::asin(a.value), 1.0 / std::sqrt(q), a.value / (q * std::sqrt(q)));
  }
  friend Jet acos(const Jet& a) {
    const double q = 1.0 - a.value * a.value;
    return chain(a, std::acos(a.value), -1.0 / std::sqrt(q), -a.value / (q * std::sqrt(q)));
  }
  friend Jet atan(const Jet& a) {
    const double q = 1.0 + a.value * a.value;
    return chain(a, std::atan(a.value), 1.0 / q, -2.0 * a.value / (q * q));
  }
  friend Jet sinh(const Jet& a) {
    const double s = std::sinh(a.value);
    return chain(a, s, std::cosh(a.value), s);
  }
  friend Jet cosh(const Jet& a) {
    const double c = std::cosh(a.value);
    return chain(a, c, std::sinh(a.value), c);
  }
  friend Jet tanh(const Jet& a) {
    const double r = std::tanh(a.value);
    return chain(a, r, 1.0 - r * r, -2.0 * r * (1.0 - r * r));
  }
  friend Jet abs(const Jet& a) { return a.value < 0.0 ? -a : a; }

  friend Jet pow(const Jet& a, double p) {
    // A factor of zero ends the series: pow(0, negative) must not make NaN of it.
    const double first = p == 0.0 ? 0.0 : p * std::pow(a.value, p - 1.0);
    const double second = p == 0.0 || p == 1.0 ? 0.0 : p * (p - 1.0) * std::pow(a.value, p - 2.0);
    return chain(a, std::pow(a.value, p), first, second);
  }
  friend Jet pow(double a, const Jet& p) {
    const double r = std::pow(a, p.value);
    const double l = std::log(a);
    return chain(p, r, r * l, r * l * l);
  }
  /// For a > 0.
  friend Jet pow(const Jet& a, const Jet& p) { return exp(p * log(a)); }
  friend Jet hypot(const Jet& a, const Jet& b) { return sqrt(a * a + b * b); }
  friend Jet atan2(const Jet& a, const Jet& b) {
    // The derivatives are those of atan(a/b) or, where b is the smaller one, of -atan(b/a).
    Jet angle = std::abs(b.value) > std::abs(a.value) ? atan(a / b) : -atan(b / a);
    angle.value = std::atan2(a.value, b.value);
    return angle;
  }
  ///@}

  /// The larger one; NaN if either is.
  friend Jet max(const Jet& a, const Jet& b) {
    return a.value < b.value || std::isnan(b.value) ? b : a;
  }
  /// The smaller one; NaN if either is.
  friend Jet min(const Jet& a, const Jet& b) {
    return a.value > b.value || std::isnan(b.value) ? b : a;
  }
  /// Of the value.
  ///@{
  friend bool isnan(const Jet& a) { return std::isnan(a.value); }
  friend bool isinf(const Jet& a) { return std::isinf(a.value); }
  friend bool isfinite(const Jet& a) { return std::isfinite(a.value); }
  ///@}
};

}  // namespace pilqr

/// @cond
// Vectors of jets, alone and mixed with double.
template <int N>
struct Eigen::NumTraits<pilqr::Jet<N>> : Eigen::NumTraits<double> {
  using Real = pilqr::Jet<N>;
  using NonInteger = pilqr::Jet<N>;
  using Nested = pilqr::Jet<N>;
  using Literal = double;
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,
    RequireInitialization = 1,
    ReadCost = 2 * N,
    AddCost = 2 * N,
    MulCost = 6 * N
  };
};
template <int N, class Operation>
struct Eigen::ScalarBinaryOpTraits<pilqr::Jet<N>, double, Operation> {
  using ReturnType = pilqr::Jet<N>;
};
template <int N, class Operation>
struct Eigen::ScalarBinaryOpTraits<double, pilqr::Jet<N>, Operation> {
  using ReturnType = pilqr::Jet<N>;
};
/// @endcond
