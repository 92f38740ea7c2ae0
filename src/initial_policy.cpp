#include "pilqr/initial_policy.hpp"

#include "pilqr/model/quadratic.hpp"
#include "pilqr/update/lqr/backward.hpp"

namespace pilqr {

LinearGaussianPolicy<> hold_position_lqr(int steps, int nu, const VectorX& x0,
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

  LinearGaussianDynamics<> dynamics(steps, nx, nu);
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
  QuadraticCost<> cost(steps, nx, nu);
  for (int t = 0; t < steps; ++t) {
    const double factor = t + 1 == steps ? o.final_weight : 1.0;
    cost.C[t] = (factor * weights).asDiagonal();
    cost.c[t] = -factor * weights.cwiseProduct(target);
  }

  LinearGaussianPolicy<> policy(steps, nx, nu);
  SweepWorkspace<> workspace(nx, nu);
  const SweepStatus status =
      backward_max_entropy(dynamics, cost, policy, 0.0, 1.0, workspace, policy);
  require(status.ok(), "hold-position LQR has no solution at step {}: dt = {}, variance = {}",
          status.failed_step, o.dt, o.variance);
  return policy;
}

}  // namespace pilqr
