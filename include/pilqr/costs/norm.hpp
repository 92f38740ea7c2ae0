#pragma once
/// Smooth norms of a residual d, with exact derivatives.

#include <cmath>

#include "pilqr/core/types.hpp"

namespace pilqr {

/// With S = alpha + sum_i (w_i d_i)^2:
/// - l1:  1/2 l2 sum_i w_i d_i^2 + l1 sqrt(S),        which pulls equally hard from any distance;
/// - log: 1/2 l2 sum_i w_i d_i^2 + 1/2 l1 log(S),     which pulls ever harder close to the target.
enum class NormKind { l1, log };

/// The weights w stand at the residual's entries: linear in the l2 term, squared under the root and
/// the logarithm. With all weights zero a constant remains, l1 sqrt(alpha) or 1/2 l1 log(alpha).
struct NormOptions {
  NormKind kind = NormKind::l1;  ///< which of the two
  double l1 = 0.0;               ///< weight of the root or the logarithm, >= 0
  double l2 = 1.0;               ///< weight of the squares, >= 0
  double alpha = 1e-5;           ///< rounds the kink off, (units of w d)^2; > 0, or >= 0 if l1 = 0
};

/// Throws InvalidArgument unless the numbers are finite and in their ranges. `what` begins the
/// message.
void require_valid(const NormOptions& options, const char* what);

/// Value of the norm and the coefficients of its derivatives. With v_i = w_i^2 d_i:
///   gradient_i = (l2 w_i + slope w_i^2) d_i,
///   Hessian_ij = [i = j] (l2 w_i + slope w_i^2) - curvature v_i v_j.
struct NormTerms {
  double value = 0.0;      ///< of the norm
  double l2 = 0.0;         ///< l2 of the options
  double slope = 0.0;      ///< l1 / sqrt(S) or l1 / S
  double curvature = 0.0;  ///< l1 / S^(3/2) or 2 l1 / S^2

  /// The part of Hessian_ii that is on the diagonal alone, for the weight w_i.
  [[nodiscard]] double diagonal(double w) const { return w * (l2 + slope * w); }
  /// gradient_i, for the weight w_i and entry d_i.
  [[nodiscard]] double gradient(double w, double d) const { return diagonal(w) * d; }
};

/// @param w weights, @param d residual: vectors or vector expressions of one size. Does not
/// allocate.
template <class W, class D>
NormTerms norm_terms(const NormOptions& options, const Eigen::MatrixBase<W>& w,
                     const Eigen::MatrixBase<D>& d) {
  eigen_assert(w.size() == d.size());
  double squares = 0.0;      // sum w d^2
  double S = options.alpha;  // alpha + sum (w d)^2
  for (Eigen::Index i = 0; i < d.size(); ++i) {
    const double weight = w(i);
    const double entry = d(i);
    squares += weight * entry * entry;
    S += weight * entry * weight * entry;
  }
  NormTerms terms{.value = 0.5 * options.l2 * squares, .l2 = options.l2};
  if (options.l1 == 0.0) return terms;  // S may be zero then
  switch (options.kind) {
    case NormKind::l1: {
      const double root = std::sqrt(S);
      terms.value += options.l1 * root;
      terms.slope = options.l1 / root;
      terms.curvature = options.l1 / (root * S);
      break;
    }
    case NormKind::log:
      terms.value += 0.5 * options.l1 * std::log(S);
      terms.slope = options.l1 / S;
      terms.curvature = 2.0 * options.l1 / (S * S);
      break;
  }
  return terms;
}

}  // namespace pilqr
