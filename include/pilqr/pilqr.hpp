#pragma once
/// PILQR: path-integral LQR (PILQR17 Algorithm 1).

#include <utility>

#include "pilqr/iteration.hpp"
#include "pilqr/update/kl_step.hpp"
#include "pilqr/update/lqr/lqr_flm.hpp"
#include "pilqr/update/pi2/pi2.hpp"
#include "pilqr/update/pi2/temperature.hpp"

namespace pilqr {

/// Which cost-to-go sets the temperature of the model-free step.
enum class TemperatureSource {
  sampled,   ///< S, the sampled cost (PILQR17 Algorithm 1 line 6)
  residual,  ///< the residual cost that the weights are made from
};

/// The settings of every step, in the order of Algorithm 1.
struct PilqrOptions {
  ModelOptions model{};
  ReplayOptions replay{};
  KlStepOptions kl_step{};
  LqrFlmOptions lqr_flm{};
  TemperatureOptions temperature{};
  TemperatureSource temperature_source = TemperatureSource::sampled;
  Pi2Options pi2{};

  /// The published method with its authors' settings. What remains different (corrections, and the
  /// exact solution of line 7) is in docs/deviations.md.
  static PilqrOptions paper() {
    PilqrOptions o;
    o.kl_step.base_first = 0.4;
    o.kl_step.base_last = 0.2;
    o.kl_step.min_multiplier_last = 0.5;
    o.kl_step.max_multiplier_first = 10.0;
    o.kl_step.max_multiplier_last = 5.0;
    o.lqr_flm.min_variance_ratio = 0.0;
    o.pi2.centered = false;
    o.pi2.shrinkage = 0.0;
    o.temperature.min_temperature = 1e-3;
    return o;
  }
};

/// The policy of one condition and what PILQR carries from one iteration to the next.
template <int Nx = Dynamic, int Nu = Dynamic>
class Pilqr {
 public:
  using Policy = LinearGaussianPolicy<Nx, Nu>;
  using Options = PilqrOptions;

  /// Throws InvalidArgument if the policy or an option is invalid.
  explicit Pilqr(Policy initial, const Options& options = {})
      : options_(options),
        policy_(valid_initial(std::move(initial))),
        state_(fresh_state(options, policy_.steps())) {
    require_valid(options.temperature);
    require_valid(options.pi2);
  }

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

  /// Lines 3 to 8 of Algorithm 1 on rollouts of policy(). A numerical failure leaves everything as
  /// it was.
  /// @param stream draws the mixture prior's seeds; unused without one.
  template <Cost C>
  UpdateReport update(const Rollouts<Nx, Nu>& rollouts, const C& cost,
                      RandomStream stream = RandomStream({.purpose = StreamPurpose::fit})) {
    UpdateReport report;
    describe_samples(rollouts, report);
    ModelBasedState next = state_;

    // 3: fit the dynamics. 4: what they and the expanded cost predict for each sample, and the
    // rest.
    const Failure unfit = fit_model(rollouts, cost, options_.model.fit, next.gmm, stream, model_);
    if (!unfit.ok()) return failed(report, unfit);
    const PredictedCosts predicted =
        predict_costs(model_.dynamics, model_.cost, policy_, rollouts, options_.replay);
    const MatrixX residual = rollouts.cost - predicted.cost;

    // 5: adapt the KL step to the share of the cost that is left.
    const VectorX ratio = residual_ratio(residual, rollouts.cost);
    if (state_.adapt) next.kl_step.adapt_to_residual(ratio);
    next.adapt = true;

    // 6: temperatures.
    const MatrixX S = cost_to_go(
        options_.temperature_source == TemperatureSource::residual ? residual : rollouts.cost);
    if (const Failure overflow = first_non_finite(S); !overflow.ok()) {
      return failed(report, overflow);
    }
    const VectorX temperature = optimize_temperatures(S, options_.temperature);

    // 7: the model-based update.
    const auto lqr =
        lqr_flm_update(model_.dynamics, model_.cost, policy_, model_.start, next.kl_step.value(),
                       options_.lqr_flm, state_.lqr_dual, workspace_);
    if (!lqr.ok()) return failed(report, lqr.failure);
    next.lqr_dual = lqr.kl_dual(0);

    // 8: the model-free update of its result, on the residual (PILQR17 eq. 5 and 6).
    auto pi2 = pi2_update(lqr.policy, rollouts.xi, cost_to_go(residual), temperature, options_.pi2);
    if (!pi2.ok()) return failed(report, pi2.failure);

    describe_model(predicted, ratio, next.kl_step, lqr, report);
    describe_weights(temperature, pi2, report);
    policy_ = std::move(pi2.policy);
    state_ = std::move(next);
    return report;
  }

 private:
  Options options_;
  Policy policy_;
  ModelBasedState state_;
  FittedModel<Nx, Nu> model_;
  LqrFlmWorkspace<Nx, Nu> workspace_;
};

}  // namespace pilqr
