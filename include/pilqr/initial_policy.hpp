#pragma once
/// Policies to start from.

#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"
#include "pilqr/update/lqr/backward.hpp"

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
template <int Nx, int Nu>
[[nodiscard]] LinearGaussianPolicy<Nx, Nu> hold_position_lqr(int steps, int nu,
                                                             const Vector<Nx>& x0,
                                                             const HoldPositionOptions& o) {
  const int nx = rows(x0);
  require(steps >= 1 && nu >= 1 && nx >= 2 * nu,
          "hold-position LQR with {} steps, nx = {}, nu = {}: expected nx >= 2 nu", steps, nx, nu);
  require(std::isfinite(o.dt) && o.dt > 0.0 && std::isfinite(o.variance) && o.variance > 0.0,
          "hold-position LQR: dt = {} s, variance = {}, expected > 0", o.dt, o.variance);
  require(o.stiffness >= 0.0 && o.velocity_stiffness >= 0.0 && o.final_weight > 0.0 &&
              std::isfinite(o.stiffness * o.velocity_stiffness * o.final_weight),
          "hold-position LQR: stiffness = {}, velocity_stiffness = {}, final_weight = {}",
          o.stiffness, o.velocity_stiffness, o.final_weight);
  const VectorX gains = o.gains.size() > 0 ? o.gains : VectorX(VectorX::Ones(nu));
  const VectorX acc = o.accelerations.size() > 0 ? o.accelerations : VectorX(VectorX::Zero(nu));
  require(rows(gains) == nu && rows(acc) == nu && gains.allFinite() && acc.allFinite() &&
              x0.allFinite(),
          "hold-position LQR: {} gains and {} accelerations for nu = {}, all must be finite",
          rows(gains), rows(acc), nu);

  LinearGaussianDynamics<Nx, Nu> dynamics(steps, nx, nu);
  dynamics.F.set_zero();
  dynamics.f.set_zero();
  dynamics.W.set_zero();
  for (int t = 0; t + 1 < steps; ++t) {
    auto F = dynamics.F[t];
    F.topLeftCorner(2 * nu, 2 * nu).setIdentity();
    F.block(0, nu, nu, nu).diagonal().setConstant(o.dt);
    F.block(0, nx, nu, nu) = (o.dt * o.dt * gains).asDiagonal();
    F.block(nu, nx, nu, nu) = (o.dt * gains).asDiagonal();
    dynamics.f[t].head(nu) = o.dt * o.dt * acc;
    dynamics.f[t].segment(nu, nu) = o.dt * acc;
  }

  VectorX target = VectorX::Zero(nx + nu);
  target.head(nx) = x0;
  VectorX weights = VectorX::Zero(nx + nu);
  weights.head(nu).setConstant(o.stiffness / o.variance);
  weights.segment(nu, nu).setConstant(o.stiffness * o.velocity_stiffness / o.variance);
  weights.tail(nu).setConstant(1.0 / o.variance);
  QuadraticCost<Nx, Nu> cost(steps, nx, nu);
  for (int t = 0; t < steps; ++t) {
    const double factor = t + 1 == steps ? o.final_weight : 1.0;
    cost.C[t] = (factor * weights).asDiagonal();
    cost.c[t] = -factor * weights.cwiseProduct(target);
  }

  LinearGaussianPolicy<Nx, Nu> policy(steps, nx, nu);
  SweepWorkspace<Nx, Nu> workspace(nx, nu);
  const SweepStatus status =
      backward_max_entropy(dynamics, cost, policy, 0.0, 1.0, workspace, policy);
  require(status.ok(), "hold-position LQR has no solution at step {}: dt = {}, variance = {}",
          status.failed_step, o.dt, o.variance);
  return policy;
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
