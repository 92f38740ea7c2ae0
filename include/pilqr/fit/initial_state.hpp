#pragma once
/// The Gaussian of the initial state.

#include "pilqr/core/check.hpp"
#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"

namespace pilqr {

/// Prior from earlier initial states (nx x N): their mean, and m diag(variances) with m = n0 =
/// strength nx points.
inline NormalInverseWishart initial_state_prior(const ConstMatrixRef& earlier,
                                                double strength = 1.0) {
  require(std::isfinite(strength) && strength >= 0.0,
          "initial-state prior: strength is {}, expected a number >= 0", strength);
  NormalInverseWishart prior;
  MatrixX centred;
  moments(earlier, prior.mu0, prior.Phi, centred);
  const VectorX variances = prior.Phi.diagonal();
  prior.m = strength * rows(earlier);
  prior.n0 = prior.m;
  prior.Phi = (prior.m * variances).asDiagonal();
  return prior;
}

/// Mean of N initial states (nx x N) and the posterior of their covariance under the prior. Of the
/// states' own covariance only the variances count, each at least `min_variance` (state units
/// squared): N is far too small for more.
template <int Nx = Dynamic>
InitialState<Nx> fit_initial_state(const ConstMatrixRef& states, const NormalInverseWishart& prior,
                                   double min_variance = 1e-6) {
  require(std::isfinite(min_variance) && min_variance >= 0.0,
          "initial state: min_variance is {}, expected a number >= 0", min_variance);
  require_valid(prior, rows(states));
  InitialState<Nx> fit;
  MatrixX centred;
  moments(states, fit.mu, fit.Sigma, centred);
  const Vector<Nx> variances = fit.Sigma.diagonal().cwiseMax(min_variance);
  fit.Sigma = variances.asDiagonal();
  posterior_covariance_in_place(prior, cols(states), fit.mu, fit.Sigma);
  return fit;
}

/// The same without a prior.
template <int Nx = Dynamic>
InitialState<Nx> fit_initial_state(const ConstMatrixRef& states, double min_variance = 1e-6) {
  const int nx = rows(states);
  return fit_initial_state<Nx>(states, {VectorX::Zero(nx), MatrixX::Zero(nx, nx), 0.0, 0.0},
                               min_variance);
}

}  // namespace pilqr
