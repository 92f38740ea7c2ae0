#include "pilqr/model/linear_gaussian.hpp"

namespace pilqr {

void require_valid(const PolicyView& policy, const char* what) {
  const int T = policy.steps();
  const int nx = policy.nx();
  const int nu = policy.nu();
  require(T >= 1 && nx >= 1 && nu >= 1, "{} is empty: {} steps, nx = {}, nu = {}", what, T, nx, nu);
  require(policy.k.steps() == T && policy.k.rows() == nu,
          "{}: k has {} steps of {}, expected {} of {}", what, policy.k.steps(), policy.k.rows(), T,
          nu);
  require(policy.L.steps() == T && policy.L.rows() == nu && policy.L.cols() == nu,
          "{}: L has {} steps of {}x{}, expected {} of {}x{}", what, policy.L.steps(),
          policy.L.rows(), policy.L.cols(), T, nu, nu);
  for (int t = 0; t < T; ++t) {
    require(policy.K[t].allFinite(), "{}: K at step {} has a NaN or infinite entry", what, t);
    require(policy.k[t].allFinite(), "{}: k at step {} has a NaN or infinite entry", what, t);
    require(policy.L[t].allFinite(), "{}: L at step {} has a NaN or infinite entry", what, t);
    for (int j = 0; j < nu; ++j) {
      require(policy.L[t](j, j) > 0.0, "{}: L at step {} has {} on its diagonal, expected > 0",
              what, t, policy.L[t](j, j));
      for (int i = 0; i < j; ++i) {
        require(policy.L[t](i, j) == 0.0,
                "{}: L at step {} is not lower triangular: ({}, {}) is {}", what, t, i, j,
                policy.L[t](i, j));
      }
    }
  }
}

}  // namespace pilqr
