#pragma once
/// Line 3 of PILQR17 Algorithm 1: TVLG dynamics from samples.

#include <cmath>
#include <concepts>
#include <limits>

#include "pilqr/core/check.hpp"
#include "pilqr/core/gaussian.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

struct DynamicsFitOptions {
  /// Added to the diagonal of the covariance of [x; u], squared units of x and u. Keeps the regression
  /// well-posed with fewer samples than nx + nu; raise it if the fit is reported singular.
  double ridge = 1e-6;
};

inline void require_valid(const DynamicsFitOptions& o) {
  require(std::isfinite(o.ridge) && o.ridge >= 0.0, "dynamics fit: ridge is {}, expected >= 0",
          o.ridge);
}

/// Anything that gives a normal-inverse-Wishart prior over z = [x; u; x'] at step t, given the step's
/// samples, nz x N.
template <class P>
concept DynamicsPrior = requires(const P& prior, int t, const MatrixX& z) {
  { prior.at(t, z) } -> std::convertible_to<NormalInverseWishart>;
};

/// No prior: ridge alone.
struct NoPrior {};

/// The same prior at every step.
struct FixedPrior {
  NormalInverseWishart prior;
  [[nodiscard]] const NormalInverseWishart& at(int, const MatrixX&) const { return prior; }
};

template <int Nx = Dynamic, int Nu = Dynamic>
struct DynamicsFit {
  LinearGaussianDynamics<Nx, Nu> dynamics;
  Failure failure;
  [[nodiscard]] bool ok() const { return failure.ok(); }
};

/// Linear regression of x' on [x; u] at every t < T-1 (LA14 section 3; LFDA16 A.3). With the mean mu
/// and covariance S of z = [x; u; x'] over the N samples,
///   Sz = S, or with a prior (N S + Phi + N m/(N+m) (mu-mu0)(mu-mu0)') / (N + n0); ridge on [x; u];
///   F = Sz[x',y] Sz[y,y]^-1,  f = mu_x' - F mu_y,  W = Sz[x',x'] - F Sz[y,y] F'.
/// Fewer samples than nx + nu is the normal case. Reports singular_fit with its step if Sz[y,y] is not
/// positive definite, which takes a ridge of zero or entries that are not finite.
template <int Nx, int Nu, class Prior = NoPrior>
[[nodiscard]] DynamicsFit<Nx, Nu> fit_dynamics(const Rollouts<Nx, Nu>& rollouts,
                                               const DynamicsFitOptions& options = {},
                                               const Prior& prior = {}) {
  require_valid(options);
  require_valid(rollouts);
  const int T = rollouts.steps();
  const int N = rollouts.samples();
  const int nx = rollouts.nx();
  const int ny = nx + rollouts.nu();
  constexpr int Nz = sum_sizes(joint_size<Nx, Nu>, Nx);
  DynamicsFit<Nx, Nu> fit{LinearGaussianDynamics<Nx, Nu>(T, nx, rollouts.nu()), {}};
  MatrixX z(ny + nx, N);
  MatrixX centred(ny + nx, N);
  Vector<Nz> mean(ny + nx);
  MatrixX S(ny + nx, ny + nx);
  Matrix<Nx, joint_size<Nx, Nu>> F(nx, ny);
  Vector<Nx> f(nx);
  Matrix<Nx, Nx> W(nx, nx);
  for (int t = 0; t + 1 < T; ++t) {
    z.topRows(nx) = rollouts.x[t];
    z.middleRows(nx, ny - nx) = rollouts.u[t];
    z.bottomRows(nx) = rollouts.x[t + 1];
    moments(z, mean, S, centred);
    if constexpr (DynamicsPrior<Prior>) {
      posterior_covariance_in_place(prior.at(t, z), N, mean, S);
    } else {
      static_assert(std::same_as<Prior, NoPrior>, "the prior needs at(t, z)");
    }
    S.diagonal().head(ny).array() += options.ridge;
    if (!condition_in_place(mean, S, ny, F, f, W)) {
      fit.failure = {.kind = FailureKind::singular_fit,
                     .step = t,
                     .value = options.ridge,
                     .detail = "covariance of [x; u] is not positive definite with this ridge"};
      return fit;
    }
    fit.dynamics.F[t] = F;
    fit.dynamics.f[t] = f;
    fit.dynamics.W[t] = W;
  }
  return fit;
}

}  // namespace pilqr
