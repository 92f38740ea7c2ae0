#pragma once
/// What the backward sweeps share: their buffers, and one step of the Bellman recursion.

#include <cmath>

#include "pilqr/core/panel.hpp"
#include "pilqr/core/tile.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"
#include "pilqr/update/lqr/step_dual.hpp"

namespace pilqr {

/// Buffers of a sweep. Sized once; a sweep over the same sizes does not allocate.
template <int Nx = Dynamic, int Nu = Dynamic>
struct SweepWorkspace {
  static constexpr int Ny = joint_size<Nx, Nu>;  ///< entries of y
  static constexpr int Nx1 = sum_sizes(Nx, 1);   ///< entries of [x; 1]

  /// Sizes the buffers.
  SweepWorkspace(int nx, int nu)
      : states(nx),
        controls(nu),
        V(nx + 1, nx + 1),
        W(nx + nu, nx + 1),
        Qu(nx + nu, nu),
        q(nx + nu, 1),
        f1(nx + 1, 1),
        v(nx, 1),
        C(nx + nu, nx + nu),
        c(nx + nu, 1),
        J(nx + nu, nu),
        j(nu, 1),
        L(nu, nu),
        elimination(2 * tile::padded(nu), nu),
        Y(nx, nu),
        y(nu, 1),
        K(nu, nx),
        k(nu, 1),
        K_ref(nx, nu),
        K_new(nx, nu),
        G(nx, nu),
        B(nx, nu),
        BS(nx, nu),
        QuuK(nx, nu),
        A(nu, nu),
        Lt(nu, nu),
        S(nu, nu),
        U(nu, nu),
        eigen(nu, 3),
        kl{Vector<Nu>(nu), Vector<Nu>(nu), 0.0} {}

  /// Not finite if an entry of V or v is not; the sum of them.
  [[nodiscard]] double value_sum() const {
    double sum = 0.0;
    for (int column = 0; column < states; ++column) {
      for (int row = column; row <= states; ++row) sum += V(row, column);
    }
    return sum;
  }

  /// Entries of the state, nx.
  int states, controls;  ///< of the control, nu

  Panel<Nx1, Nx1> V;  ///< value 1/2 x'Vx + v'x as [V v; v' .], lower triangle
  Panel<Ny, Nx1> W;   ///< F' [V v]
  Panel<Ny, Nu> Qu;   ///< columns u of the state-action value's Hessian, [Qxu; Quu]
  Panel<Ny, 1> q;     ///< and its gradient at zero, [qx; qu]
  Panel<Nx1, 1> f1;   ///< [f; 1]
  Panel<Nx, 1> v;     ///< v of the step before it is stored in V

  Panel<Ny, Ny> C;  ///< cost of the step with a share of -log p_ref
  Panel<Ny, 1> c;   ///< its linear term
  Panel<Ny, Nu> J;  ///< (L_ref^-1 [-K_ref, I])': -log p_ref = 1/2 |J'y - j|^2 + const
  Panel<Nu, 1> j;   ///< L_ref^-1 k_ref

  Panel<Nu, Nu> L;      ///< factor of the new covariance
  Panel<> elimination;  ///< buffer of inverse_cholesky
  Panel<Nx, Nu> Y;      ///< Qxu L
  Panel<Nu, 1> y;       ///< L' qu
  Panel<Nu, Nx> K;      ///< new gains
  Panel<Nu, 1> k;       ///< new feed-forward control

  // Of the sweep with a dual variable per step; matrices nx x nu are transposed.
  Panel<Nx, Nu> K_ref;  ///< gains of the reference
  Panel<Nx, Nu> K_new;  ///< new gains
  Panel<Nx, Nu> G;      ///< (Quu K_ref + Qux)': gradient of the value along the reference policy
  Panel<Nx, Nu> B;      ///< G A
  Panel<Nx, Nu> BS;     ///< Sigma_xx B
  Panel<Nx, Nu> QuuK;   ///< (Quu K + Qux)' of the new policy
  Panel<Nu, Nu> A;      ///< L_ref U: the columns diagonalise Quu relative to Sigma_ref
  Panel<Nu, Nu> Lt;     ///< L_ref'
  Panel<Nu, Nu> S;      ///< L_ref' Quu L_ref
  Panel<Nu, Nu> U;      ///< and its eigenvectors
  Panel<Nu, 3> eigen;   ///< buffer of symmetric_eigen
  StepKl<Nu> kl;        ///< what the dual variable is chosen by
};

/// The cost of step t together with that of leaving the reference, `scale` (C, c) + `weight`
/// (quadratic of -log p_ref), into C and c of the workspace; -log p_ref(u | x) is 1/2 |J'y - j|^2
/// with J' = L_ref^-1 [-K_ref, I], j = L_ref^-1 k_ref.
template <int Nx, int Nu>
PILQR_ALWAYS_INLINE void add_reference_cost(const QuadraticCost<Nx, Nu>& cost,
                                            const LinearGaussianPolicy<Nx, Nu>& reference, int t,
                                            double scale, double weight,
                                            SweepWorkspace<Nx, Nu>& ws) {
  constexpr int Ny = joint_size<Nx, Nu>;
  const int nx = tile::size<Nx>(ws.states);
  const int nu = tile::size<Nu>(ws.controls);
  const auto K = reference.K[t];
  const auto k = reference.k[t];
  const auto L = reference.L[t];
  ws.C.matrix() = scale * cost.C[t];
  ws.c.matrix() = scale * cost.c[t];
  if (weight == 0.0) return;
  for (int i = 0; i < nu; ++i) {
    auto column = ws.J.matrix().col(i);
    column.head(nx) = -K.row(i).transpose();
    column.tail(nu).setZero();
    ws.J(nx + i, i) = 1.0;
    ws.j(i) = k(i);
    for (int n = 0; n < i; ++n) {
      column -= L(i, n) * ws.J.matrix().col(n);
      ws.j(i) -= L(i, n) * ws.j(n);
    }
    column /= L(i, i);
    ws.j(i) /= L(i, i);
  }
  const double root = std::sqrt(weight);
  ws.J.matrix() *= root;
  ws.j.matrix() *= root;
  tile::full<Ny, Ny>(nx + nu, nx + nu, ws.C, ws.C, tile::times_transposed(ws.J, ws.J, nu));
  tile::full<Ny, 1>(nx + nu, 1, ws.c, ws.c, tile::minus_times(ws.J, ws.j, nu));
}

/// Columns u and gradient of Q_t from the cost (C, c) at t and V_{t+1}, v_{t+1} in the workspace
/// (LA14 section 2; LFDA16 appendix A; here in absolute coordinates): Q = C + F' V F, q = c + F' (v
/// + V f); at the last step Q = C, q = c.
template <int Nx, int Nu>
PILQR_ALWAYS_INLINE void state_action_value(const LinearGaussianDynamics<Nx, Nu>& dynamics, int t,
                                            tile::Input C, tile::Input c,
                                            SweepWorkspace<Nx, Nu>& ws) {
  constexpr int Ny = joint_size<Nx, Nu>;
  const int nx = tile::size<Nx>(ws.states);
  const int nu = tile::size<Nu>(ws.controls);
  constexpr int Nx1 = sum_sizes(Nx, 1);
  const int ny = nx + nu;
  if (t + 1 == dynamics.steps()) {
    tile::full<Ny, Nu>(ny, nu, ws.Qu, C.at(0, nx));
    tile::full<Ny, 1>(ny, 1, ws.q, c);
    return;
  }
  const tile::Input Ft = tile::input_transposed(dynamics.F[t]);
  const double* f = dynamics.f[t].data();
  for (int i = 0; i < nx; ++i) ws.f1(i) = f[i];
  ws.f1(nx) = 1.0;
  tile::full<Ny, Nx1>(ny, nx + 1, ws.W, tile::zero, tile::times_symmetric(Ft, ws.V, nx));
  tile::full<Ny, Nu>(ny, nu, ws.Qu, C.at(0, nx), tile::times_transposed(ws.W, Ft.at(nx, 0), nx));
  tile::full<Ny, 1>(ny, 1, ws.q, c, tile::times(ws.W, ws.f1, nx + 1));
}

/// V_t = Qxx + terms, by its lower triangle.
template <int Nx, int Nu, class... Terms>
PILQR_ALWAYS_INLINE void value_hessian(const LinearGaussianDynamics<Nx, Nu>& dynamics, int t,
                                       tile::Input C, SweepWorkspace<Nx, Nu>& ws,
                                       const Terms&... terms) {
  const int nx = tile::size<Nx>(ws.states);
  if (t + 1 == dynamics.steps()) {
    tile::lower<Nx>(nx, ws.V, C, terms...);
  } else {
    const tile::Input Ft = tile::input_transposed(dynamics.F[t]);
    tile::lower<Nx>(nx, ws.V, C, tile::times_transposed(ws.W, Ft, nx), terms...);
  }
}

/// v_t = qx + terms.
template <int Nx, int Nu, class... Terms>
PILQR_ALWAYS_INLINE void value_gradient(SweepWorkspace<Nx, Nu>& ws, const Terms&... terms) {
  const int nx = tile::size<Nx>(ws.states);
  tile::full<Nx, 1>(nx, 1, ws.v, ws.q, terms...);
  for (int i = 0; i < nx; ++i) ws.V(nx, i) = ws.V(i, nx) = ws.v(i);
}

}  // namespace pilqr
