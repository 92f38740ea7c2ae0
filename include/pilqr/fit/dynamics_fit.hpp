#pragma once
/// Line 3 of PILQR17 Algorithm 1: TVLG dynamics from samples.

#include <cmath>
#include <concepts>

#include "pilqr/core/check.hpp"
#include "pilqr/fit/neighbour_prior.hpp"
#include "pilqr/fit/regression.hpp"
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
  LinearGaussianDynamics<Nx, Nu> dynamics;  ///< only if ok(): up to the failing step otherwise
  Failure failure;                          ///< singular_fit, with the step
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// Linear regression of x' on y = [x; u] at every t < T-1 (LA14 section 3; LFDA16 A.3), see
/// Regression: the prior is one over z = [x; u; x'] or has taken these rollouts in already, as
/// NeighbourPrior has (with so many samples that the neighbours have no say, the ridge is alone);
/// the ridge stands on [x; u]. Fewer samples than nx + nu is the normal case. Reports singular_fit
/// with its step if the covariance of [x; u] is singular, which takes a ridge that vanishes next to
/// the data, or if an entry is NaN or infinite, and the prior's own failure if it has one. Throws
/// InvalidArgument on shapes and options, and on a prior of moments of another shape.
/// @param out the dynamics; resized if needed, incomplete on failure.
template <int Nx, int Nu, class Prior>
[[nodiscard]] Failure fit_dynamics(const Rollouts<Nx, Nu>& rollouts,
                                   const DynamicsFitOptions& options, const Prior& prior,
                                   LinearGaussianDynamics<Nx, Nu>& out) {
  require_valid(options);
  require_valid(rollouts);
  const int T = rollouts.steps();
  const int nx = rollouts.nx();
  const int nu = rollouts.nu();
  if (out.steps() != T || out.nx() != nx || out.nu() != nu) {
    out = LinearGaussianDynamics<Nx, Nu>(T, nx, nu);
  }
  const auto failed = [&](int t) {
    return Failure{.kind = FailureKind::singular_fit,
                   .step = t,
                   .value = options.ridge,
                   .detail = "covariance of [x; u] is singular with this ridge, or not finite"};
  };
  bool has_moments = false;
  if constexpr (PosteriorMoments<Prior>) {
    if (!prior.failure().ok()) return prior.failure();
    has_moments = prior.steps() > 0;
    require(!has_moments || (prior.steps() == T - 1 && prior.dim() == 2 * nx + nu),
            "the prior has moments of {} steps of {} entries, expected {} of {}", prior.steps(),
            prior.dim(), T - 1, 2 * nx + nu);
  }
  Regression regression(nx + nu, nx, rollouts.samples());
  [[maybe_unused]] MatrixX z;  // the points of a step, as priors want them
  for (int t = 0; t + 1 < T; ++t) {
    bool solved = false;
    if (!has_moments) {
      regression.z1.matrix().topRows(nx) = rollouts.x[t];
      regression.z1.matrix().bottomRows(nu) = rollouts.u[t];
      regression.z2.matrix() = rollouts.x[t + 1];
    }
    if constexpr (PosteriorMoments<Prior>) {
      solved = has_moments ? regression.solve(options.ridge, prior.moments(t))
                           : regression.solve(options.ridge);
    } else if constexpr (RegressionPrior<Prior>) {
      z.resize(2 * nx + nu, rollouts.samples());
      z << rollouts.x[t], rollouts.u[t], rollouts.x[t + 1];
      solved = regression.solve(options.ridge, prior.at(t, z));
    } else {
      static_assert(std::same_as<Prior, NoPrior>, "the prior needs at(t, z) or moments(t)");
      solved = regression.solve(options.ridge);
    }
    if (!solved) return failed(t);
    out.F[t] = regression.Ft.matrix().transpose();
    out.f[t] = regression.f.matrix();
    copy_symmetric(nx, regression.W, out.W[t]);
  }
  return {};
}

// Compiled once for sizes known at run time only.
extern template Failure fit_dynamics(const Rollouts<>&, const DynamicsFitOptions&, const NoPrior&,
                                     LinearGaussianDynamics<>&);
extern template Failure fit_dynamics(const Rollouts<>&, const DynamicsFitOptions&,
                                     const NeighbourPrior&, LinearGaussianDynamics<>&);

/// The same as a value.
template <int Nx, int Nu, class Prior = NoPrior>
[[nodiscard]] DynamicsFit<Nx, Nu> fit_dynamics(const Rollouts<Nx, Nu>& rollouts,
                                               const DynamicsFitOptions& options = {},
                                               const Prior& prior = {}) {
  DynamicsFit<Nx, Nu> fit;
  fit.failure = fit_dynamics(rollouts, options, prior, fit.dynamics);
  return fit;
}

}  // namespace pilqr
