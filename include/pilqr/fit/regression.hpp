#pragma once
/// Linear regression with a normal-inverse-Wishart prior, and where the prior comes from.

#include <concepts>

#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// Anything that gives a normal-inverse-Wishart prior over the points z of step t, given these
/// points, D x N.
template <class P>
concept RegressionPrior = requires(const P& prior, int t, const MatrixX& z) {
  { prior.at(t, z) } -> std::convertible_to<NormalInverseWishart>;
};

/// No prior: ridge alone.
struct NoPrior {};

/// The same prior at every step.
struct FixedPrior {
  NormalInverseWishart prior;
  [[nodiscard]] const NormalInverseWishart& at(int, const MatrixX&) const { return prior; }
};

/// Regression of the last n2 entries of points on their first n1, step by step; points stand in
/// columns of `z`, (n1 + n2) x N, which the caller fills.
class Regression {
 public:
  Regression(int n1, int n2, int samples)
      : z(n1 + n2, samples), n1_(n1), mean_(n1 + n2), S_(n1 + n2, n1 + n2), variances_(n1) {}

  MatrixX z;

  /// With the mean mu and covariance S of the points (LA14 section 3; LFDA16 A.3),
  ///   Sz = S, or with a prior (N S + Phi + N m/(N+m) (mu-mu0)(mu-mu0)') / (N + n0), plus ridge on
  ///   the diagonal of its block [1,1];  F = Sz[2,1] Sz[1,1]^-1,  f = mu_2 - F mu_1,
  ///   W = Sz[2,2] - F Sz[1,1] F'.
  /// False, with F, f and W unspecified, if Sz[1,1] is singular to working precision (a pivot of
  /// its Cholesky factorisation is below 1e-13 of its variance) or an entry is NaN or infinite.
  template <class Prior, class Gain, class Offset, class Conditional>
  [[nodiscard]] bool solve(int t, double ridge, const Prior& prior, Gain& F, Offset& f,
                           Conditional& W) {
    moments(z, mean_, S_, centred_);
    if constexpr (RegressionPrior<Prior>) {
      posterior_covariance_in_place(prior.at(t, z), cols(z), mean_, S_);
    } else {
      static_assert(std::same_as<Prior, NoPrior>, "the prior needs at(t, z)");
    }
    auto diagonal = S_.diagonal().head(n1_);
    diagonal.array() += ridge;
    variances_ = diagonal;
    if (!condition_in_place(mean_, S_, n1_, F, f, W)) return false;
    // The diagonal is now that of the Cholesky factor. A pivot near the rounding error of its
    // variance says that the entry depends on those before it, and F would be noise.
    constexpr double least_pivot = 1e-13;
    return (diagonal.array().square() > least_pivot * variances_.array()).all();
  }

 private:
  int n1_;
  VectorX mean_;
  MatrixX S_;
  MatrixX centred_;
  VectorX variances_;
};

}  // namespace pilqr
