#pragma once
/// Policies to start from.

#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"

namespace pilqr {

/// LQR on a guessed double integrator that holds the first state (the initial controller of
/// LFDA16). The state is [q (nu), dq (nu), rest].
struct HoldPositionOptions {
  double dt = 0.05;                 ///< control period, s
  double variance = 1.0;            ///< of the controls where the cost of u acts alone; > 0
  double stiffness = 1.0;           ///< cost of a position error
  double velocity_stiffness = 0.5;  ///< cost of a velocity, relative to `stiffness`
  double final_weight = 1.0;        ///< factor on the cost of the last step
  VectorX gains{};                  ///< acceleration per unit control, nu; empty: all 1
  VectorX accelerations{};          ///< acceleration at u = 0 (gravity), nu; empty: all 0
};

/// q' = q + dt dq + dt^2 (gains u + acc), dq' = dq + dt (gains u + acc); cost (1 / variance) times
/// 1/2 [stiffness |q - q0|^2 + stiffness velocity_stiffness |dq - dq0|^2 + |u|^2], times
/// final_weight at the last step; K, k and Sigma = Quu^-1 from the maximum-entropy backward pass.
/// The control itself costs, so gravity is compensated only as far as the stiffness asks for it.
/// @param x0 the state to hold, nx >= 2 nu: q0 its first nu entries, dq0 the next nu.
[[nodiscard]] LinearGaussianPolicy<> hold_position_lqr(int steps, int nu, const VectorX& x0,
                                                       const HoldPositionOptions& o);

/// The same with sizes known at compile time.
template <int Nx, int Nu>
[[nodiscard]] LinearGaussianPolicy<Nx, Nu> hold_position_lqr(int steps, int nu,
                                                             const Vector<Nx>& x0,
                                                             const HoldPositionOptions& o) {
  return to_fixed<Nx, Nu>(hold_position_lqr(steps, nu, VectorX(x0), o));
}

/// u = -gain (q - q0) - gain velocity_gain (dq - dq0) with constant variance; the state is
/// [q (nu), dq (nu), rest].
template <int Nx, int Nu>
[[nodiscard]] LinearGaussianPolicy<Nx, Nu> hold_position_pd(int steps, int nu, const Vector<Nx>& x0,
                                                            double gain, double velocity_gain,
                                                            double variance) {
  const int nx = rows(x0);
  require(steps >= 1 && nu >= 1 && nx >= 2 * nu,
          "hold-position PD with {} steps, nx = {}, nu = {}: expected nx >= 2 nu", steps, nx, nu);
  require(std::isfinite(gain) && std::isfinite(velocity_gain) && std::isfinite(variance) &&
              variance > 0.0 && x0.allFinite(),
          "hold-position PD: gain = {}, velocity_gain = {}, variance = {}; x0 must be finite", gain,
          velocity_gain, variance);
  LinearGaussianPolicy<Nx, Nu> policy(steps, nx, nu);
  for (int t = 0; t < steps; ++t) {
    policy.K[t].setZero();
    policy.K[t].leftCols(nu).diagonal().setConstant(-gain);
    policy.K[t].middleCols(nu, nu).diagonal().setConstant(-gain * velocity_gain);
    policy.k[t] = -policy.K[t] * x0;
    policy.L[t].setZero();
    policy.L[t].diagonal().setConstant(std::sqrt(variance));
  }
  return policy;
}

/// u ~ N(0, diag(variances)) at every step, whatever the state (PILQR17, robot experiments:
/// "randomly initialized using a Gaussian distribution with zero mean").
/// @param variances nu, > 0.
template <int Nx = Dynamic, int Nu = Dynamic>
[[nodiscard]] LinearGaussianPolicy<Nx, Nu> zero_mean_policy(int steps, int nx,
                                                            const Vector<Nu>& variances) {
  const int nu = rows(variances);
  require(variances.allFinite() && variances.size() > 0 && variances.minCoeff() > 0.0,
          "zero-mean policy: {} variances, expected at least one and all > 0", nu);
  LinearGaussianPolicy<Nx, Nu> policy(steps, nx, nu);
  for (int t = 0; t < steps; ++t) {
    policy.K[t].setZero();
    policy.k[t].setZero();
    policy.L[t] = variances.cwiseSqrt().asDiagonal();
  }
  return policy;
}

}  // namespace pilqr
