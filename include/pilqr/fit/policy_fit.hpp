#pragma once
/// Linearisation of a global policy around samples (ML16; PILQR17 section 5).

#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/linalg.hpp"
#include "pilqr/fit/regression.hpp"
#include "pilqr/model/linear_gaussian.hpp"

namespace pilqr {

/// How a global policy is linearised.
struct PolicyFitOptions {
  /// Added to the diagonal of the covariance of x, squared units of x, after the first step. 0
  /// leaves the regression to the prior.
  double ridge = 1e-8;
  /// The same at the first step, where rollouts that start in one state tell nothing about the
  /// gain; without a prior it is then 0.
  double ridge_first_step = 1e-8;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const PolicyFitOptions& o) {
  require(std::isfinite(o.ridge) && o.ridge >= 0.0 && std::isfinite(o.ridge_first_step) &&
              o.ridge_first_step >= 0.0,
          "policy fit: ridge is {}, ridge_first_step is {}, expected >= 0", o.ridge,
          o.ridge_first_step);
}

/// The linearised policy, or why there is none.
template <int Nx = Dynamic, int Nu = Dynamic>
struct PolicyFit {
  LinearGaussianPolicy<Nx, Nu> policy;  ///< only if ok(): up to the failing step otherwise
  Failure failure;                      ///< singular_fit or singular_covariance, with the step
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// The TVLG policy u ~ N(K x + k, S) closest to a global policy around the sampled states:
/// regression of the policy's mean on x at every t (see Regression; the prior is one over z = [x;
/// mean], the ridge stands on x), S = the conditional covariance of the regression plus the
/// policy's own.
/// @param x states, nx x N per step.
/// @param mean the policy's mean at these states, nu x N per step.
/// @param covariance the policy's own covariance, averaged over the step's samples, nu x nu per
/// step.
///
/// Reports, with the step, singular_fit if the covariance of x is singular or an entry of x or the
/// mean is NaN or infinite, singular_covariance if S is not positive definite or not finite. Throws
/// InvalidArgument on shapes and options.
template <int Nx, int Nu, class Prior = NoPrior>
[[nodiscard]] PolicyFit<Nx, Nu> fit_policy(const Sequence<Nx, Dynamic>& x,
                                           const Sequence<Nu, Dynamic>& mean,
                                           const Sequence<Nu, Nu>& covariance,
                                           const PolicyFitOptions& options = {},
                                           const Prior& prior = {}) {
  require_valid(options);
  const int T = x.steps();
  const int N = x.cols();
  const int nx = x.rows();
  const int nu = mean.rows();
  require(T >= 1 && N >= 1 && nx >= 1 && nu >= 1,
          "policy fit with {} steps, {} samples, nx = {}, nu = {}", T, N, nx, nu);
  require(mean.steps() == T && mean.cols() == N,
          "policy fit: the mean is {} steps of {} samples, x {} of {}", mean.steps(), mean.cols(),
          T, N);
  require(covariance.steps() == T && covariance.rows() == nu && covariance.cols() == nu,
          "policy fit: the covariance is {} steps of {}x{}, expected {} of {}x{}",
          covariance.steps(), covariance.rows(), covariance.cols(), T, nu, nu);
  PolicyFit<Nx, Nu> fit{LinearGaussianPolicy<Nx, Nu>(T, nx, nu), {}};
  Regression regression(nx, nu, N);
  [[maybe_unused]] MatrixX z;  // the points of a step, as priors want them
  Matrix<Nu, Nu> S(nu, nu);
  for (int t = 0; t < T; ++t) {
    const double ridge = t == 0 ? options.ridge_first_step : options.ridge;
    regression.z1.matrix() = x[t];
    regression.z2.matrix() = mean[t];
    bool solved = false;
    if constexpr (RegressionPrior<Prior>) {
      z.resize(nx + nu, N);
      z << x[t], mean[t];
      solved = regression.solve(ridge, prior.at(t, z));
    } else {
      static_assert(std::same_as<Prior, NoPrior>, "the prior needs at(t, z)");
      solved = regression.solve(ridge);
    }
    if (!solved) {
      fit.failure = {.kind = FailureKind::singular_fit,
                     .step = t,
                     .value = ridge,
                     .detail = "covariance of x is singular with this ridge, or not finite"};
      return fit;
    }
    copy_symmetric(nu, regression.W, S);
    S += covariance[t];
    const double smallest = S.diagonal().minCoeff();
    if (!cholesky_in_place(S)) {
      fit.failure = {.kind = FailureKind::singular_covariance,
                     .step = t,
                     .value = smallest,
                     .detail = "covariance of the linearised policy is not positive definite"};
      return fit;
    }
    fit.policy.K[t] = regression.Ft.matrix().transpose();
    fit.policy.k[t] = regression.f.matrix();
    fit.policy.L[t] = S;
  }
  return fit;
}

}  // namespace pilqr
