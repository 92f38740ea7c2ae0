#pragma once
/// The Gaussian of the initial state.

#include "pilqr/core/check.hpp"
#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"

namespace pilqr {

/// Prior from earlier initial states (nx x N): their mean, and m diag(variances) with m = n0 =
/// strength nx points.
[[nodiscard]] NormalInverseWishart initial_state_prior(const ConstMatrixRef& earlier,
                                                       double strength = 1.0);

/// Mean of N initial states (nx x N) and the posterior of their covariance under the prior. Of the
/// states' own covariance only the variances count, each at least `min_variance` (state units
/// squared): N is far too small for more.
[[nodiscard]] InitialState<> fit_initial_state(const ConstMatrixRef& states,
                                               const NormalInverseWishart& prior,
                                               double min_variance = 1e-6);

/// The same without a prior.
[[nodiscard]] InitialState<> fit_initial_state(const ConstMatrixRef& states,
                                               double min_variance = 1e-6);

}  // namespace pilqr
