#pragma once
/// Forward pass: the distribution of the trajectory under a policy and fitted dynamics.

#include "pilqr/core/check.hpp"
#include "pilqr/core/panel.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/tile.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"

namespace pilqr {

/// Gaussian marginals of y_t = [x_t; u_t], t = 0..T-1.
template <int Nx = Dynamic, int Nu = Dynamic>
struct Marginals {
  static constexpr int Ny = joint_size<Nx, Nu>;  ///< entries of y

  Sequence<Ny> mu;         ///< ny
  Sequence<Ny, Ny> Sigma;  ///< ny x ny

  // Scratch of forward_marginals.
  Panel<Nx, Ny> F;     ///< F_t by columns
  Panel<Ny, Nx> SF;    ///< Sigma_t F_t'
  Panel<Nx, Nx> next;  ///< Sigma_xx of the next step, lower triangle
  Panel<Nx, Nu> Sxu;   ///< Sigma_xx K'
  Panel<Nu, Nu> Suu;   ///< Sigma_uu, lower triangle
  Panel<Ny, 1> m;      ///< mu_u, then mu_x of the next step

  Marginals() = default;
  /// The entries are unset.
  Marginals(int steps, int nx, int nu)
      : mu(steps, nx + nu),
        Sigma(steps, nx + nu, nx + nu),
        F(nx, nx + nu),
        SF(nx + nu, nx),
        next(nx, nx),
        Sxu(nx, nu),
        Suu(nu, nu),
        m(nx + nu, 1) {}
};

/// Marginals of any compile-time sizes, to read; see SequenceView.
struct MarginalsView {
  /// Those of the marginals.
  ///@{
  SequenceView<> mu, Sigma;
  ///@}

  /// The marginals must outlive it.
  template <int Nx, int Nu>
  MarginalsView(const Marginals<Nx, Nu>& m)  // NOLINT: a view
      : mu(m.mu), Sigma(m.Sigma) {}
};

/// Throws InvalidArgument unless the three have the same horizon and sizes.
///@{
template <int Nx, int Nu>
void require_same_shape(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                        const LinearGaussianPolicy<Nx, Nu>& policy) {
  require(
      dynamics.steps() == policy.steps() &&
          (policy.steps() == 1 || (dynamics.nx() == policy.nx() && dynamics.nu() == policy.nu())),
      "dynamics have {} steps, nx = {}, nu = {}; the policy {}, {}, {}", dynamics.steps(),
      dynamics.nx(), dynamics.nu(), policy.steps(), policy.nx(), policy.nu());
}
template <int Nx, int Nu>
void require_same_shape(const QuadraticCost<Nx, Nu>& cost,
                        const LinearGaussianPolicy<Nx, Nu>& policy) {
  require(cost.steps() == policy.steps() && cost.nx() == policy.nx() && cost.nu() == policy.nu(),
          "the cost model has {} steps, nx = {}, nu = {}; the policy {}, {}, {}", cost.steps(),
          cost.nx(), cost.nu(), policy.steps(), policy.nx(), policy.nu());
}
///@}

/// Throws InvalidArgument unless the distribution is one of nx states.
template <int Nx>
void require_start(const InitialState<Nx>& start, int nx) {
  require(rows(start.mu) == nx && rows(start.Sigma) == nx && cols(start.Sigma) == nx,
          "the initial state has mu of {} and Sigma of {}x{}, expected {}", rows(start.mu),
          rows(start.Sigma), cols(start.Sigma), nx);
}

/// Propagates the initial state through policy and dynamics (LA14, supplement; LFDA16 appendix A):
///   mu_u = K mu_x + k,  Sigma_uu = K Sigma_xx K' + L L',  Sigma_ux = K Sigma_xx,
///   mu_x' = F mu_y + f,  Sigma_x' = F Sigma_yy F' + W.
/// Writes into `out`, which is resized if needed; does not allocate if it has the right shape.
template <int Nx, int Nu>
void forward_marginals(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                       const LinearGaussianPolicy<Nx, Nu>& policy, const InitialState<Nx>& start,
                       Marginals<Nx, Nu>& out) {
  require_same_shape(dynamics, policy);
  require_start(start, policy.nx());
  const int T = policy.steps();
  const int nx = tile::size<Nx>(policy.nx());
  const int nu = tile::size<Nu>(policy.nu());
  constexpr int Ny = joint_size<Nx, Nu>;
  const int ny = nx + nu;
  if (out.mu.steps() != T || out.mu.rows() != ny || out.Sxu.cols() != nu) {
    out = Marginals<Nx, Nu>(T, nx, nu);
  }

  out.mu[0].head(nx) = start.mu;
  out.Sigma[0].topLeftCorner(nx, nx) = start.Sigma;
  for (int t = 0; t < T; ++t) {
    auto mu = out.mu[t];
    auto Sigma = out.Sigma[t];
    const tile::Input K = tile::input(policy.K[t]);
    const tile::Input L = tile::input(policy.L[t]);
    tile::full<Nu, 1>(nu, 1, out.m, tile::input(policy.k[t]), tile::times(K, tile::input(mu), nx));
    tile::full<Nx, Nu>(nx, nu, out.Sxu, tile::zero,
                       tile::times_transposed(tile::input(Sigma), K, nx));
    tile::lower<Nu>(nu, out.Suu, tile::zero, tile::times(K, out.Sxu, nx),
                    tile::times_transposed(L, L, nu));
    for (int j = 0; j < nu; ++j) {
      mu(nx + j) = out.m(j);
      for (int i = 0; i < nx; ++i) Sigma(i, nx + j) = Sigma(nx + j, i) = out.Sxu(i, j);
      for (int i = j; i < nu; ++i) Sigma(nx + i, nx + j) = Sigma(nx + j, nx + i) = out.Suu(i, j);
    }
    if (t + 1 == T) break;

    const auto F = dynamics.F[t];
    for (int j = 0; j < ny; ++j) {
      for (int i = 0; i < nx; ++i) out.F(i, j) = F(i, j);
    }
    tile::full<Nx, 1>(nx, 1, out.m, tile::input(dynamics.f[t]),
                      tile::times(out.F, tile::input(mu), ny));
    tile::full<Ny, Nx>(ny, nx, out.SF, tile::zero,
                       tile::times(tile::input(Sigma), tile::input_transposed(F), ny));
    tile::lower<Nx>(nx, out.next, tile::input(dynamics.W[t]), tile::times(out.F, out.SF, ny));
    auto next_mu = out.mu[t + 1];
    for (int j = 0; j < nx; ++j) next_mu(j) = out.m(j);
    copy_symmetric(nx, out.next, out.Sigma[t + 1]);
  }
}

/// The same as a value.
template <int Nx, int Nu>
[[nodiscard]] Marginals<Nx, Nu> forward_marginals(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                                  const LinearGaussianPolicy<Nx, Nu>& policy,
                                                  const InitialState<Nx>& start) {
  Marginals<Nx, Nu> out;
  forward_marginals(dynamics, policy, start, out);
  return out;
}

/// Gaussian marginals of x_t alone, t = 0..T-1: all that a per-step constraint needs.
template <int Nx = Dynamic, int Nu = Dynamic>
struct StateMarginals {
  static constexpr int Ny = joint_size<Nx, Nu>;  ///< entries of y

  Sequence<Nx> mu;         ///< nx
  Sequence<Nx, Nx> Sigma;  ///< nx x nx

  // Scratch of state_marginals.
  Panel<Nx, Nx> S;   ///< Sigma_t, lower triangle
  Panel<Nx, Ny> F;   ///< F_t by columns
  Panel<Nx, Nx> A;   ///< closed loop f_x + f_u K
  Panel<Nx, Nx> AS;  ///< A Sigma_t
  Panel<Nx, Nu> B;   ///< f_u L
  Panel<Nx, 1> m;    ///< mu of the next step

  StateMarginals() = default;
  /// The entries are unset.
  StateMarginals(int steps, int nx, int nu)
      : mu(steps, nx),
        Sigma(steps, nx, nx),
        S(nx, nx),
        F(nx, nx + nu),
        A(nx, nx),
        AS(nx, nx),
        B(nx, nu),
        m(nx, 1) {}
};

/// The states' part of forward_marginals, by the closed loop A = f_x + f_u K:
///   mu' = A mu + f_u k + f,  Sigma' = A Sigma A' + f_u L L' f_u' + W.
/// Writes into `out`, which is resized if needed; does not allocate if it has the right shape.
template <int Nx, int Nu>
void state_marginals(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                     const LinearGaussianPolicy<Nx, Nu>& policy, const InitialState<Nx>& start,
                     StateMarginals<Nx, Nu>& out) {
  require_same_shape(dynamics, policy);
  require_start(start, policy.nx());
  const int T = policy.steps();
  const int nx = tile::size<Nx>(policy.nx());
  const int nu = tile::size<Nu>(policy.nu());
  if (out.mu.steps() != T || out.mu.rows() != nx || out.B.cols() != nu) {
    out = StateMarginals<Nx, Nu>(T, nx, nu);
  }
  out.mu[0] = start.mu;
  out.Sigma[0] = start.Sigma;
  out.S.matrix() = start.Sigma;
  for (int t = 0; t + 1 < T; ++t) {
    const auto F = dynamics.F[t];
    for (int j = 0; j < nx + nu; ++j) {
      for (int i = 0; i < nx; ++i) out.F(i, j) = F(i, j);
    }
    const tile::Input f_u = out.F.at(0, nx);
    tile::full<Nx, Nx>(nx, nx, out.A, out.F, tile::times(f_u, tile::input(policy.K[t]), nu));
    tile::full<Nx, Nu>(nx, nu, out.B, tile::zero, tile::times(f_u, tile::input(policy.L[t]), nu));
    tile::full<Nx, 1>(nx, 1, out.m, tile::input(dynamics.f[t]),
                      tile::times(f_u, tile::input(policy.k[t]), nu),
                      tile::times(out.A, tile::input(out.mu[t]), nx));
    tile::full<Nx, Nx>(nx, nx, out.AS, tile::zero, tile::times_symmetric(out.A, out.S, nx));
    tile::lower<Nx>(nx, out.S, tile::input(dynamics.W[t]),
                    tile::times_transposed(out.AS, out.A, nx),
                    tile::times_transposed(out.B, out.B, nu));
    out.mu[t + 1] = out.m.matrix();
    copy_symmetric(nx, out.S, out.Sigma[t + 1]);
  }
}

/// The same as a value.
template <int Nx, int Nu>
[[nodiscard]] StateMarginals<Nx, Nu> state_marginals(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                                     const LinearGaussianPolicy<Nx, Nu>& policy,
                                                     const InitialState<Nx>& start) {
  StateMarginals<Nx, Nu> out;
  state_marginals(dynamics, policy, start, out);
  return out;
}

/// State marginals of any compile-time sizes, to read; see SequenceView.
struct StateMarginalsView {
  /// Those of the marginals.
  ///@{
  SequenceView<> mu, Sigma;
  ///@}

  /// The marginals must outlive it.
  template <int Nx, int Nu>
  StateMarginalsView(const StateMarginals<Nx, Nu>& m)  // NOLINT: a view
      : mu(m.mu), Sigma(m.Sigma) {}
};

/// Expected cost of every step under a policy and the Gaussian marginals of its states, T:
///   c0 + 1/2 tr(C Sigma_yy) + 1/2 mu_y' C mu_y + c' mu_y
/// with mu_u = K mu_x + k, Sigma_ux = K Sigma_xx, Sigma_uu = K Sigma_xx K' + L L'. Throws
/// InvalidArgument on shapes.
[[nodiscard]] VectorX expected_costs(const CostModelView& cost, const PolicyView& policy,
                                     const StateMarginalsView& states);

// Compiled once for sizes known at run time only.
extern template void forward_marginals(const LinearGaussianDynamics<>&,
                                       const LinearGaussianPolicy<>&, const InitialState<>&,
                                       Marginals<>&);
extern template void state_marginals(const LinearGaussianDynamics<>&, const LinearGaussianPolicy<>&,
                                     const InitialState<>&, StateMarginals<>&);

}  // namespace pilqr
