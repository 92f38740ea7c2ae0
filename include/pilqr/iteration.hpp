#pragma once
/// What the three trajectory optimisers have in common.

#include <cmath>
#include <limits>
#include <optional>

#include "pilqr/core/check.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/fit/cost_fit.hpp"
#include "pilqr/fit/dynamics_fit.hpp"
#include "pilqr/fit/gmm_prior.hpp"
#include "pilqr/fit/initial_state.hpp"
#include "pilqr/fit/neighbour_prior.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/rollout.hpp"
#include "pilqr/update/kl_step.hpp"
#include "pilqr/update/lqr/lqr_flm.hpp"
#include "pilqr/update/pi2/pi2.hpp"

namespace pilqr {

/// What an update did at each time step; T entries each, empty if the algorithm has none.
struct UpdateSteps {
  VectorX kl_step{};            ///< allowed divergence, nats
  VectorX kl{};                 ///< divergence of the model-based step, nats
  VectorX residual_ratio{};     ///< r_t
  VectorX temperature{};        ///< cost units; the largest double where all costs-to-go are equal
  VectorX effective_samples{};  ///< of the weights
};

/// The typed result of one update of one condition. Numbers that an algorithm does not have are
/// NaN.
struct UpdateReport {
  /// Stands for a number that there is none of.
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  double cost_mean = none;        ///< of the samples' total cost
  double cost_std = none;         ///< of the samples' total cost (population)
  double cost_min = none;         ///< of the samples' total cost
  double cost_model_mean = none;  ///< total cost that the model predicts for the same noise, mean
                                  ///< over the samples; NaN if the replay left the data
  double residual_ratio = none;   ///< over the whole trajectory, r_0
  double kl_step_mean = none;     ///< mean over t of the allowed divergence, nats
  double kl_mean = none;          ///< mean over t of the model-based step's divergence, nats
  /// Mean over t, cost units, of the steps whose costs-to-go tell the samples apart: where all are
  /// equal the temperature is infinite in effect. NaN if there is no such step.
  double temperature_mean = none;
  double effective_samples_min = none;  ///< least effective number of samples of any t
  int replay_diverged_step = -1;        ///< first step at which the replay left the data, or -1
  /// Of the policy after the update, failed or not: least standard deviation of a control's noise
  /// at any step, its unit, and least and greatest ratio to the first policy's
  /// (ExplorationOptions). Set by train().
  ///@{
  double noise_std_min = none;
  double noise_ratio_min = none;
  double noise_ratio_max = none;
  ///@}
  int floored_steps = 0;  ///< whose covariance was raised to the floor, by train()
  int moved = -1;         ///< TRPO: 1 if the policy moved, else 0; -1 with other algorithms
  UpdateSteps steps{};    ///< empty if the update failed
  Failure failure;        ///< if not ok, the policy is the one before the update
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// The first policy of an optimiser, as it is. Throws InvalidArgument if it is not valid.
template <int Nx, int Nu>
[[nodiscard]] LinearGaussianPolicy<Nx, Nu> valid_initial(LinearGaussianPolicy<Nx, Nu> initial) {
  require_valid(initial, "initial policy");
  return initial;
}

/// Sets the sample statistics of a report.
template <int Nx, int Nu>
void describe_samples(const Rollouts<Nx, Nu>& rollouts, UpdateReport& report) {
  const VectorX total = rollouts.total_cost();
  report.cost_mean = total.mean();
  report.cost_std = std::sqrt((total.array() - total.mean()).square().mean());
  report.cost_min = total.minCoeff();
}

/// The report of an update that did not happen.
inline UpdateReport failed(UpdateReport report, const Failure& failure) {
  report.failure = failure;
  return report;
}

/// Names the first entry of an N x T cost-to-go that is NaN or infinite, or whose distance from the
/// step's smallest overflows: single costs may be finite and their sum not.
inline Failure first_non_finite(const MatrixX& cost_to_go) {
  for (int t = 0; t < cols(cost_to_go); ++t) {
    const double smallest = cost_to_go.col(t).minCoeff();
    for (int i = 0; i < rows(cost_to_go); ++i) {
      if (std::isfinite(cost_to_go(i, t) - smallest)) continue;
      return {.kind = FailureKind::non_finite_cost,
              .sample = i,
              .step = t,
              .value = cost_to_go(i, t),
              .detail = "cost-to-go"};
    }
  }
  return {};
}

/// How dynamics are fitted.
struct ModelOptions {
  DynamicsFitOptions fit{};  ///< of the dynamics
  /// Set: with the neighbouring steps as a prior.
  std::optional<NeighbourPriorOptions> neighbours = NeighbourPriorOptions{};
  /// Set: with a mixture prior over the last iterations, and without the neighbours.
  std::optional<GmmPriorOptions> gmm{};
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const ModelOptions& o) {
  require_valid(o.fit);
  if (o.neighbours) require_valid(*o.neighbours);
  if (o.gmm) require_valid(*o.gmm);
}

/// Lines 3 and 4 of PILQR17 Algorithm 1: the models that a batch of rollouts gives.
template <int Nx, int Nu>
struct FittedModel {
  LinearGaussianDynamics<Nx, Nu> dynamics;  ///< x' of [x; u]
  QuadraticCost<Nx, Nu> cost;               ///< expanded at the samples
  InitialState<Nx> start;                   ///< of the sampled first states
  NeighbourPrior neighbours;  ///< what the dynamics were fitted to, if with neighbours
};

/// The mixture as fit_dynamics wants it.
struct MixturePrior {
  const GmmPrior& gmm;  ///< over z = [x; u; x']
  /// The mixture's prior for these points.
  [[nodiscard]] NormalInverseWishart at(int, const MatrixX& z) const { return gmm.at(z); }
};

/// @param gmm the mixture of earlier iterations; it learns from the rollouts first. Empty: none.
/// @param stream draws the mixture's seeds.
/// @param model the result, in the memory of the one before; incomplete on failure.
template <int Nx, int Nu, Cost C>
[[nodiscard]] Failure fit_model(const Rollouts<Nx, Nu>& rollouts, const C& cost,
                                const ModelOptions& options, std::optional<GmmPrior>& gmm,
                                RandomStream stream, FittedModel<Nx, Nu>& model) {
  const auto fit = [&](const auto& prior) {
    return fit_dynamics(rollouts, options.fit, prior, model.dynamics);
  };
  Failure failure;
  if (gmm && rollouts.steps() > 1) {
    const GmmFit mixture = gmm->update(rollouts, stream);
    if (!mixture.ok()) return mixture.failure;
    failure = fit(MixturePrior{*gmm});
  } else if (options.neighbours && !gmm) {
    failure = model.neighbours.update(rollouts, *options.neighbours);
    if (!failure.ok()) return failure;
    failure = fit(model.neighbours);
  } else {
    failure = fit(NoPrior{});
  }
  if (failure.ok()) failure = fit_cost(rollouts, cost, model.cost);
  if (failure.ok()) {
    const InitialState<> start = fit_initial_state(rollouts.x[0]);
    model.start = {start.mu, start.Sigma};
  }
  return failure;
}

/// What the optimisers that use a model carry from one iteration to the next, besides the policy.
struct ModelBasedState {
  KlStep kl_step;               ///< multipliers of the KL step
  std::optional<GmmPrior> gmm;  ///< the mixture, if there is one
  bool adapt = false;           ///< false in the first iteration, which has the base step
  double lqr_dual = 1.0;        ///< where the search for the total constraint's dual starts
  double expected_cost = 0.0;   ///< of the last sampled policy under its model
  double predicted_cost = 0.0;  ///< of the model-based step's result, under the same model
};

/// Sets the KL step of this iteration (PILQR17 Algorithm 1 line 5); the first has the base step.
/// @param ratio the residual ratio of this batch.
/// @param expected the expected cost of the sampled policy under this batch's model.
inline void adapt_kl_step(KlRule rule, const VectorX& ratio, double expected,
                          const ModelBasedState& last, ModelBasedState& next) {
  if (last.adapt && rule == KlRule::residual) next.kl_step.adapt_to_residual(ratio);
  if (last.adapt && rule == KlRule::improvement) {
    next.kl_step.adapt_to_improvement(last.expected_cost - last.predicted_cost,
                                      last.expected_cost - expected);
  }
  next.expected_cost = expected;
  next.adapt = true;
}

/// Under a model.
/// @param states a buffer.
template <int Nx, int Nu>
[[nodiscard]] double expected_cost(const FittedModel<Nx, Nu>& model,
                                   const LinearGaussianPolicy<Nx, Nu>& policy,
                                   StateMarginals<Nx, Nu>& states) {
  state_marginals(model.dynamics, policy, model.start, states);
  return expected_costs(model.cost, policy, states).sum();
}

/// What there is before the first iteration. Throws InvalidArgument if an option is invalid.
/// @param options those of an optimiser that uses a model.
/// @param steps T of the policy.
template <class Options>
ModelBasedState fresh_state(const Options& options, int steps) {
  require_valid(options.model);
  require_valid(options.replay);
  require_valid(options.lqr_flm);
  ModelBasedState state{KlStep(options.kl_step, steps), {}};
  if (options.model.gmm) state.gmm.emplace(*options.model.gmm);
  return state;
}

/// Throws InvalidArgument unless a saved policy and state fit the present ones.
template <int Nx, int Nu>
void require_restorable(const LinearGaussianPolicy<Nx, Nu>& policy, const ModelBasedState& state,
                        const LinearGaussianPolicy<Nx, Nu>& saved_policy,
                        const ModelBasedState& saved_state) {
  require_same_shape(policy, saved_policy);
  require_valid(saved_policy, "restored policy");
  require(saved_state.kl_step.multiplier().size() == policy.steps(),
          "restored KL step has {} steps, the policy {}", rows(saved_state.kl_step.multiplier()),
          policy.steps());
  require(saved_state.gmm.has_value() == state.gmm.has_value(),
          "the restored state {} a mixture prior, the options {}",
          saved_state.gmm.has_value() ? "has" : "lacks",
          state.gmm.has_value() ? "ask for one" : "do not");
}

/// Sets what a report says of the model-based part.
template <int Nx, int Nu>
void describe_model(const PredictedCosts& predicted, const VectorX& ratio, const KlStep& kl_step,
                    const LqrFlmResult<Nx, Nu>& lqr, UpdateReport& report) {
  const bool diverged = predicted.first_diverged_step < predicted.cost.cols();
  report.cost_model_mean = diverged ? UpdateReport::none : predicted.cost.rowwise().sum().mean();
  report.replay_diverged_step = diverged ? predicted.first_diverged_step : -1;
  report.residual_ratio = ratio(0);
  report.kl_step_mean = kl_step.value().mean();
  report.kl_mean = lqr.kl.mean();
  report.steps.kl_step = kl_step.value();
  report.steps.kl = lqr.kl;
  report.steps.residual_ratio = ratio;
}

/// Sets what a report says of the model-free part.
template <int Nx, int Nu>
void describe_weights(const VectorX& temperature, const Pi2Result<Nx, Nu>& pi2,
                      UpdateReport& report) {
  VectorX told(temperature.size());
  Eigen::Index count = 0;
  for (const double value : temperature) {
    if (value < std::numeric_limits<double>::max()) told(count++) = value;
  }
  report.temperature_mean = count > 0 ? told.head(count).mean() : UpdateReport::none;
  report.effective_samples_min = pi2.effective_samples.minCoeff();
  report.steps.temperature = temperature;
  report.steps.effective_samples = pi2.effective_samples;
}

}  // namespace pilqr
