#pragma once
/// A norm of any differentiable residual.

#include <concepts>
#include <limits>
#include <utility>

#include "pilqr/costs/norm.hpp"
#include "pilqr/costs/scratch.hpp"
#include "pilqr/costs/shapes.hpp"

namespace pilqr {

/// A residual d(t, x, u) with n = size() entries, y = [x; u].
///
/// Laws: `residual(t, x, u, d)` writes all entries of d. `jacobian(t, x, u, J)` writes dd_i/dy_j to
/// J, n x ny, which is zero before the call. `add_second_derivatives(t, x, u, g, H)` ADDS
/// sum_i g_i d2d_i/dy2 to H, ny x ny (nothing if d is linear), symmetrically. Calls are const and
/// may run concurrently.
template <class R>
concept Residual = requires(const R& residual, int t, const ConstVectorRef& x,
                            const ConstVectorRef& u, VectorRef d, const ConstVectorRef& g,
                            MatrixRef M) {
  { residual.size() } -> std::convertible_to<int>;
  residual(t, x, u, d);
  residual.jacobian(t, x, u, M);
  residual.add_second_derivatives(t, x, u, g, M);
};

/// The norm of a residual with n entries over T steps.
struct ResidualCostOptions {
  VectorX weights{};      ///< one per entry of the residual, >= 0; empty: ones
  VectorX multipliers{};  ///< T, >= 0, see ramp_multipliers; empty: 1 at every step
  NormOptions norm{};     ///< of the residual
};

/// norm(d(t, x, u)) with the weights multiplied by the multiplier of step t, and its exact
/// derivatives: gradient J'g, Hessian J'HJ + sum_i g_i d2d_i/dy2 with g, H those of the norm.
///
/// Throws InvalidArgument from the constructor if the options are inconsistent, and from a call if
/// t has no multiplier. An entry of d that the residual fails to write is NaN. Works in the
/// thread's Scratch: the first call of a thread allocates, the following do not.
template <Residual R>
class ResidualCost {
 public:
  /// Throws InvalidArgument, see above.
  explicit ResidualCost(R residual, ResidualCostOptions options = {})
      : residual_(std::move(residual)), options_(std::move(options)) {
    const int n = residual_.size();
    require(n >= 1, "residual cost: a residual with {} entries", n);
    if (options_.weights.size() == 0) options_.weights = VectorX::Ones(n);
    require(options_.weights.size() == n, "residual cost: {} weights for {} entries",
            options_.weights.size(), n);
    require_weights("residual cost", "weight", options_.weights);
    require_weights("residual cost", "multiplier", options_.multipliers);
    require_valid(options_.norm, "residual cost");
  }

  /// The norm of the residual.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    const double multiplier = multiplier_at("residual cost", options_.multipliers, t);
    const int n = residual_.size();
    const Scratch scratch(n);
    Eigen::Map<VectorX> d(scratch.data(), n);
    evaluate(t, x, u, d);
    return norm_terms(options_.norm, multiplier * options_.weights, d).value;
  }

  /// Adds weight times the value and the exact derivatives.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    require_fits(out, x, u);
    const double multiplier = multiplier_at("residual cost", options_.multipliers, t);
    const int n = residual_.size();
    const int ny = rows(out.gradient);
    const Scratch scratch(n * (ny + 3) + ny);
    double* memory = scratch.data();
    Eigen::Map<VectorX> d(memory, n);
    Eigen::Map<VectorX> g(memory += n, n);         // of the norm, times weight
    Eigen::Map<VectorX> diagonal(memory += n, n);  // of the norm's Hessian
    Eigen::Map<MatrixX> J(memory += n, n, ny);
    Eigen::Map<VectorX> outer(memory += J.size(), ny);  // J'v

    evaluate(t, x, u, d);
    J.setZero();
    residual_.jacobian(t, x, u, J);
    const NormTerms terms = norm_terms(options_.norm, multiplier * options_.weights, d);
    outer.setZero();
    for (int i = 0; i < n; ++i) {
      const double w = multiplier * options_.weights(i);
      g(i) = weight * terms.gradient(w, d(i));
      diagonal(i) = terms.diagonal(w);
      outer += (w * w * d(i)) * J.row(i).transpose();
    }
    out.value += weight * terms.value;
    for (int b = 0; b < ny; ++b) {
      out.gradient(b) += J.col(b).dot(g);
      for (int a = b; a < ny; ++a) {
        const double sum = (J.col(a).array() * diagonal.array() * J.col(b).array()).sum() -
                           terms.curvature * outer(a) * outer(b);
        out.hessian(a, b) += weight * sum;
        if (a != b) out.hessian(b, a) += weight * sum;
      }
    }
    residual_.add_second_derivatives(t, x, u, g, out.hessian);
  }

  [[nodiscard]] const R& residual() const { return residual_; }  ///< as it was given
  /// As they were given, empty weights as ones.
  [[nodiscard]] const ResidualCostOptions& options() const { return options_; }

 private:
  void evaluate(int t, const ConstVectorRef& x, const ConstVectorRef& u, VectorRef d) const {
    d.setConstant(std::numeric_limits<double>::quiet_NaN());
    residual_(t, x, u, d);
  }

  R residual_;
  ResidualCostOptions options_;
};

}  // namespace pilqr
