#include "pilqr/update/lqr/trajectory_kl.hpp"

#include "pilqr/core/linalg.hpp"

namespace pilqr {

VectorX trajectory_kl(const PolicyView& policy, const PolicyView& reference,
                      const MarginalsView& marginals) {
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
  MatrixX A(nu, nu);   // L_ref^-1 L
  MatrixX dK(nu, nx);  // L_ref^-1 (K - K_ref)
  MatrixX dKS(nu, nx);
  VectorX e(nu);
  for (int t = 0; t < T; ++t) {
    const auto L_ref = reference.L[t].triangularView<Eigen::Lower>();
    A = policy.L[t];
    L_ref.solveInPlace(A);
    dK = policy.K[t] - reference.K[t];
    L_ref.solveInPlace(dK);
    e = policy.k[t] - reference.k[t];
    L_ref.solveInPlace(e);
    e.noalias() += dK * marginals.mu[t].topRows(nx);
    dKS.noalias() = dK * marginals.Sigma[t].topLeftCorner(nx, nx);
    const double log_ratio =
        log_determinant_from_cholesky(reference.L[t]) - log_determinant_from_cholesky(policy.L[t]);
    const double value =
        0.5 * (log_ratio - nu + A.squaredNorm() + e.squaredNorm() + dKS.cwiseProduct(dK).sum());
    kl(t) = value < 0.0 ? 0.0 : value;  // keeps NaN
  }
  return kl;
}

}  // namespace pilqr
