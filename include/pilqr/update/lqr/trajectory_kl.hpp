#pragma once
/// KL divergence between two TVLG policies along a trajectory distribution.

#include <algorithm>

#include "pilqr/core/linalg.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/update/lqr/marginals.hpp"

namespace pilqr {

/// E_x KL( policy(. | x_t) || reference(. | x_t) ) for every t under the given marginals of x, T:
///   1/2 [ ln det S_ref / det S - nu + tr(S_ref^-1 S) + e' S_ref^-1 e + tr(dK' S_ref^-1 dK
///   Sigma_xx) ], dK = K - K_ref, e = dK mu_x + k - k_ref
/// (LA14 section 3.1 and supplement), nats. Clamped at zero against rounding.
template <int Nx, int Nu>
[[nodiscard]] VectorX trajectory_kl(const LinearGaussianPolicy<Nx, Nu>& policy,
                                    const LinearGaussianPolicy<Nx, Nu>& reference,
                                    const Marginals<Nx, Nu>& marginals) {
  const int T = policy.steps();
  const int nx = policy.nx();
  const int nu = policy.nu();
  require(reference.steps() == T && reference.nx() == nx && reference.nu() == nu &&
              marginals.mu.steps() == T && marginals.mu.rows() == nx + nu,
          "KL of a policy with {} steps, nx = {}, nu = {}: reference has {}, {}, {}, marginals {} "
          "steps of {}",
          T, nx, nu, reference.steps(), reference.nx(), reference.nu(), marginals.mu.steps(),
          marginals.mu.rows());
  VectorX kl(T);
  Matrix<Nu, Nu> A(nu, nu);   // L_ref^-1 L
  Matrix<Nu, Nx> dK(nu, nx);  // L_ref^-1 (K - K_ref)
  Matrix<Nu, Nx> dKS(nu, nx);
  Vector<Nu> e(nu);
  for (int t = 0; t < T; ++t) {
    const auto L_ref = reference.L[t].template triangularView<Eigen::Lower>();
    A = policy.L[t];
    L_ref.solveInPlace(A);
    dK = policy.K[t] - reference.K[t];
    L_ref.solveInPlace(dK);
    e = policy.k[t] - reference.k[t];
    L_ref.solveInPlace(e);
    e.noalias() += dK * marginals.mu[t].head(nx);
    dKS.noalias() = dK * marginals.Sigma[t].topLeftCorner(nx, nx);
    const double log_ratio =
        log_determinant_from_cholesky(reference.L[t]) - log_determinant_from_cholesky(policy.L[t]);
    const double value =
        0.5 * (log_ratio - nu + A.squaredNorm() + e.squaredNorm() + dKS.cwiseProduct(dK).sum());
    kl(t) = value < 0.0 ? 0.0 : value;  // keeps NaN
  }
  return kl;
}

// Compiled once for sizes known at run time only.
extern template VectorX trajectory_kl(const LinearGaussianPolicy<>&, const LinearGaussianPolicy<>&,
                                      const Marginals<>&);

}  // namespace pilqr
