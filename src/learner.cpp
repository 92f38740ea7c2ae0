#include "pilqr/train/learner.hpp"

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

}  // namespace

Learner make_learner(const Settings& settings, const Task& task) {
  require_valid(settings, task);
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
  if (const auto* guided = std::get_if<AnyMdgps>(&learner)) return guided->locals();
  return std::get<std::vector<AnyOptimizer>>(learner);
}

const NetworkPolicy* network_of(const Learner& learner) {
  const auto* guided = std::get_if<AnyMdgps>(&learner);
  return guided == nullptr ? nullptr : &guided->global();
}

}  // namespace pilqr
