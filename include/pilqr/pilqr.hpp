#pragma once
/// PILQR: path-integral LQR (PILQR17 Algorithm 1).

#include <optional>
#include <utility>

#include "pilqr/fit/cost_fit.hpp"
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

struct PilqrOptions {
  ModelOptions model{};
  ReplayOptions replay{};
  KlStepOptions kl_step{};
  LqrFlmOptions lqr_flm{};
  TemperatureOptions temperature{};
  TemperatureSource temperature_source = TemperatureSource::sampled;
  Pi2Options pi2{};

  /// The published method and its authors' settings, without this library's improvements.
  static PilqrOptions paper() {
    PilqrOptions o;
    o.kl_step.min_multiplier_last = 0.5;
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

  /// Throws InvalidArgument if the policy or an option is invalid.
  explicit Pilqr(Policy initial, const PilqrOptions& options = {})
      : options_(options),
        policy_((require_valid(initial, "initial policy"), std::move(initial))),
        kl_step_(options.kl_step, policy_.steps()) {
    require_valid(options.model.fit);
    require_valid(options.lqr_flm);
    require_valid(options.temperature);
    require_valid(options.pi2);
    if (options.model.gmm) gmm_.emplace(*options.model.gmm);
  }

  [[nodiscard]] const Policy& policy() const { return policy_; }

  /// Lines 3 to 8 of Algorithm 1 on rollouts of policy(). A numerical failure leaves everything as it
  /// was. @param stream draws the mixture prior's seeds; unused without one.
  template <Cost C>
  UpdateReport update(const Rollouts<Nx, Nu>& rollouts, const C& cost, RandomStream stream) {
    UpdateReport report;
    describe_samples(rollouts, report);

    // 3, 4: fit the dynamics, expand the cost; what they predict for each sample, and the rest.
    std::optional<GmmPrior> gmm = gmm_;
    const auto model = fit_model(rollouts, cost, options_.model.fit, gmm, std::move(stream));
    if (!model.ok()) return failed(report, model.failure);
    const PredictedCosts predicted =
        predict_costs(model.dynamics, model.cost, policy_, rollouts, options_.replay);
    const MatrixX residual = rollouts.cost - predicted.cost;

    // 5: adapt the KL step to the share of the cost that is left.
    const VectorX ratio = residual_ratio(residual, rollouts.cost);
    KlStep kl_step = kl_step_;
    if (adapt_) kl_step.adapt_to_residual(ratio);

    // 6: temperatures from the sampled cost-to-go.
    const bool from_residual = options_.temperature_source == TemperatureSource::residual;
    const VectorX temperature = optimize_temperatures(
        cost_to_go(from_residual ? residual : rollouts.cost), options_.temperature);

    // 7: the model-based update.
    auto lqr = lqr_flm_update(model.dynamics, model.cost, policy_, model.start, kl_step.value(),
                              options_.lqr_flm, lqr_dual_);
    if (!lqr.ok()) return failed(report, lqr.failure);

    // 8: the model-free update of its result, on the residual.
    auto pi2 =
        pi2_update(lqr.policy, rollouts.xi, cost_to_go(residual), temperature, options_.pi2);
    if (!pi2.ok()) return failed(report, pi2.failure);

    report.cost_model_mean = predicted.cost.rowwise().sum().mean();
    report.residual_ratio = ratio(0);
    report.kl_step_mean = kl_step.value().mean();
    report.kl_mean = lqr.kl.mean();
    report.temperature_mean = temperature.mean();
    report.effective_samples_min = pi2.effective_samples.minCoeff();
    if (predicted.first_diverged_step < rollouts.steps()) {
      report.replay_diverged_step = predicted.first_diverged_step;
    }
    policy_ = std::move(pi2.policy);
    kl_step_ = std::move(kl_step);
    gmm_ = std::move(gmm);
    lqr_dual_ = lqr.kl_dual(0);
    adapt_ = true;
    return report;
  }

 private:
  static UpdateReport failed(UpdateReport report, const Failure& failure) {
    report.failure = failure;
    return report;
  }

  PilqrOptions options_;
  Policy policy_;
  KlStep kl_step_;
  std::optional<GmmPrior> gmm_;
  double lqr_dual_ = 1.0;
  bool adapt_ = false;  // the first iteration has the base step
};

}  // namespace pilqr
