#pragma once
/// S-step: the global policy learns what the local ones do (ML16 section 4.1; LFDA16 eq. 3).

#include <cmath>
#include <utility>
#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/model/global_policy.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// How the local policies' precisions become weights.
struct SupervisionOptions {
  /// Share of each control's mean variance, over all conditions and steps, that is added to every
  /// covariance before it is inverted: no step weighs more than about 1/this of the average one,
  /// however far its covariance has collapsed. 0: the precisions as they are.
  double variance_floor = 0.01;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const SupervisionOptions& o) {
  require(o.variance_floor >= 0.0 && o.variance_floor <= 1.0,
          "supervision: variance_floor is {}, expected in [0, 1]", o.variance_floor);
}

/// One condition's lesson: what `policy` does at the states of the rollouts.
struct Lesson {
  PolicyView policy;          ///< of the condition, to be imitated
  RolloutsView rollouts;      ///< whose states count
  Observation observation{};  ///< of the condition; of the same length in all lessons
};

/// The targets, or why there are none.
struct TargetsResult {
  PolicyTargets targets;  ///< only if ok()
  Failure failure;        ///< with the step, and the place of the lesson as its condition
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// The targets (o_{i,t}, K_t x_{i,t} + k_t) of all lessons, in the order of lessons, steps and
/// samples. One group per lesson and step, of precision (Sigma_t + variance_floor D)^-1, D the
/// diagonal of the groups' mean covariance. Reports singular_covariance if a sum is not positive
/// definite and non_finite_update if a target or a precision is NaN or infinite. Throws
/// InvalidArgument without lessons, on shapes and options.
[[nodiscard]] TargetsResult policy_targets(const std::vector<Lesson>& lessons,
                                           const SupervisionOptions& options);

/// What an S-step did; NaN where it did nothing.
struct SupervisionReport {
  int points = 0;  ///< targets
  /// Mean of 1/2 d'Pd over the targets, d the deviation of the global policy's mean from the target
  /// and P its precision: before the training and after it.
  double loss_before = UpdateReport::none;
  double loss = UpdateReport::none;   ///< the same after it
  double error = UpdateReport::none;  ///< after it: root mean square of d's entries, control units
  Failure failure;                    ///< if not ok, the global policy is as it was
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// A policy's misfit.
struct TargetError {
  double loss;   ///< mean of 1/2 d'Pd
  double error;  ///< root mean square of d's entries
};

/// @param mean the policy's mean at the targets' states, nu x P.
[[nodiscard]] TargetError target_error(const PolicyTargets& targets, const MatrixX& mean);

/// Trains the global policy on what the local policies do. On failure it is as it was; a training
/// that ends in a mean or a covariance that is not finite is one, non_finite_update.
/// @param stream for G::train.
template <GlobalPolicy G>
[[nodiscard]] SupervisionReport s_step(G& global, const std::vector<Lesson>& lessons,
                                       const SupervisionOptions& options, RandomStream stream) {
  SupervisionReport report;
  const TargetsResult made = policy_targets(lessons, options);
  report.failure = made.failure;
  if (!report.ok()) return report;
  const PolicyTargets& targets = made.targets;
  MatrixX mean;
  global.mean(targets.x, mean);
  G learner = global;
  report.failure = learner.train(targets, stream);
  if (!report.ok()) return report;
  const TargetError before = target_error(targets, mean);
  learner.mean(targets.x, mean);
  const TargetError after = target_error(targets, mean);
  if (!std::isfinite(after.loss) || !MatrixX(learner.covariance()).allFinite()) {
    report.failure = {.kind = FailureKind::non_finite_update,
                      .value = after.loss,
                      .detail = "the trained global policy"};
    return report;
  }
  report.points = cols(targets.x);
  report.loss_before = before.loss;
  report.loss = after.loss;
  report.error = after.error;
  global = std::move(learner);
  return report;
}

}  // namespace pilqr
