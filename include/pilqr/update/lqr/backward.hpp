#pragma once
/// Backward sweeps over TVLG dynamics and a quadratic cost.

#include <cmath>

#include "pilqr/core/linalg.hpp"
#include "pilqr/core/tile.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"
#include "pilqr/update/lqr/marginals.hpp"
#include "pilqr/update/lqr/step_dual.hpp"
#include "pilqr/update/lqr/sweep.hpp"

namespace pilqr {

/// What a sweep reports; ok() if the policy it wrote is complete.
struct SweepStatus {
  int failed_step = -1;  ///< -1: none. Step 0 is a step like any other.
  double value = 0.0;    ///< the offending number
  [[nodiscard]] bool ok() const { return failed_step < 0; }  ///< no step failed
};

/// Blames a number at step t on the step where it came from: t + 1 if V or v brought it.
template <int Nx, int Nu>
[[nodiscard]] SweepStatus failed_at(int t, double value, const SweepWorkspace<Nx, Nu>& ws,
                                    int steps) {
  if (t + 1 == steps) return {t, value};
  const double inherited = ws.value_sum();
  return std::isfinite(inherited) ? SweepStatus{t, value} : SweepStatus{t + 1, inherited};
}

/// Throws InvalidArgument unless all that a sweep reads and writes has the workspace's sizes: tiles
/// do not check bounds.
template <int Nx, int Nu>
void require_same_shape(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                        const QuadraticCost<Nx, Nu>& cost,
                        const LinearGaussianPolicy<Nx, Nu>& reference,
                        const SweepWorkspace<Nx, Nu>& ws, const LinearGaussianPolicy<Nx, Nu>& out) {
  require_same_shape(dynamics, reference);
  require_same_shape(cost, reference);
  require_same_shape(reference, out);
  require(ws.states == reference.nx() && ws.controls == reference.nu(),
          "sweep: the workspace is for nx = {}, nu = {}, the policy has {}, {}", ws.states,
          ws.controls, reference.nx(), reference.nu());
}

/// Maximum-entropy LQR with cost ((C, c) + kl_dual * (quadratic of -log p_ref)) / (kl_dual +
/// entropy_weight), the inner problem of the constraint on the TOTAL KL (LA14 section 3.1 and
/// supplement):
///   Sigma = Quu^-1, K = -Quu^-1 Qux, k = -Quu^-1 qu.
/// kl_dual = 0 with entropy_weight = 1 is plain LQR and ignores the reference. Fails at the first
/// step (from the end) whose Quu is not positive definite, with its smallest eigenvalue; `out` is
/// then incomplete. `out` may be the reference. Throws InvalidArgument on shapes.
template <int Nx, int Nu>
[[nodiscard]] SweepStatus backward_max_entropy(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                               const QuadraticCost<Nx, Nu>& cost,
                                               const LinearGaussianPolicy<Nx, Nu>& reference,
                                               double kl_dual, double entropy_weight,
                                               SweepWorkspace<Nx, Nu>& ws,
                                               LinearGaussianPolicy<Nx, Nu>& out) {
  require_same_shape(dynamics, cost, reference, ws, out);
  const int nx = tile::size<Nx>(ws.states);
  const int nu = tile::size<Nu>(ws.controls);
  const double scale = 1.0 / (kl_dual + entropy_weight);
  const bool as_given = scale == 1.0 && kl_dual == 0.0;
  for (int t = cost.steps() - 1; t >= 0; --t) {
    if (!as_given) add_reference_cost(cost, reference, t, scale, kl_dual * scale, ws);
    const tile::Input C = as_given ? tile::input(cost.C[t]) : tile::Input(ws.C);
    const tile::Input c = as_given ? tile::input(cost.c[t]) : tile::Input(ws.c);
    state_action_value(dynamics, t, C, c, ws);

    if (!inverse_cholesky<Nu>(nu, ws.Qu.at(nx, 0), ws.L, ws.elimination)) {
      ws.S.matrix() = ws.Qu.matrix().bottomRows(nu);
      const double sum = ws.S.matrix().sum();
      const bool finite = symmetric_eigen<Nu>(nu, ws.S, ws.U, ws.kl.lambda.data(), ws.eigen);
      return failed_at(t, finite ? ws.kl.lambda.minCoeff() : sum, ws, cost.steps());
    }
    // With Y = Qxu L and y = L'qu: K = -L Y', k = -L y.
    tile::full<Nx, Nu>(nx, nu, ws.Y, tile::zero, tile::times(ws.Qu, ws.L, nu));
    tile::full<Nu, Nx>(nu, nx, ws.K, tile::zero, tile::minus_times_transposed(ws.L, ws.Y, nu));
    for (int i = 0; i < nu; ++i) {
      ws.y(i) = 0.0;
      for (int n = i; n < nu; ++n) ws.y(i) += ws.L(n, i) * ws.q(nx + n);
    }
    tile::full<Nu, 1>(nu, 1, ws.k, tile::zero, tile::minus_times(ws.L, ws.y, nu));
    out.K[t] = ws.K.matrix();
    out.k[t] = ws.k.matrix();
    // What is not finite elsewhere reaches the next pivots through V, or the next k through v.
    if (!out.k[t].allFinite()) return failed_at(t, out.k[t].sum(), ws, cost.steps());
    out.L[t] = ws.L.matrix();

    value_hessian(dynamics, t, C, ws, tile::minus_times_transposed(ws.Y, ws.Y, nu));
    value_gradient(ws, tile::minus_times(ws.Y, ws.y, nu));
  }
  const double sum = ws.value_sum();
  return std::isfinite(sum) ? SweepStatus{} : SweepStatus{0, sum};
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
/// Throws InvalidArgument on shapes.
template <int Nx, int Nu, class ChooseDual>
[[nodiscard]] SweepStatus backward_per_step(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                            const QuadraticCost<Nx, Nu>& cost,
                                            const LinearGaussianPolicy<Nx, Nu>& reference,
                                            const StateMarginals<Nx, Nu>& marginals,
                                            const ChooseDual& choose, SweepWorkspace<Nx, Nu>& ws,
                                            LinearGaussianPolicy<Nx, Nu>& out, VectorX& kl_dual,
                                            VectorX& kl) {
  require_same_shape(dynamics, cost, reference, ws, out);
  require(marginals.mu.steps() == cost.steps() && marginals.mu.rows() == ws.states &&
              kl_dual.size() == cost.steps() && kl.size() == cost.steps(),
          "sweep: marginals of {} steps and {} states, duals and divergences of {} and {} steps; "
          "the policy has {} steps and nx = {}",
          marginals.mu.steps(), marginals.mu.rows(), rows(kl_dual), rows(kl), cost.steps(),
          ws.states);
  const int nx = tile::size<Nx>(ws.states);
  const int nu = tile::size<Nu>(ws.controls);
  for (int t = cost.steps() - 1; t >= 0; --t) {
    const tile::Input C = tile::input(cost.C[t]);
    state_action_value(dynamics, t, C, tile::input(cost.c[t]), ws);
    const auto Quu = ws.Qu.matrix().bottomRows(nu);
    const auto K_ref = reference.K[t];

    // lambda and m: the step's dual in the eigenbasis of L' Quu L.
    const tile::Input L_ref = tile::input(reference.L[t]);
    ws.Lt.matrix() = reference.L[t].transpose();
    tile::full<Nu, Nu>(nu, nu, ws.U, tile::zero, tile::times(ws.Qu.at(nx, 0), L_ref, nu));
    tile::full<Nu, Nu>(nu, nu, ws.S, tile::zero, tile::times(ws.Lt, ws.U, nu));
    if (!symmetric_eigen<Nu>(nu, ws.S, ws.U, ws.kl.lambda.data(), ws.eigen)) {
      return failed_at(t, ws.S.matrix().sum(), ws, cost.steps());
    }
    tile::full<Nu, Nu>(nu, nu, ws.A, tile::zero, tile::times(L_ref, ws.U, nu));
    for (int j = 0; j < nx; ++j) {
      for (int i = 0; i < nu; ++i) ws.K_ref(j, i) = K_ref(i, j);
    }
    tile::full<Nx, Nu>(nx, nu, ws.G, ws.Qu, tile::times(ws.K_ref, ws.Qu.at(nx, 0), nu));
    tile::full<Nx, Nu>(nx, nu, ws.B, tile::zero, tile::times(ws.G, ws.A, nu));
    tile::full<Nx, Nu>(nx, nu, ws.BS, tile::zero,
                       tile::times(tile::input(marginals.Sigma[t]), ws.B, nx));
    for (int i = 0; i < nu; ++i) {
      double g = ws.q(nx + i);
      for (int n = 0; n < nu; ++n) g += Quu(i, n) * reference.k[t](n);
      ws.k(i) = g;
    }
    for (int i = 0; i < nu; ++i) {
      ws.y(i) = 0.0;  // A' g
      for (int n = 0; n < nu; ++n) ws.y(i) += ws.A(n, i) * ws.k(n);
      const auto B = ws.B.matrix().col(i);
      const double mean = ws.y(i) + B.dot(marginals.mu[t]);
      const double spread = B.dot(ws.BS.matrix().col(i));
      ws.kl.m(i) = mean * mean + (spread < 0.0 ? 0.0 : spread);  // keeps NaN
    }

    const DualRoot root = choose(t, ws.kl);
    if (!root.ok) return failed_at(t, root.dual, ws, cost.steps());
    kl_dual(t) = root.dual;
    kl(t) = root.kl;

    // p = eta + lambda; the new policy in the same basis.
    const double bound = ws.kl.lower_bound();
    auto U = ws.U.matrix();
    for (int i = 0; i < nu; ++i) {
      const double inverse = 1.0 / ((ws.kl.lambda(i) + bound) + root.excess);
      ws.B.matrix().col(i) *= inverse;
      ws.y(i) *= inverse;
      U.col(i) = std::sqrt(ws.kl.variance_ratio(i, root.excess)) * ws.A.matrix().col(i);
    }
    tile::full<Nx, Nu>(nx, nu, ws.K_new, ws.K_ref, tile::minus_times_transposed(ws.B, ws.A, nu));
    tile::full<Nu, 1>(nu, 1, ws.k, tile::input(reference.k[t]), tile::minus_times(ws.A, ws.y, nu));
    lower_factor_in_place(U);
    out.K[t] = ws.K_new.matrix().transpose();
    out.k[t] = ws.k.matrix();
    out.L[t] = U;
    if (!out.k[t].allFinite()) return failed_at(t, out.k[t].sum(), ws, cost.steps());

    // V = Qxx + K'(Quu K + Qux) + Qxu K,  v = qx + K'qu + (K'Quu + Qxu) k.
    tile::full<Nx, Nu>(nx, nu, ws.QuuK, ws.Qu, tile::times(ws.K_new, ws.Qu.at(nx, 0), nu));
    value_hessian(dynamics, t, C, ws, tile::times_transposed(ws.K_new, ws.QuuK, nu),
                  tile::times_transposed(ws.Qu, ws.K_new, nu));
    value_gradient(ws, tile::times(ws.K_new, ws.q.at(nx, 0), nu), tile::times(ws.QuuK, ws.k, nu));
  }
  const double sum = ws.value_sum();
  return std::isfinite(sum) ? SweepStatus{} : SweepStatus{0, sum};
}

// Compiled once for sizes known at run time only.
extern template SweepStatus backward_max_entropy(const LinearGaussianDynamics<>&,
                                                 const QuadraticCost<>&,
                                                 const LinearGaussianPolicy<>&, double, double,
                                                 SweepWorkspace<>&, LinearGaussianPolicy<>&);

}  // namespace pilqr
