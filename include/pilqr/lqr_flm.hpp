#pragma once
/// LQR-FLM alone: the model-based trajectory optimiser (LA14; LFDA16).

#include <optional>
#include <utility>

#include "pilqr/iteration.hpp"
#include "pilqr/update/kl_step.hpp"
#include "pilqr/update/lqr/lqr_flm.hpp"

namespace pilqr {

/// Alone, LQR-FLM need not leave room for PI2, so its base step is larger than in PILQR.
struct LqrFlmAloneOptions {
  ModelOptions model{};    ///< of the dynamics and the cost
  ReplayOptions replay{};  ///< of the prediction of each sample's cost
  KlStepOptions kl_step{.base_first = 0.4, .base_last = 0.4};  ///< of the update
  KlRule kl_rule = KlRule::improvement;                        ///< how kl_step adapts
  LqrFlmOptions lqr_flm{};                                     ///< of the update
};

/// The policy of one condition and what LQR-FLM carries from one iteration to the next.
template <int Nx = Dynamic, int Nu = Dynamic>
class LqrFlm {
 public:
  using Policy = LinearGaussianPolicy<Nx, Nu>;  ///< of one condition
  using Options = LqrFlmAloneOptions;           ///< its settings

  /// Throws InvalidArgument if the policy or an option is invalid.
  explicit LqrFlm(Policy initial, const Options& options = {})
      : options_(options),
        policy_(valid_initial(std::move(initial))),
        state_(fresh_state(options, policy_.steps())) {}

  /// The last good policy; the next rollouts are to be sampled from it.
  [[nodiscard]] const Policy& policy() const { return policy_; }

  /// The models of the last update of this object; incomplete if it could not fit them, empty
  /// before the first and after restore(). On the ranks of a team (train/trainer.hpp) only the one
  /// that updates the condition has them.
  [[nodiscard]] const FittedModel<Nx, Nu>& model() const { return model_; }

  /// What is carried on besides the policy; for checkpoints.
  [[nodiscard]] const ModelBasedState& state() const { return state_; }
  /// Goes on from a saved policy and state. Throws InvalidArgument if they are not of this horizon.
  void restore(Policy policy, const ModelBasedState& state) {
    require_restorable(policy_, state_, policy, state);
    policy_ = std::move(policy);
    state_ = state;
    model_ = {};
  }

  /// Makes the next update start from `reference` and bound the divergence from it, in place of
  /// policy(); what else is carried stays. The xi of that update's rollouts must be those of the
  /// reference: u = K x + k + L xi. Throws InvalidArgument if it is not valid or not of this
  /// horizon.
  void set_policy(Policy reference) {
    require_same_shape(policy_, reference);
    require_valid(reference, "reference policy");
    policy_ = std::move(reference);
  }

  /// One iteration on rollouts of policy(). A numerical failure leaves everything as it was.
  /// @param stream draws the mixture prior's seeds; unused without one.
  template <Cost C>
  UpdateReport update(const Rollouts<Nx, Nu>& rollouts, const C& cost,
                      RandomStream stream = RandomStream({.purpose = StreamPurpose::fit})) {
    UpdateReport report;
    describe_samples(rollouts, report);
    ModelBasedState next = state_;

    const Failure unfit = fit_model(rollouts, cost, options_.model, next.gmm, stream, model_);
    if (!unfit.ok()) return failed(report, unfit);
    const PredictedCosts predicted =
        predict_costs(model_.dynamics, model_.cost, policy_, rollouts, options_.replay);
    const VectorX ratio = residual_ratio(rollouts.cost - predicted.cost, rollouts.cost);

    adapt_kl_step(options_.kl_rule, ratio, expected_cost(model_, policy_, states_), state_, next);

    auto lqr = lqr_flm_update(model_.dynamics, model_.cost, policy_, states_, next.kl_step.value(),
                              options_.lqr_flm, state_.lqr_dual, workspace_);
    if (!lqr.ok()) return failed(report, lqr.failure);
    next.predicted_cost = expected_cost(model_, lqr.policy, states_);
    next.lqr_dual = lqr.kl_dual(0);

    describe_model(predicted, ratio, next.kl_step, lqr, report);
    policy_ = std::move(lqr.policy);
    state_ = std::move(next);
    return report;
  }

 private:
  Options options_;
  Policy policy_;
  ModelBasedState state_;
  FittedModel<Nx, Nu> model_;
  StateMarginals<Nx, Nu> states_;  // of a policy under the model
  LqrFlmWorkspace<Nx, Nu> workspace_;
};

}  // namespace pilqr
