#pragma once
/// A cost from a plain function, with derivatives by finite differences.

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "pilqr/costs/scratch.hpp"
#include "pilqr/costs/shapes.hpp"

namespace pilqr {

/// How far apart the differences are taken.
struct FiniteDifferenceOptions {
  /// Magnitude over which the cost changes noticeably, units of x and u, > 0. Steps are this (or
  /// the entry itself, if larger), rounded to a power of two, times 2^-17 (8e-6) for the gradient
  /// and 2^-13 (1.2e-4) for the Hessian.
  double scale = 1.0;
};

/// The function f(t, x, u) -> double as a cost. Central differences: an error of about 1e-10 in the
/// gradient and 1e-7 in the Hessian relative to a cost of order 1, from 2 ny^2 + 2 ny + 1 calls of
/// f per expansion. f must be twice differentiable near the point; where it gives NaN, the
/// expansion does.
///
/// f is called as const, perhaps concurrently. Works in the thread's Scratch: the first call of a
/// thread allocates, the following do not unless f does.
template <class F>
requires std::is_invocable_r_v<double, const F&, int, const ConstVectorRef&, const ConstVectorRef&>
class FiniteDifferenceCost {
 public:
  /// Throws InvalidArgument unless the scale is finite and positive.
  explicit FiniteDifferenceCost(F f, FiniteDifferenceOptions options = {})
      : f_(std::move(f)), options_(options) {
    require(options.scale > 0.0 && std::isfinite(options.scale),
            "finite-difference cost: scale is {}, expected a finite number > 0", options.scale);
  }

  /// f at x and u.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    return f_(t, x, u);
  }

  /// Adds weight times the value and the derivatives by differences.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    require_fits(out, x, u);
    const int nx = rows(x);
    const int nu = rows(u);
    const int ny = nx + nu;
    const Scratch scratch(ny);
    Eigen::Map<VectorX> y(scratch.data(), ny);
    y.head(nx) = x;
    y.tail(nu) = u;
    const auto f = [&]() -> double { return f_(t, y.head(nx), y.tail(nu)); };

    const double value = f();
    out.value += weight * value;
    for (int i = 0; i < ny; ++i) {
      const double yi = y(i);
      const double small = step(0x1.0p-17, yi);  // about epsilon^(1/3)
      y(i) = yi + small;
      double difference = f();
      y(i) = yi - small;
      difference -= f();
      out.gradient(i) += weight * difference / (2.0 * small);

      const double hi = step(hessian_step, yi);
      y(i) = yi + hi;
      double second = f() - 2.0 * value;
      y(i) = yi - hi;
      second += f();
      y(i) = yi;
      out.hessian(i, i) += weight * second / (hi * hi);
      for (int j = 0; j < i; ++j) {
        const double yj = y(j);
        const double hj = step(hessian_step, yj);
        double mixed = 0.0;
        for (const double si : {1.0, -1.0}) {
          for (const double sj : {1.0, -1.0}) {
            y(i) = yi + si * hi;
            y(j) = yj + sj * hj;
            mixed += si * sj * f();
          }
        }
        y(i) = yi;
        y(j) = yj;
        mixed *= weight / (4.0 * hi * hj);
        out.hessian(i, j) += mixed;
        out.hessian(j, i) += mixed;
      }
    }
  }

 private:
  static constexpr double hessian_step = 0x1.0p-13;  // about epsilon^(1/4)

  /// A power of two, so that y + h and y - h are as good as exact.
  [[nodiscard]] double step(double relative, double y) const {
    return relative * std::exp2(std::round(std::log2(std::max(options_.scale, std::abs(y)))));
  }

  F f_;
  FiniteDifferenceOptions options_;
};

}  // namespace pilqr
