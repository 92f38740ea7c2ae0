#pragma once
/// LQR with fitted linear models: the KL-constrained model-based update.

#include <algorithm>
#include <cmath>
#include <optional>

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"
#include "pilqr/update/lqr/backward.hpp"
#include "pilqr/update/lqr/marginals.hpp"
#include "pilqr/update/lqr/trajectory_kl.hpp"

namespace pilqr {

/// What the KL constraint bounds.
enum class KlConstraint {
  per_step,  ///< the divergence at every t by kl_step(t), under the reference's marginals
  total,     ///< the sum over t by the sum of kl_step
};

/// Under which state distribution the TOTAL divergence is measured.
enum class KlMarginals {
  updated,    ///< the new policy's (LA14)
  reference,  ///< the reference policy's
};

/// Settings of the model-based update.
struct LqrFlmOptions {
  KlConstraint constraint = KlConstraint::per_step;  ///< on each step or their sum
  KlMarginals marginals = KlMarginals::updated;      ///< total constraint only
  /// Per step only: Sigma >= this times the reference's Sigma, in every direction; in [0, 1). Keeps
  /// exploration alive while the mean takes large steps; 0: no floor.
  double min_variance_ratio = 0.8;
  double entropy_weight = 0.0;  ///< total only: weight of an entropy bonus, cost units; >= 0
  double tolerance = 0.01;      ///< total only: |KL - step| accepted, relative to the step
  /// Smallest dual variable tried, cost units, > 0; per step: smallest distance from the dual's
  /// lower bound max(0, -min lambda), see StepKl.
  double min_dual = 1e-8;
  double max_dual = 1e16;  ///< total only: largest dual variable tried, cost units
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const LqrFlmOptions& o) {
  require(std::isfinite(o.entropy_weight) && o.entropy_weight >= 0.0,
          "lqr_flm: entropy_weight is {}, expected >= 0", o.entropy_weight);
  require(o.min_variance_ratio >= 0.0 && o.min_variance_ratio < 1.0,
          "lqr_flm: min_variance_ratio is {}, expected in [0, 1)", o.min_variance_ratio);
  require(o.tolerance > 0.0 && o.tolerance < 1.0, "lqr_flm: tolerance is {}, expected in (0, 1)",
          o.tolerance);
  require(o.min_dual > 0.0 && o.max_dual > o.min_dual && std::isfinite(o.max_dual),
          "lqr_flm: duals from {} to {}, expected 0 < min_dual < max_dual", o.min_dual, o.max_dual);
}

/// The updated policy and how it was reached.
template <int Nx = Dynamic, int Nu = Dynamic>
struct LqrFlmResult {
  LinearGaussianPolicy<Nx, Nu> policy;  ///< only if ok()
  VectorX kl;                           ///< divergence from the reference at every step, T
  VectorX kl_dual;                      ///< dual variables, T; all equal under the total constraint
  bool active = true;  ///< total only: false if KL stays below the step at the smallest dual
  int sweeps = 0;      ///< backward passes made
  Failure failure;     ///< of the sweep or the search, with the step
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// Buffers of an update, for callers that make many: sized by the first, kept for the next.
template <int Nx = Dynamic, int Nu = Dynamic>
struct LqrFlmWorkspace {
  std::optional<SweepWorkspace<Nx, Nu>> sweep{};  ///< sized by the first update
  Marginals<Nx, Nu> marginals{};  ///< total: of the last policy tried, or the reference

  /// The sweep's, for these sizes.
  SweepWorkspace<Nx, Nu>& sized(int nx, int nu) {
    if (!sweep || sweep->states != nx || sweep->controls != nu) sweep.emplace(nx, nu);
    return *sweep;
  }
};

namespace detail {

template <int Nx, int Nu>
LqrFlmResult<Nx, Nu> lqr_flm_per_step(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                      const QuadraticCost<Nx, Nu>& cost,
                                      const LinearGaussianPolicy<Nx, Nu>& reference,
                                      const StateMarginals<Nx, Nu>& states, const VectorX& kl_step,
                                      const LqrFlmOptions& options, const VectorX& least_dual,
                                      LqrFlmWorkspace<Nx, Nu>& workspace) {
  const int T = reference.steps();
  LqrFlmResult<Nx, Nu> result{.policy = {T, reference.nx(), reference.nu()},
                              .kl = VectorX::Zero(T),
                              .kl_dual = VectorX::Zero(T),
                              .failure = {}};
  SweepWorkspace<Nx, Nu>& ws = workspace.sized(reference.nx(), reference.nu());
  ws.kl.min_variance_ratio = options.min_variance_ratio;
  double excess = 0.0;  // of the step before, a good guess
  const auto choose = [&](int t, const StepKl<Nu>& kl) {
    const DualRoot root = solve_step_dual(kl, kl_step(t), options.min_dual, excess);
    excess = root.excess;
    return least_dual.size() == 0 ? root : raise_dual(kl, root, least_dual(t));
  };
  result.sweeps = 1;
  const SweepStatus status = backward_per_step(dynamics, cost, reference, states, choose, ws,
                                               result.policy, result.kl_dual, result.kl);
  if (!status.ok()) {
    result.failure = {.kind = FailureKind::non_finite_update,
                      .step = status.failed_step,
                      .value = status.value,
                      .detail = "backward pass"};
  }
  return result;
}

template <int Nx, int Nu>
LqrFlmResult<Nx, Nu> lqr_flm_total(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                   const QuadraticCost<Nx, Nu>& cost,
                                   const LinearGaussianPolicy<Nx, Nu>& reference,
                                   const InitialState<Nx>& start, double kl_step,
                                   double initial_dual, const LqrFlmOptions& options,
                                   LqrFlmWorkspace<Nx, Nu>& workspace) {
  const int T = reference.steps();
  LqrFlmResult<Nx, Nu> result{.policy = {T, reference.nx(), reference.nu()},
                              .kl = VectorX::Zero(T),
                              .kl_dual = VectorX::Zero(T),
                              .failure = {}};
  SweepWorkspace<Nx, Nu>& ws = workspace.sized(reference.nx(), reference.nu());
  Marginals<Nx, Nu>& marginals = workspace.marginals;
  if (options.marginals == KlMarginals::reference) {
    forward_marginals(dynamics, reference, start, marginals);
  }
  SweepStatus status;  // of the last sweep
  // KL of the policy for a dual; infinite where the sweep has no solution, so that the dual is
  // raised.
  const auto kl_at = [&](double dual) {
    ++result.sweeps;
    status = backward_max_entropy(dynamics, cost, reference, dual, options.entropy_weight, ws,
                                  result.policy);
    if (!status.ok()) return std::numeric_limits<double>::infinity();
    if (options.marginals == KlMarginals::updated) {
      forward_marginals(dynamics, result.policy, start, marginals);
    }
    result.kl = trajectory_kl(result.policy, reference, marginals);
    const double total = result.kl.sum();
    return std::isnan(total) ? std::numeric_limits<double>::infinity() : total;
  };

  // Bracket in log dual: KL > step at `low`, KL <= step at `high`, once such duals have been tried.
  const double floor = std::log(options.min_dual);
  const double ceiling = std::log(options.max_dual);
  double low = floor;
  double high = ceiling;
  bool low_tried = false;
  bool high_tried = false;
  double log_kl_low = std::numeric_limits<double>::infinity();
  double log_kl_high = -std::numeric_limits<double>::infinity();
  double s = std::clamp(std::log(initial_dual), floor, ceiling);
  const double target = std::log(kl_step);
  constexpr int max_iterations = 200;  // bisection of the whole range to rounding needs about 60
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    const double kl = kl_at(std::exp(s));
    result.kl_dual.setConstant(std::exp(s));
    if (std::abs(kl - kl_step) <= options.tolerance * kl_step) return result;
    if (kl < kl_step) {
      if (s <= floor) {
        result.active = false;
        return result;
      }
      high = s;
      high_tried = true;
      log_kl_high = std::log(kl);
    } else {
      if (s >= ceiling || high - low < 1e-15) break;
      low = s;
      low_tried = true;
      log_kl_low = std::log(kl);
    }
    // False position on log KL, kept off the ends of the bracket; bisection where an end has no
    // finite log KL; steps by a factor of ten while the bracket is open.
    const double width = high - low;
    if (std::isfinite(log_kl_low) && std::isfinite(log_kl_high)) {
      const double share = (log_kl_low - target) / (log_kl_low - log_kl_high);
      s = low +
          std::clamp(share, iteration % 3 == 2 ? 0.5 : 0.02, iteration % 3 == 2 ? 0.5 : 0.98) *
              width;
    } else if (!low_tried) {
      s = std::max(s - 2.3, floor);
    } else if (!high_tried) {
      s = std::min(s + 2.3, ceiling);
    } else {
      s = 0.5 * (low + high);
    }
  }
  if (status.ok()) {
    status.value = result.kl.sum();
    for (int t = T - 1; t >= 0 && !std::isfinite(status.value); --t) {
      if (!std::isfinite(result.kl(t))) status.failed_step = t;
    }
  }
  result.failure = {.kind = std::isfinite(status.value) ? FailureKind::kl_not_reached
                                                        : FailureKind::non_finite_update,
                    .step = status.failed_step,
                    .value = status.value,
                    .detail = "no dual variable satisfies the total KL constraint"};
  return result;
}

}  // namespace detail

/// min_p E[cost] under the model, subject to KL(p || reference) <= kl_step: at every step
/// (PILQR17 eq. 1 and Algorithm 1 line 7, one exact backward pass) or in total over the trajectory
/// (LA14 section 3.1, bracketed search for one dual). `reference` is the policy that was sampled,
/// or under mirror descent the linearised global policy (ML16).
/// @param states of the reference under the dynamics, as state_marginals gives them.
/// @param kl_step allowed divergence at every step, T entries > 0, nats; their sum is the total.
/// @param initial_dual total only: where the search starts; the last iteration's dual is a good
/// guess.
/// @param least_dual per step only: the duals are at least these, T entries >= 0, cost units; where
/// that takes effect the divergence is smaller than allowed. Empty: no bound.
///
/// Throws InvalidArgument on shapes and options; a numerical failure is reported in the result.
template <int Nx, int Nu>
[[nodiscard]] LqrFlmResult<Nx, Nu> lqr_flm_update(
    const LinearGaussianDynamics<Nx, Nu>& dynamics, const QuadraticCost<Nx, Nu>& cost,
    const LinearGaussianPolicy<Nx, Nu>& reference, const StateMarginals<Nx, Nu>& states,
    const VectorX& kl_step, const LqrFlmOptions& options, double initial_dual,
    LqrFlmWorkspace<Nx, Nu>& workspace, const VectorX& least_dual = {}) {
  require_valid(options);
  require_same_shape(dynamics, reference);
  require_same_shape(cost, reference);
  require(states.mu.steps() == reference.steps() && states.mu.rows() == reference.nx(),
          "marginals of {} steps and {} states, the policy has {} steps and nx = {}",
          states.mu.steps(), states.mu.rows(), reference.steps(), reference.nx());
  require(rows(kl_step) == reference.steps(), "kl_step has {} entries, the policy {} steps",
          rows(kl_step), reference.steps());
  for (int t = 0; t < rows(kl_step); ++t) {
    require(std::isfinite(kl_step(t)) && kl_step(t) > 0.0, "kl_step at step {} is {}, expected > 0",
            t, kl_step(t));
  }
  require(std::isfinite(initial_dual) && initial_dual > 0.0, "initial_dual is {}, expected > 0",
          initial_dual);
  require(rows(least_dual) == 0 || rows(least_dual) == reference.steps(),
          "least_dual has {} entries, the policy {} steps", rows(least_dual), reference.steps());
  for (int t = 0; t < rows(least_dual); ++t) {
    require(std::isfinite(least_dual(t)) && least_dual(t) >= 0.0,
            "least_dual at step {} is {}, expected >= 0", t, least_dual(t));
  }
  LqrFlmResult<Nx, Nu> result =
      options.constraint == KlConstraint::per_step
          ? detail::lqr_flm_per_step(dynamics, cost, reference, states, kl_step, options,
                                     least_dual, workspace)
          : detail::lqr_flm_total(dynamics, cost, reference,
                                  InitialState<Nx>{states.mu[0], states.Sigma[0]}, kl_step.sum(),
                                  initial_dual, options, workspace);
  if (result.ok() && !(result.policy.K.all_finite() && result.policy.k.all_finite() &&
                       result.policy.L.all_finite() && result.kl.allFinite())) {
    result.failure = {.kind = FailureKind::non_finite_update, .detail = "LQR-FLM policy"};
  }
  for (int t = 0; result.ok() && t < reference.steps(); ++t) {
    const double smallest = result.policy.L[t].diagonal().minCoeff();
    if (!(smallest > 0.0)) {
      result.failure = {.kind = FailureKind::singular_covariance,
                        .step = t,
                        .value = smallest,
                        .detail = "the new covariance has collapsed"};
    }
  }
  return result;
}

// Compiled once for sizes known at run time only.
extern template LqrFlmResult<> lqr_flm_update(const LinearGaussianDynamics<>&,
                                              const QuadraticCost<>&, const LinearGaussianPolicy<>&,
                                              const StateMarginals<>&, const VectorX&,
                                              const LqrFlmOptions&, double, LqrFlmWorkspace<>&,
                                              const VectorX&);

/// The same from the distribution of the first state, with buffers of its own.
template <int Nx, int Nu>
[[nodiscard]] LqrFlmResult<Nx, Nu> lqr_flm_update(
    const LinearGaussianDynamics<Nx, Nu>& dynamics, const QuadraticCost<Nx, Nu>& cost,
    const LinearGaussianPolicy<Nx, Nu>& reference, const InitialState<Nx>& start,
    const VectorX& kl_step, const LqrFlmOptions& options = {}, double initial_dual = 1.0) {
  LqrFlmWorkspace<Nx, Nu> workspace;
  return lqr_flm_update(dynamics, cost, reference, state_marginals(dynamics, reference, start),
                        kl_step, options, initial_dual, workspace);
}

}  // namespace pilqr
