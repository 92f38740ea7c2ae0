#pragma once
/// Time-varying linear-Gaussian (TVLG) policies and dynamics.

#include "pilqr/core/check.hpp"
#include "pilqr/core/linalg.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// A TVLG policy p(u | x) = N(K_t x + k_t, Sigma_t), t = 0..T-1 (LA14 section 3; PILQR17
/// section 3). A control is drawn as u = K_t x + k_t + L_t xi with xi ~ N(0, I) and Sigma_t = L_t
/// L_t', L_t LOWER triangular. The covariance is stored as its factor only.
template <int Nx = Dynamic, int Nu = Dynamic>
struct LinearGaussianPolicy {
  Sequence<Nu, Nx> K;  ///< gains, nu x nx
  Sequence<Nu> k;      ///< feed-forward controls, nu
  Sequence<Nu, Nu> L;  ///< lower Cholesky factors of the covariances, nu x nu

  LinearGaussianPolicy() = default;
  /// Throws InvalidArgument unless all three are at least 1; the entries are unset.
  LinearGaussianPolicy(int steps, int nx, int nu)
      : K(steps, nu, nx), k(steps, nu), L(steps, nu, nu) {
    require(steps >= 1 && nx >= 1 && nu >= 1, "a policy with {} steps, nx = {}, nu = {}", steps, nx,
            nu);
  }

  /// The horizon T, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return K.steps(); }
  [[nodiscard]] int nx() const { return K.cols(); }
  [[nodiscard]] int nu() const { return K.rows(); }
  ///@}

  /// Covariance of the control at step t, nu x nu.
  [[nodiscard]] Matrix<Nu, Nu> Sigma(int t) const { return L[t] * L[t].transpose(); }

  /// The noiseless control u = K_t x + k_t. Does not allocate.
  template <class X, class U>
  void mean(int t, const X& x, U& u) const {
    u.noalias() = K[t] * x;
    u += k[t];
  }

  /// The control u = K_t x + k_t + L_t xi. Does not allocate.
  template <class X, class Xi, class U>
  void act(int t, const X& x, const Xi& xi, U& u) const {
    mean(t, x, u);
    u.noalias() += L[t] * xi;
  }

  /// Equal shapes and entries.
  friend bool operator==(const LinearGaussianPolicy&, const LinearGaussianPolicy&) = default;
};

/// LinearGaussianPolicy of any compile-time sizes, to read; see SequenceView.
struct PolicyView {
  /// Those of the policy.
  ///@{
  SequenceView<> K, k, L;
  ///@}

  /// The policy must outlive it.
  template <int Nx, int Nu>
  PolicyView(const LinearGaussianPolicy<Nx, Nu>& p)  // NOLINT: a view
      : K(p.K), k(p.k), L(p.L) {}
  /// The horizon T, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return K.steps(); }
  [[nodiscard]] int nx() const { return K.cols(); }
  [[nodiscard]] int nu() const { return K.rows(); }
  ///@}
};

/// Throws InvalidArgument unless the policy's parts have matching shapes and finite entries and
/// every L_t is lower triangular with a positive diagonal. `what` begins the message.
void require_valid(const PolicyView& policy, const char* what);

/// Throws InvalidArgument unless two policies have the same horizon and sizes.
template <int Nx, int Nu>
void require_same_shape(const LinearGaussianPolicy<Nx, Nu>& a,
                        const LinearGaussianPolicy<Nx, Nu>& b) {
  require(a.steps() == b.steps() && a.nx() == b.nx() && a.nu() == b.nu(),
          "policies with {} steps, nx = {}, nu = {} and {}, {}, {}", a.steps(), a.nx(), a.nu(),
          b.steps(), b.nx(), b.nu());
}

/// The same policy with sizes fixed at run time.
template <int Nx, int Nu>
LinearGaussianPolicy<> to_dynamic(const LinearGaussianPolicy<Nx, Nu>& policy) {
  LinearGaussianPolicy<> out;
  out.K = convert<Dynamic, Dynamic>(policy.K);
  out.k = convert<Dynamic, 1>(policy.k);
  out.L = convert<Dynamic, Dynamic>(policy.L);
  return out;
}

/// The same policy with sizes fixed at compile time. Throws InvalidArgument if they differ.
template <int Nx, int Nu>
LinearGaussianPolicy<Nx, Nu> to_fixed(const LinearGaussianPolicy<>& policy) {
  require(fits(Nx, policy.nx()) && fits(Nu, policy.nu()),
          "the policy has nx = {} and nu = {}, expected {} and {}", policy.nx(), policy.nu(), Nx,
          Nu);
  LinearGaussianPolicy<Nx, Nu> out;
  out.K = convert<Nu, Nx>(policy.K);
  out.k = convert<Nu, 1>(policy.k);
  out.L = convert<Nu, Nu>(policy.L);
  return out;
}

/// Distribution of the first state, N(mu, Sigma).
template <int Nx = Dynamic>
struct InitialState {
  Vector<Nx> mu;         ///< nx
  Matrix<Nx, Nx> Sigma;  ///< nx x nx, positive semi-definite; zero for a fixed start
};

/// TVLG dynamics x_{t+1} ~ N(F_t y_t + f_t, W_t) with y = [x; u], t = 0..T-2: the last of the T
/// steps has a cost and a control but no successor.
template <int Nx = Dynamic, int Nu = Dynamic>
struct LinearGaussianDynamics {
  static constexpr int Ny = joint_size<Nx, Nu>;  ///< entries of y

  /// [f_x f_u], nx x ny; by rows, because the backward sweep reads F'.
  Sequence<Nx, Ny, Eigen::RowMajor> F;
  Sequence<Nx> f;      ///< offset, nx
  Sequence<Nx, Nx> W;  ///< covariance, nx x nx

  LinearGaussianDynamics() = default;
  /// @param steps the horizon T; T - 1 transitions are stored.
  LinearGaussianDynamics(int steps, int nx, int nu)
      : F(steps - 1, nx, nx + nu), f(steps - 1, nx), W(steps - 1, nx, nx) {}

  /// The horizon T.
  [[nodiscard]] int steps() const { return F.steps() + 1; }
  /// Entries of the state and of the control.
  ///@{
  [[nodiscard]] int nx() const { return F.rows(); }
  [[nodiscard]] int nu() const { return F.cols() - F.rows(); }
  ///@}
};

/// LinearGaussianDynamics of any compile-time sizes, to read; see SequenceView.
struct DynamicsView {
  /// Those of the dynamics.
  ///@{
  SequenceView<Eigen::RowMajor> F;
  SequenceView<> f, W;
  ///@}

  /// The dynamics must outlive it.
  template <int Nx, int Nu>
  DynamicsView(const LinearGaussianDynamics<Nx, Nu>& d)  // NOLINT: a view
      : F(d.F), f(d.f), W(d.W) {}
  /// The horizon T, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return F.steps() + 1; }
  [[nodiscard]] int nx() const { return F.rows(); }
  [[nodiscard]] int nu() const { return F.cols() - F.rows(); }
  ///@}
};

}  // namespace pilqr
