#pragma once
/// PILQR: path-integral LQR (PILQR17 Algorithm 1).

#include <cmath>
#include <limits>
#include <utility>

#include "pilqr/iteration.hpp"
#include "pilqr/update/kl_step.hpp"
#include "pilqr/update/lqr/lqr_flm.hpp"
#include "pilqr/update/pi2/pi2.hpp"
#include "pilqr/update/pi2/temperature.hpp"

namespace pilqr {

/// Which cost-to-go the model-free step looks at.
enum class CostSource {
  sampled,   ///< S, the sampled cost
  residual,  ///< what the model did not predict of it (PILQR17 section 4.3)
};

/// Which controls the model-free step weighs.
enum class SampleControls {
  /// u_i, those of the sample: its deviation from the batch's mean, states included, is carried
  /// over to the new gains, centred whatever Pi2Options::centered says. See carry_over.
  taken,
  /// Those that the new policy would have taken with the sample's noise (PILQR17 Algorithm 1 line
  /// 7).
  replayed,
};

/// The settings of every step, in the order of Algorithm 1.
struct PilqrOptions {
  ModelOptions model{};                  ///< of lines 3 and 4
  ReplayOptions replay{};                ///< of line 5, the prediction of each sample's cost
  KlStepOptions kl_step{};               ///< of the model-based step
  LqrFlmOptions lqr_flm{};               ///< of the model-based step
  KlRule kl_rule = KlRule::improvement;  ///< how kl_step adapts
  /// The dual of the model-based step, at every t, is at least this times the temperature of the
  /// model-free one. Both are prices, cost per nat of divergence: where the samples' costs differ
  /// by much, a model that promises little must not use up the exploration. 0: no such bound. Per
  /// step only.
  double dual_floor = 0.01;
  TemperatureOptions temperature{.kl_share = 1.0 / 3.0};  ///< of the model-free step
  CostSource temperature_source = CostSource::sampled;    ///< of the temperature
  CostSource weight_source = CostSource::sampled;         ///< of the weights
  SampleControls controls = SampleControls::taken;        ///< that the model-free step sees
  Pi2Options pi2{.covariance_damping = 3.0};              ///< of the model-free step

  /// The published method with its authors' settings. What remains different (corrections, and the
  /// exact solution of line 7) is in docs/deviations.md.
  static PilqrOptions paper() {
    PilqrOptions o;
    o.model.neighbours.reset();
    o.kl_rule = KlRule::residual;
    o.dual_floor = 0.0;
    o.weight_source = CostSource::residual;
    o.controls = SampleControls::replayed;
    o.kl_step.base_first = 0.4;
    o.kl_step.base_last = 0.2;
    o.kl_step.min_multiplier_last = 0.5;
    o.kl_step.max_multiplier_first = 10.0;
    o.kl_step.max_multiplier_last = 5.0;
    o.lqr_flm.min_variance_ratio = 0.0;
    o.pi2.covariance_damping = 2.0;
    o.pi2.centered = false;
    o.pi2.shrinkage = 0.0;
    o.temperature = {.kl_step = 1.0, .kl_share = 1.0, .min_temperature = 1e-3};
    return o;
  }
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const PilqrOptions& o) {
  require(o.dual_floor >= 0.0 && o.dual_floor <= 1.0,
          "lqr_flm: dual_floor is {}, expected in [0, 1]", o.dual_floor);
  require_valid(o.temperature);
  require_valid(o.pi2);
}

/// The policy of one condition and what PILQR carries from one iteration to the next.
template <int Nx = Dynamic, int Nu = Dynamic>
class Pilqr {
 public:
  using Policy = LinearGaussianPolicy<Nx, Nu>;  ///< of one condition
  using Options = PilqrOptions;                 ///< its settings

  /// Throws InvalidArgument if the policy or an option is invalid.
  explicit Pilqr(Policy initial, const Options& options = {})
      : options_(options),
        policy_(valid_initial(std::move(initial))),
        state_(fresh_state(options, policy_.steps())) {
    require_valid(options);
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

  /// Makes the next update start from `reference` and bound the divergence from it, in place of
  /// policy(); what else is carried stays. The xi of that update's rollouts must be those of the
  /// reference: u = K x + k + L xi. Throws InvalidArgument if it is not valid or not of this
  /// horizon.
  void set_policy(Policy reference) {
    require_same_shape(policy_, reference);
    require_valid(reference, "reference policy");
    policy_ = std::move(reference);
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
    const Failure unfit = fit_model(rollouts, cost, options_.model, next.gmm, stream, model_);
    if (!unfit.ok()) return failed(report, unfit);
    const PredictedCosts predicted =
        predict_costs(model_.dynamics, model_.cost, policy_, rollouts, options_.replay);
    const MatrixX residual = rollouts.cost - predicted.cost;
    const auto togo = [&](CostSource source) {
      return cost_to_go(source == CostSource::residual ? residual : rollouts.cost);
    };

    // 5: adapt the KL step.
    const VectorX ratio = residual_ratio(residual, rollouts.cost);
    adapt_kl_step(options_.kl_rule, ratio, expected_cost(model_, policy_, states_), state_, next);

    // 6: temperatures.
    const MatrixX S = togo(options_.temperature_source);
    if (const Failure overflow = first_non_finite(S); !overflow.ok()) {
      return failed(report, overflow);
    }
    const VectorX temperature = optimize_temperatures(S, options_.temperature);

    // 7: the model-based update.
    const auto lqr =
        lqr_flm_update(model_.dynamics, model_.cost, policy_, states_, next.kl_step.value(),
                       options_.lqr_flm, state_.lqr_dual, workspace_, least_dual(temperature));
    if (!lqr.ok()) return failed(report, lqr.failure);
    next.predicted_cost = expected_cost(model_, lqr.policy, states_);
    next.lqr_dual = lqr.kl_dual(0);

    // 8: the model-free update of its result (PILQR17 eq. 5 and 6).
    auto pi2 = pi2_update(lqr.policy, rollouts.xi, togo(options_.weight_source), temperature,
                          options_.pi2);
    if (pi2.ok() && options_.controls == SampleControls::taken) {
      pi2.failure = carry_over(rollouts, pi2.weights, lqr.policy, pi2.policy);
    }
    if (!pi2.ok()) return failed(report, pi2.failure);

    describe_model(predicted, ratio, next.kl_step, lqr, report);
    describe_weights(temperature, pi2, report);
    policy_ = std::move(pi2.policy);
    state_ = std::move(next);
    return report;
  }

 private:
  /// Where costs-to-go do not differ they say nothing, and their temperature is no price.
  [[nodiscard]] VectorX least_dual(const VectorX& temperature) const {
    const double none = std::numeric_limits<double>::max();
    return options_.dual_floor * (temperature.array() < none).select(temperature, 0.0);
  }

  Options options_;
  Policy policy_;
  ModelBasedState state_;
  FittedModel<Nx, Nu> model_;
  StateMarginals<Nx, Nu> states_;  // of a policy under the model
  LqrFlmWorkspace<Nx, Nu> workspace_;
};

}  // namespace pilqr
