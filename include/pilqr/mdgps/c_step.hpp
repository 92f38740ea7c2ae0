#pragma once
/// C-step: a local policy is improved, close to the linearised global one (ML16 section 4).

#include <utility>

#include "pilqr/iteration.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// The same rollouts as the policy would have made them: xi = L^-1 (u - K x - k), whoever chose the
/// controls u. For rollouts of the policy itself xi stays, up to rounding. Throws InvalidArgument
/// on shapes.
template <int Nx, int Nu>
[[nodiscard]] Rollouts<Nx, Nu> reexpress(Rollouts<Nx, Nu> rollouts,
                                         const LinearGaussianPolicy<Nx, Nu>& policy) {
  require_valid(rollouts);
  require(policy.steps() == rollouts.steps() && policy.nx() == rollouts.nx() &&
              policy.nu() == rollouts.nu(),
          "rollouts of {} steps with nx = {}, nu = {}, and a policy with {}, {}, {}",
          rollouts.steps(), rollouts.nx(), rollouts.nu(), policy.steps(), policy.nx(), policy.nu());
  for (int t = 0; t < rollouts.steps(); ++t) {
    auto xi = rollouts.xi[t];
    xi = rollouts.u[t].colwise() - policy.k[t];
    xi.noalias() -= policy.K[t] * rollouts.x[t];
    policy.L[t].template triangularView<Eigen::Lower>().solveInPlace(xi);
  }
  return rollouts;
}

/// One update of the optimiser that starts from `reference`, the linearised global policy, and
/// bounds the divergence from it. On failure the optimiser is as it was; the report has the costs
/// of the rollouts all the same.
/// @param rollouts of any policy, around which the reference was linearised.
/// @param stream for the optimiser.
template <class Optimizer, int Nx, int Nu, Cost C>
[[nodiscard]] UpdateReport c_step(Optimizer& optimizer, LinearGaussianPolicy<Nx, Nu> reference,
                                  const Rollouts<Nx, Nu>& rollouts, const C& cost,
                                  const RandomStream& stream) {
  const auto as_reference = reexpress(rollouts, reference);
  if (const int t = as_reference.xi.first_non_finite_step(); t >= 0) {
    UpdateReport report;
    describe_samples(rollouts, report);
    return failed(report, {.kind = FailureKind::non_finite_update,
                           .step = t,
                           .detail = "controls in units of the linearised policy's deviation"});
  }
  auto before = optimizer.policy();
  optimizer.set_policy(std::move(reference));
  UpdateReport report = optimizer.update(as_reference, cost, stream);
  if (!report.ok()) optimizer.set_policy(std::move(before));
  return report;
}

}  // namespace pilqr
