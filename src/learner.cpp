#include "pilqr/train/learner.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace pilqr {
namespace {

/// A network for what the task shows of itself, with random weights.
NetworkPolicy make_network(const Settings& settings, const Task& task, int extra) {
  RandomStream stream({.seed = settings.seed, .purpose = StreamPurpose::policy_training});
  const MlpShape shape{.inputs = task.nx + extra,
                       .hidden = settings.network.hidden,
                       .outputs = task.nu,
                       .activation = settings.network.activation};
  NetworkPolicy network(shape, stream, settings.network.training);
  network.set_limits(-VectorX::Constant(task.nu, task.control_limit),
                     VectorX::Constant(task.nu, task.control_limit));
  return network;
}

/// What a control of 1 means to a baseline's network: the limit or, without one, twice the
/// deviation that the task's first policy explores with.
VectorX action_scale(const Task& task, int condition) {
  if (std::isfinite(task.control_limit)) return VectorX::Constant(task.nu, task.control_limit);
  const LinearGaussianPolicy<> initial = task.initial_policy(condition);
  return 2.0 * initial.L[0].rowwise().norm();
}

AnyBaseline make_baseline(const Settings& settings, const Task& task) {
  std::vector<Observation> observations;
  for (const int condition : settings.conditions) {
    observations.push_back(task.observation(condition));
  }
  const int seen = task.nx + observations.front().extra();
  const NetworkSettings& network = settings.network;
  const VectorX scale = action_scale(task, settings.conditions.front());
  RandomStream stream({.seed = settings.seed, .purpose = StreamPurpose::policy_training});
  if (settings.algorithm == Algorithm::trpo) {
    TrpoOptions options = settings.trpo;
    options.hidden = options.value.hidden = network.hidden;
    options.activation = options.value.activation = network.activation;
    options.action_scale = scale;
    return {Trpo(seen, task.nu, task.steps, options, stream), std::move(observations)};
  }
  DdpgOptions options = settings.ddpg;
  if (!options.twin) {
    const DdpgOptions plain = DdpgOptions::plain();
    options.policy_delay = plain.policy_delay;
    options.smoothing_std = plain.smoothing_std;
  }
  options.actor_hidden = options.critic_hidden = network.hidden;
  options.activation = network.activation;
  options.action_scale = scale;
  return {Ddpg(seen, task.nu, task.steps, options, stream), std::move(observations)};
}

}  // namespace

void keep_best_network(const NetworkPolicy& sampled, const std::vector<IterationRecord>& conditions,
                       int iteration, std::optional<BestNetwork>& best) {
  double sum = 0.0;
  double dearest = -std::numeric_limits<double>::infinity();
  int missing = 0;
  for (const IterationRecord& record : conditions) {
    const double cost = record.report.cost_mean;
    if (std::isnan(cost)) {
      ++missing;
    } else {
      sum += cost;
      dearest = std::max(dearest, cost);
    }
  }
  const auto M = static_cast<int>(conditions.size());
  if (missing == M) return;
  const double cost = (missing > 0 ? sum + missing * dearest : sum) / M;
  if (!(cost < (best ? best->cost : std::numeric_limits<double>::infinity()))) return;
  best = {sampled, cost, iteration};
}

Learner make_learner(const Settings& settings, const Task& task) {
  require_valid(settings, task);
  if (is_baseline(settings.algorithm)) return make_baseline(settings, task);
  std::vector<AnyOptimizer> locals;
  std::vector<Observation> observations;
  for (const int condition : settings.conditions) {
    locals.emplace_back(settings, task.initial_policy(condition));
    observations.push_back(task.observation(condition));
  }
  if (!is_guided(settings.algorithm)) return locals;
  NetworkPolicy network = make_network(settings, task, observations.front().extra());
  return AnyMdgps(std::move(locals), std::move(network), std::move(observations), settings.mdgps);
}

const std::vector<AnyOptimizer>& locals_of(const Learner& learner) {
  static const std::vector<AnyOptimizer> none;
  if (const auto* guided = std::get_if<AnyMdgps>(&learner)) return guided->locals();
  if (std::holds_alternative<AnyBaseline>(learner)) return none;
  return std::get<std::vector<AnyOptimizer>>(learner);
}

std::optional<NetworkPolicy> network_of(const Learner& learner) {
  if (const auto* guided = std::get_if<AnyMdgps>(&learner)) return guided->global();
  if (const auto* baseline = std::get_if<AnyBaseline>(&learner)) return baseline->policy();
  return {};
}

}  // namespace pilqr
