#pragma once
/// Backward sweeps over TVLG dynamics and a quadratic cost.

#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/linalg.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"
#include "pilqr/update/lqr/marginals.hpp"
#include "pilqr/update/lqr/step_dual.hpp"

namespace pilqr {

/// Buffers of a sweep. Sized once; a sweep over the same sizes does not allocate.
template <int Nx = Dynamic, int Nu = Dynamic>
struct SweepWorkspace {
  static constexpr int Ny = joint_size<Nx, Nu>;

  SweepWorkspace(int nx, int nu)
      : V(nx, nx),
        v(nx),
        VF(nx, nx + nu),
        Q(nx + nu, nx + nu),
        q(nx + nu),
        J(nu, nx + nu),
        j(nu),
        Luu(nu, nu),
        Y(nu, nx),
        y(nu),
        A(nu, nu),
        U(nu, nu),
        G(nu, nx),
        g(nu),
        B(nu, nx),
        BS(nu, nx),
        QuuK(nu, nx),
        h(nu),
        kl{Vector<Nu>(nu), Vector<Nu>(nu), 0.0} {}

  Matrix<Nx, Nx> V;   ///< value 1/2 x'Vx + v'x, nx x nx
  Vector<Nx> v;       ///< nx
  Matrix<Nx, Ny> VF;  ///< V_{t+1} F, nx x ny
  Matrix<Ny, Ny> Q;   ///< state-action value 1/2 y'Qy + q'y, ny x ny
  Vector<Ny> q;       ///< ny

  Matrix<Nu, Ny> J;    ///< L_ref^-1 [-K_ref, I], nu x ny: -log p_ref = 1/2 |J y - j|^2 + const
  Vector<Nu> j;        ///< L_ref^-1 k_ref, nu
  Matrix<Nu, Nu> Luu;  ///< Cholesky factor of Quu
  Matrix<Nu, Nx> Y;    ///< Luu^-1 Qux
  Vector<Nu> y;        ///< Luu^-1 qu

  Matrix<Nu, Nu> A;     ///< L_ref U: the columns diagonalise Quu relative to Sigma_ref
  Matrix<Nu, Nu> U;     ///< eigenvectors of L_ref' Quu L_ref
  Matrix<Nu, Nx> G;     ///< Quu K_ref + Qux: gradient of the value along the reference policy
  Vector<Nu> g;         ///< Quu k_ref + qu
  Matrix<Nu, Nx> B;     ///< A' G
  Matrix<Nu, Nx> BS;    ///< B Sigma_xx
  Matrix<Nu, Nx> QuuK;  ///< Quu K + Qux of the new policy
  Vector<Nu> h;         ///< A' (G mu + g)
  StepKl<Nu> kl;
};

/// Q_t, q_t from `scale` times the cost at t and V_{t+1}, v_{t+1} in the workspace (LA14 section 2;
/// LFDA16 appendix A; here in absolute coordinates): Q = scale C + F' V F, q = scale c +
/// F' (v + V f); at the last step Q = scale C, q = scale c. Overwrites v.
template <int Nx, int Nu>
void state_action_value(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                        const QuadraticCost<Nx, Nu>& cost, int t, double scale,
                        SweepWorkspace<Nx, Nu>& ws) {
  ws.Q = scale * cost.C[t];
  ws.q = scale * cost.c[t];
  if (t + 1 == cost.steps()) return;
  const auto F = dynamics.F[t];
  ws.VF.noalias() = ws.V * F;
  ws.Q.noalias() += F.transpose() * ws.VF;
  ws.v.noalias() += ws.V * dynamics.f[t];
  ws.q.noalias() += F.transpose() * ws.v;
}

/// Adds `weight` times the quadratic of -log p_ref(u | x) at step t to Q, q of the workspace:
/// 1/2 |J y - j|^2 with J = L_ref^-1 [-K_ref, I], j = L_ref^-1 k_ref.
template <int Nx, int Nu>
void add_reference_cost(const LinearGaussianPolicy<Nx, Nu>& reference, int t, double weight,
                        SweepWorkspace<Nx, Nu>& ws) {
  const auto L_ref = reference.L[t].template triangularView<Eigen::Lower>();
  ws.J.leftCols(reference.nx()) = -reference.K[t];
  ws.J.rightCols(reference.nu()).setIdentity();
  L_ref.solveInPlace(ws.J);
  ws.j = reference.k[t];
  L_ref.solveInPlace(ws.j);
  ws.Q.noalias() += weight * ws.J.transpose() * ws.J;
  ws.q.noalias() -= weight * ws.J.transpose() * ws.j;
}

/// What a sweep reports; ok() if the policy it wrote is complete.
struct SweepStatus {
  int failed_step = -1;  ///< -1: none. Step 0 is a step like any other.
  double value = 0.0;    ///< the offending number
  [[nodiscard]] bool ok() const { return failed_step < 0; }
};

/// Maximum-entropy LQR with cost ((C, c) + kl_dual * (quadratic of -log p_ref)) / (kl_dual +
/// entropy_weight), the inner problem of the constraint on the TOTAL KL (LA14 section 3.1 and
/// supplement):
///   Sigma = Quu^-1, K = -Quu^-1 Qux, k = -Quu^-1 qu.
/// kl_dual = 0 with entropy_weight = 1 is plain LQR and ignores the reference. Fails at the first
/// step (from the end) whose Quu is not positive definite; `out` is then incomplete. `out` must
/// have the reference's shape.
template <int Nx, int Nu>
[[nodiscard]] SweepStatus backward_max_entropy(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                               const QuadraticCost<Nx, Nu>& cost,
                                               const LinearGaussianPolicy<Nx, Nu>& reference,
                                               double kl_dual, double entropy_weight,
                                               SweepWorkspace<Nx, Nu>& ws,
                                               LinearGaussianPolicy<Nx, Nu>& out) {
  const int T = cost.steps();
  const int nx = cost.nx();
  const int nu = cost.nu();
  const double scale = 1.0 / (kl_dual + entropy_weight);
  for (int t = T - 1; t >= 0; --t) {
    state_action_value(dynamics, cost, t, scale, ws);
    if (kl_dual > 0.0) add_reference_cost(reference, t, kl_dual * scale, ws);
    ws.Luu = ws.Q.bottomRightCorner(nu, nu);
    if (!cholesky_in_place(ws.Luu)) {
      const auto Quu = ws.Q.bottomRightCorner(nu, nu);
      return {t, Quu.allFinite() ? Quu.diagonal().minCoeff() : Quu.sum()};
    }
    const auto Luu = ws.Luu.template triangularView<Eigen::Lower>();
    ws.Y = ws.Q.bottomLeftCorner(nu, nx);
    ws.y = ws.q.tail(nu);
    Luu.solveInPlace(ws.Y);
    Luu.solveInPlace(ws.y);
    ws.V = ws.Q.topLeftCorner(nx, nx);
    ws.V.noalias() -= ws.Y.transpose() * ws.Y;
    symmetrize(ws.V);
    ws.v = ws.q.head(nx);
    ws.v.noalias() -= ws.Y.transpose() * ws.y;
    const auto Luu_transposed = ws.Luu.transpose().template triangularView<Eigen::Upper>();
    Luu_transposed.solveInPlace(ws.Y);
    Luu_transposed.solveInPlace(ws.y);
    out.K[t] = -ws.Y;
    out.k[t] = -ws.y;
    // Sigma = Luu^-T Luu^-1; its lower factor by reflections instead of another Cholesky.
    ws.U.setIdentity();
    Luu_transposed.solveInPlace(ws.U);
    lower_factor_in_place(ws.U);
    out.L[t] = ws.U;
    const double sum = ws.V.sum() + ws.v.sum() + out.K[t].sum() + out.k[t].sum() + out.L[t].sum();
    if (!std::isfinite(sum)) return {t, sum};
  }
  return {};
}

/// One backward pass with a dual variable per step (PILQR17 eq. 1, Algorithm 1 line 7). At each
/// step
///   min_p E[Q_t] + eta_t E KL(p || p_ref)  gives  Sigma^-1 = Sigma_ref^-1 + Quu / eta,
///   K = K_ref - Sigma (Quu K_ref + Qux) / eta,  k = k_ref - Sigma (Quu k_ref + qu) / eta;
/// then V, v are the cost-to-go of the new policy, without KL terms. `choose(t, step_kl)` returns
/// the DualRoot for step t; because the marginals are the reference's, the divergence at t depends
/// on eta_t alone once V_{t+1} is known, so the constraint is solved inside the sweep, exactly. A
/// non-convex Quu needs no special case: the bracket starts at its smallest eigenvalue. `kl_dual`
/// and `kl` (T) receive the duals and divergences. With a floor in the workspace's `kl`, Sigma is
/// bounded from below as StepKl says. Fails where `choose` does or a number is not finite.
template <int Nx, int Nu, class ChooseDual>
[[nodiscard]] SweepStatus backward_per_step(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                            const QuadraticCost<Nx, Nu>& cost,
                                            const LinearGaussianPolicy<Nx, Nu>& reference,
                                            const Marginals<Nx, Nu>& marginals,
                                            const ChooseDual& choose, SweepWorkspace<Nx, Nu>& ws,
                                            LinearGaussianPolicy<Nx, Nu>& out, VectorX& kl_dual,
                                            VectorX& kl) {
  const int T = cost.steps();
  const int nx = cost.nx();
  const int nu = cost.nu();
  for (int t = T - 1; t >= 0; --t) {
    state_action_value(dynamics, cost, t, 1.0, ws);
    const auto Quu = ws.Q.bottomRightCorner(nu, nu);
    const auto Qux = ws.Q.bottomLeftCorner(nu, nx);
    const auto mu = marginals.mu[t].head(nx);
    const auto Omega = marginals.Sigma[t].topLeftCorner(nx, nx);

    // lambda and m: the step's dual in the eigenbasis of L' Quu L.
    ws.A.noalias() = Quu * reference.L[t];
    ws.Luu.noalias() = reference.L[t].transpose() * ws.A;
    symmetrize(ws.Luu);
    if (!jacobi_eigen_in_place(ws.Luu, ws.U, ws.kl.lambda)) return {t, ws.Luu.sum()};
    ws.A.noalias() = reference.L[t] * ws.U;
    ws.G = Qux;
    ws.G.noalias() += Quu * reference.K[t];
    ws.g = ws.q.tail(nu);
    ws.g.noalias() += Quu * reference.k[t];
    ws.B.noalias() = ws.A.transpose() * ws.G;
    ws.h.noalias() = ws.A.transpose() * ws.g;
    ws.y = ws.h;  // A' g
    ws.h.noalias() += ws.B * mu;
    ws.BS.noalias() = ws.B * Omega;
    for (int i = 0; i < nu; ++i) {
      const double spread = ws.BS.row(i).dot(ws.B.row(i));
      ws.kl.m(i) = ws.h(i) * ws.h(i) + (spread < 0.0 ? 0.0 : spread);  // keeps NaN
    }

    const DualRoot root = choose(t, ws.kl);
    if (!root.ok) return {t, root.dual};
    kl_dual(t) = root.dual;
    kl(t) = root.kl;

    // p = eta + lambda; the new policy in the same basis.
    const double bound = ws.kl.lower_bound();
    for (int i = 0; i < nu; ++i) {
      const double p = (ws.kl.lambda(i) + bound) + root.excess;
      ws.B.row(i) /= p;
      ws.y(i) /= p;
      ws.U.col(i) = std::sqrt(ws.kl.variance_ratio(i, root.excess)) * ws.A.col(i);
    }
    out.K[t] = reference.K[t];
    out.K[t].noalias() -= ws.A * ws.B;
    out.k[t] = reference.k[t];
    out.k[t].noalias() -= ws.A * ws.y;
    lower_factor_in_place(ws.U);
    out.L[t] = ws.U;

    // V = Qxx + K'QuuK + K'Qux + Qux'K,  v = qx + K'qu + (K'Quu + Qxu) k.
    ws.QuuK = Qux;
    ws.QuuK.noalias() += Quu * out.K[t];
    ws.V = ws.Q.topLeftCorner(nx, nx);
    ws.V.noalias() += out.K[t].transpose() * ws.QuuK;
    ws.V.noalias() += Qux.transpose() * out.K[t];
    symmetrize(ws.V);
    ws.v = ws.q.head(nx);
    ws.v.noalias() += out.K[t].transpose() * ws.q.tail(nu);
    ws.v.noalias() += ws.QuuK.transpose() * out.k[t];
    const double sum = ws.V.sum() + ws.v.sum() + out.K[t].sum() + out.k[t].sum() + out.L[t].sum();
    if (!std::isfinite(sum)) return {t, sum};
  }
  return {};
}

// Compiled once for sizes known at run time only.
extern template SweepStatus backward_max_entropy(const LinearGaussianDynamics<>&,
                                                 const QuadraticCost<>&,
                                                 const LinearGaussianPolicy<>&, double, double,
                                                 SweepWorkspace<>&, LinearGaussianPolicy<>&);

}  // namespace pilqr
