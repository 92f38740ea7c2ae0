#pragma once
/// Every setting there is, and who uses it.

#include <string_view>
#include <utility>

#include "settings_file.hpp"

namespace pilqr::command {

/// Whether a setting makes a difference to an algorithm. True for names that are no setting's.
bool uses(Algorithm algorithm, std::string_view key);

/// visit(key, field) for every setting there is, in the order of config.toml: the one table that
/// reading, --set and writing go by.
template <class Run, class Visit>
void for_each_setting(Run& run, Visit&& visit) {
  auto& s = run.settings;
  visit("task", s.task);
  visit("algorithm", s.algorithm);
  visit("preset", run.preset);
  visit("seed", s.seed);
  visit("samples", s.samples);
  visit("iterations", s.iterations);
  visit("conditions", s.conditions);
  visit("keep_samples", run.keep_samples);
  visit("noise.width", s.noise.width);
  visit("noise.antithetic", s.noise.antithetic);
  visit("faults.retries", s.faults.retries);
  visit("faults.least_share", s.faults.least_share);
  visit("faults.time_limit", s.faults.time_limit);
  visit("faults.tell_after", run.tell_after);
  visit("stop.failed_updates", s.stop.failed_updates);
  visit("exploration.floor", s.exploration.floor);
  visit("exploration.spent_ratio", s.exploration.spent_ratio);
  visit("exploration.spent_iterations", s.exploration.spent_iterations);
  visit("fit.ridge", s.model.fit.ridge);
  visit("fit.prior", run.prior);
  visit("neighbours.points_per_input", run.neighbours.points_per_input);
  visit("gmm.max_clusters", run.gmm.max_clusters);
  visit("gmm.min_points_per_cluster", run.gmm.min_points_per_cluster);
  visit("gmm.max_points", run.gmm.max_points);
  visit("gmm.strength", run.gmm.strength);
  visit("gmm.warm_iterations", run.gmm.warm_iterations);
  visit("replay.range", s.replay.range);
  visit("kl_step.rule", s.kl_rule);
  visit("kl_step.base_first", s.kl_step.base_first);
  visit("kl_step.base_last", s.kl_step.base_last);
  visit("kl_step.min_multiplier_first", s.kl_step.min_multiplier_first);
  visit("kl_step.min_multiplier_last", s.kl_step.min_multiplier_last);
  visit("kl_step.max_multiplier_first", s.kl_step.max_multiplier_first);
  visit("kl_step.max_multiplier_last", s.kl_step.max_multiplier_last);
  visit("kl_step.ratio_to_increase", s.kl_step.ratio_to_increase);
  visit("kl_step.ratio_to_decrease", s.kl_step.ratio_to_decrease);
  visit("lqr_flm.constraint", s.lqr_flm.constraint);
  visit("lqr_flm.marginals", s.lqr_flm.marginals);
  visit("lqr_flm.min_variance_ratio", s.lqr_flm.min_variance_ratio);
  visit("lqr_flm.entropy_weight", s.lqr_flm.entropy_weight);
  visit("lqr_flm.tolerance", s.lqr_flm.tolerance);
  visit("lqr_flm.min_dual", s.lqr_flm.min_dual);
  visit("lqr_flm.max_dual", s.lqr_flm.max_dual);
  visit("lqr_flm.dual_floor", s.dual_floor);
  visit("temperature.kl_step", s.temperature.kl_step);
  visit("temperature.kl_share", s.temperature.kl_share);
  visit("temperature.min_temperature", s.temperature.min_temperature);
  visit("temperature.source", s.temperature_source);
  visit("pi2.source", s.weight_source);
  visit("pi2.controls", s.controls);
  visit("pi2.covariance_damping", s.pi2.covariance_damping);
  visit("pi2.centered", s.pi2.centered);
  visit("pi2.shrinkage", s.pi2.shrinkage);
  visit("pi2.min_variance_ratio", s.pi2.min_variance_ratio);
  visit("mdgps.sample_with", s.mdgps.sample_with);
  visit("mdgps.linearize_prior", run.linearize_prior);
  visit("mdgps.linearize_ridge", s.mdgps.linearize.fit.ridge);
  visit("mdgps.variance_floor", s.mdgps.supervision.variance_floor);
  visit("network.hidden", s.network.hidden);
  visit("network.activation", s.network.activation);
  visit("network.steps", s.network.training.steps);
  visit("network.batch", s.network.training.batch);
  visit("network.learning_rate", s.network.training.adam.learning_rate);
  visit("network.last_rate", s.network.training.last_rate);
  visit("network.weight_decay", s.network.training.adam.weight_decay);
  visit("network.least_scale", s.network.training.normalisation.least_scale);
  visit("trpo.kl_step", s.trpo.trust_region.kl_step);
  visit("trpo.discount", s.trpo.discount);
  visit("trpo.lambda", s.trpo.lambda);
  visit("trpo.initial_std", s.trpo.initial_std);
  visit("ddpg.twin", s.ddpg.twin);
  visit("ddpg.discount", s.ddpg.discount);
  visit("ddpg.std", s.ddpg.std);
  visit("ddpg.initial_std", s.ddpg.initial_std);
  visit("ddpg.start_steps", s.ddpg.start_steps);
  visit("ddpg.batch", s.ddpg.batch);
  visit("ddpg.updates_per_step", s.ddpg.updates_per_step);
  visit("ddpg.target_rate", s.ddpg.target_rate);
}

}  // namespace pilqr::command
