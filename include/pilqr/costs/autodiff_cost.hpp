#pragma once
/// A cost from a generic function, with exact derivatives by automatic differentiation.

#include <utility>

#include "pilqr/costs/jet.hpp"
#include "pilqr/costs/shapes.hpp"

namespace pilqr {

/// A generic callable f(int t, const auto& x, const auto& u) as a cost with exact gradient and
/// Hessian. It is called with vectors of double for the value and with vectors of Jet, of the fixed
/// sizes Nx and Nu, Nx + Nu times per expansion. Write it like
///
///     [](int, const auto& x, const auto& u) {
///       using std::sqrt;
///       return 3.0 * sqrt(x(0) * x(0) + 1e-4) + 0.5 * u.squaredNorm();
///     }
///
/// with `using std::...` for the functions of jet.hpp, and, if branches return different types, the
/// return type `-> std::decay_t<decltype(x(0))>`. A result of type double is a constant.
///
/// f is called as const, perhaps concurrently. Calls do not allocate if f does not. A size of x or
/// u other than Nx, Nu throws InvalidArgument. For many variables (Nx + Nu above about 85) the
/// jets no longer fit on the stack, which is a compile-time error of Eigen.
template <int Nx, int Nu, class F>
class AutoDiffCost {
 public:
  static_assert(Nx >= 1 && Nu >= 1, "AutoDiffCost needs fixed sizes");
  static constexpr int Ny = Nx + Nu;  ///< entries of y = [x; u]

  /// Takes the function.
  explicit AutoDiffCost(F f) : f_(std::move(f)) {}

  /// f at x and u.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    require_sizes(x, u);
    const Vector<Nx> fixed_x = x;
    const Vector<Nu> fixed_u = u;
    return f_(t, fixed_x, fixed_u);
  }

  /// Adds weight times the value and the exact derivatives.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    require_sizes(x, u);
    require_fits(out, x, u);
    for (int row = 0; row < Ny; ++row) {
      Eigen::Matrix<Jet<Ny>, Nx, 1> jet_x;
      Eigen::Matrix<Jet<Ny>, Nu, 1> jet_u;
      for (int i = 0; i < Nx; ++i) jet_x(i) = Jet<Ny>::variable(x(i), i, row);
      for (int i = 0; i < Nu; ++i) jet_u(i) = Jet<Ny>::variable(u(i), Nx + i, row);
      const Jet<Ny> cost = f_(t, std::as_const(jet_x), std::as_const(jet_u));
      if (row == 0) {
        out.value += weight * cost.value;
        out.gradient += weight * cost.gradient;
      }
      out.hessian(row, row) += weight * cost.slope_gradient(row);
      for (int i = 0; i < row; ++i) {
        out.hessian(row, i) += weight * cost.slope_gradient(i);
        out.hessian(i, row) += weight * cost.slope_gradient(i);
      }
    }
  }

 private:
  static void require_sizes(const ConstVectorRef& x, const ConstVectorRef& u) {
    require(x.size() == Nx && u.size() == Nu,
            "automatic differentiation: x has {} and u {} entries, expected {} and {}", x.size(),
            u.size(), Nx, Nu);
  }

  F f_;
};

/// make_autodiff_cost<Nx, Nu>(f): deduces the type of f.
template <int Nx, int Nu, class F>
AutoDiffCost<Nx, Nu, F> make_autodiff_cost(F f) {
  return AutoDiffCost<Nx, Nu, F>(std::move(f));
}

}  // namespace pilqr
