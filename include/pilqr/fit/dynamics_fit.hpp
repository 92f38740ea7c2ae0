#pragma once
/// Line 3 of PILQR17 Algorithm 1: TVLG dynamics from samples.

#include <cmath>
#include <concepts>

#include "pilqr/core/check.hpp"
#include "pilqr/fit/regression.hpp"
#include "pilqr/fit/ridge_regression.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// How the regression is kept well-posed.
struct DynamicsFitOptions {
  /// Added to the diagonal of the covariance of [x; u], squared units of x and u. Keeps the
  /// regression well-posed with fewer samples than nx + nu; raise it if the fit is reported
  /// singular.
  double ridge = 1e-6;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const DynamicsFitOptions& o) {
  require(std::isfinite(o.ridge) && o.ridge >= 0.0, "dynamics fit: ridge is {}, expected >= 0",
          o.ridge);
}

/// The fitted dynamics, or why there are none.
template <int Nx = Dynamic, int Nu = Dynamic>
struct DynamicsFit {
  LinearGaussianDynamics<Nx, Nu> dynamics;
  Failure failure;
  [[nodiscard]] bool ok() const { return failure.ok(); }
};

/// Linear regression of x' on y = [x; u] at every t < T-1 (LA14 section 3; LFDA16 A.3), see
/// Regression: the prior is one over z = [x; u; x'], the ridge stands on [x; u]. Fewer samples than
/// nx + nu is the normal case. Reports singular_fit with its step if the covariance of [x; u] is
/// singular, which takes a ridge that vanishes next to the data, or if an entry is NaN or infinite.
/// Throws InvalidArgument on shapes and options.
template <int Nx, int Nu, class Prior = NoPrior>
[[nodiscard]] DynamicsFit<Nx, Nu> fit_dynamics(const Rollouts<Nx, Nu>& rollouts,
                                               const DynamicsFitOptions& options = {},
                                               const Prior& prior = {}) {
  require_valid(options);
  require_valid(rollouts);
  const int T = rollouts.steps();
  const int nx = rollouts.nx();
  const int nu = rollouts.nu();
  DynamicsFit<Nx, Nu> fit{LinearGaussianDynamics<Nx, Nu>(T, nx, nu), {}};
  const auto failed = [&](int t) {
    fit.failure = {.kind = FailureKind::singular_fit,
                   .step = t,
                   .value = options.ridge,
                   .detail = "covariance of [x; u] is singular with this ridge, or not finite"};
    return fit;
  };
  if constexpr (std::same_as<Prior, NoPrior>) {
    RidgeRegression regression(nx + nu, nx, rollouts.samples());
    for (int t = 0; t + 1 < T; ++t) {
      regression.z1.matrix().topRows(nx) = rollouts.x[t];
      regression.z1.matrix().bottomRows(nu) = rollouts.u[t];
      regression.z2.matrix() = rollouts.x[t + 1];
      if (!regression.solve(options.ridge)) return failed(t);
      fit.dynamics.F[t] = regression.Ft.matrix().transpose();
      fit.dynamics.f[t] = regression.f.matrix();
      copy_symmetric(nx, regression.W, fit.dynamics.W[t]);
    }
  } else {
    Regression regression(nx + nu, nx, rollouts.samples());
    Matrix<Nx, joint_size<Nx, Nu>> F(nx, nx + nu);
    Vector<Nx> f(nx);
    Matrix<Nx, Nx> W(nx, nx);
    for (int t = 0; t + 1 < T; ++t) {
      regression.z.topRows(nx) = rollouts.x[t];
      regression.z.middleRows(nx, nu) = rollouts.u[t];
      regression.z.bottomRows(nx) = rollouts.x[t + 1];
      if (!regression.solve(t, options.ridge, prior, F, f, W)) return failed(t);
      fit.dynamics.F[t] = F;
      fit.dynamics.f[t] = f;
      fit.dynamics.W[t] = W;
    }
  }
  return fit;
}

// Compiled once for sizes known at run time only.
extern template DynamicsFit<> fit_dynamics(const Rollouts<>&, const DynamicsFitOptions&,
                                           const NoPrior&);

}  // namespace pilqr
