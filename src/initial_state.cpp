#include "pilqr/fit/initial_state.hpp"

#include <cmath>

namespace pilqr {

NormalInverseWishart initial_state_prior(const ConstMatrixRef& earlier, double strength) {
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

InitialState<> fit_initial_state(const ConstMatrixRef& states, const NormalInverseWishart& prior,
                                 double min_variance) {
  require(std::isfinite(min_variance) && min_variance >= 0.0,
          "initial state: min_variance is {}, expected a number >= 0", min_variance);
  require_valid(prior, rows(states));
  InitialState<> fit;
  MatrixX centred;
  moments(states, fit.mu, fit.Sigma, centred);
  const VectorX variances = fit.Sigma.diagonal().cwiseMax(min_variance);
  fit.Sigma = variances.asDiagonal();
  posterior_covariance_in_place(prior, cols(states), fit.mu, fit.Sigma);
  return fit;
}

InitialState<> fit_initial_state(const ConstMatrixRef& states, double min_variance) {
  const int nx = rows(states);
  return fit_initial_state(states, {VectorX::Zero(nx), MatrixX::Zero(nx, nx), 0.0, 0.0},
                           min_variance);
}

}  // namespace pilqr
