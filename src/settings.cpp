#include "pilqr/train/settings.hpp"

#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>

namespace pilqr {

const char* name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::pilqr:
      return "pilqr";
    case Algorithm::lqr_flm:
      return "lqr_flm";
    case Algorithm::pi2:
      return "pi2";
    case Algorithm::mdgps_pilqr:
      return "mdgps_pilqr";
    case Algorithm::mdgps_lqr_flm:
      return "mdgps_lqr_flm";
    case Algorithm::mdgps_pi2:
      return "mdgps_pi2";
    case Algorithm::trpo:
      return "trpo";
    case Algorithm::ddpg:
      return "ddpg";
  }
  return "unknown";
}

bool is_guided(Algorithm algorithm) {
  return local_algorithm(algorithm) != algorithm;
}

bool is_baseline(Algorithm algorithm) {
  return algorithm == Algorithm::trpo || algorithm == Algorithm::ddpg;
}

Algorithm local_algorithm(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::mdgps_pilqr:
      return Algorithm::pilqr;
    case Algorithm::mdgps_lqr_flm:
      return Algorithm::lqr_flm;
    case Algorithm::mdgps_pi2:
      return Algorithm::pi2;
    default:
      return algorithm;
  }
}

namespace {

/// visit(setting, option) for every option of an algorithm: the one table between a run's settings
/// and the options of its optimiser.
template <class S, class Options, class Visit>
void for_each_option(S& s, Options& o, Visit&& visit) {
  if constexpr (requires { o.model; }) {
    visit(s.model, o.model);
    visit(s.replay, o.replay);
    visit(s.kl_step, o.kl_step);
    visit(s.lqr_flm, o.lqr_flm);
  }
  if constexpr (requires { o.kl_rule; }) visit(s.kl_rule, o.kl_rule);
  if constexpr (requires { o.pi2; }) {
    visit(s.temperature, o.temperature);
    visit(s.pi2, o.pi2);
  }
  if constexpr (requires { o.dual_floor; }) {
    visit(s.dual_floor, o.dual_floor);
    visit(s.temperature_source, o.temperature_source);
    visit(s.weight_source, o.weight_source);
    visit(s.controls, o.controls);
  }
}

/// visit(std::type_identity<Optimizer>()) for the trajectory optimiser of an algorithm.
template <class Visit>
decltype(auto) with_optimizer(Algorithm algorithm, Visit&& visit) {
  switch (local_algorithm(algorithm)) {
    case Algorithm::lqr_flm:
      return visit(std::type_identity<LqrFlm<>>());
    case Algorithm::pi2:
      return visit(std::type_identity<Pi2<>>());
    default:
      break;
  }
  return visit(std::type_identity<Pilqr<>>());
}

}  // namespace

Settings default_settings(const Task& task, Algorithm algorithm) {
  Settings s;
  s.task = task.name;
  s.algorithm = algorithm;
  s.samples = task.samples;
  s.iterations = task.iterations;
  s.noise = task.noise;
  if (is_baseline(algorithm)) {  // small batches, often, and noise as their theory has it
    const int rollouts = algorithm == Algorithm::trpo ? 8 : 4;
    s.samples = (rollouts + task.conditions - 1) / task.conditions;
    s.iterations = 100;
    s.noise = {.width = 0.0, .antithetic = false};
  }
  if (is_guided(algorithm) ||
      is_baseline(algorithm)) {  // what lies between the conditions is learnt from all of them
    s.conditions.resize(static_cast<std::size_t>(task.conditions));
    std::iota(s.conditions.begin(), s.conditions.end(), 0);
  }
  with_optimizer(algorithm, [&]<class Optimizer>(std::type_identity<Optimizer>) {
    const typename Optimizer::Options defaults;
    for_each_option(s, defaults, [](auto& setting, const auto& option) { setting = option; });
  });
  return s;
}

void apply_paper_preset(Settings& s) {
  const PilqrOptions paper = PilqrOptions::paper();
  s.noise.antithetic = false;
  s.model.neighbours = paper.model.neighbours;
  s.kl_step = paper.kl_step;
  if (local_algorithm(s.algorithm) == Algorithm::pilqr) s.kl_rule = paper.kl_rule;
  s.lqr_flm = paper.lqr_flm;
  s.dual_floor = paper.dual_floor;
  s.temperature = paper.temperature;
  s.temperature_source = paper.temperature_source;
  s.weight_source = paper.weight_source;
  s.controls = paper.controls;
  s.pi2 = paper.pi2;
}

void require_valid(const Settings& s, const Task& task) {
  require(s.samples >= 1 && s.samples <= 1'000'000, "samples is {}, expected 1 to 1000000",
          s.samples);
  require(s.iterations >= 1 && s.iterations <= 1'000'000, "iterations is {}, expected 1 to 1000000",
          s.iterations);
  require(!s.conditions.empty(), "conditions is empty, expected at least one of 0 to {}",
          task.conditions - 1);
  for (std::size_t i = 0; i < s.conditions.size(); ++i) {
    const int id = s.conditions[i];
    require(id >= 0 && id < task.conditions, "conditions: {} has 0 to {}, not {}", task.name,
            task.conditions - 1, id);
    require(std::count(s.conditions.begin(), s.conditions.end(), id) == 1,
            "conditions: {} is named twice", id);
  }
  require_valid(s.noise);
  require_valid(s.faults);
  require_valid(s.stop);
  require_valid(s.exploration);
  require_valid(s.model);
  require_valid(s.replay);
  require_valid(s.kl_step);
  require_valid(s.lqr_flm);
  require_valid(s.mdgps);
  require_valid(s.trpo);
  require_valid(s.ddpg);
  require(s.ddpg.batch <= 100'000, "ddpg: batch is {}, expected at most 100000", s.ddpg.batch);
  require_valid(s.network.training);
  for (const int width : s.network.hidden) {
    require(width >= 1 && width <= 10'000, "network: a hidden layer of {}, expected 1 to 10000",
            width);
  }
  require(s.network.hidden.size() <= 100, "network: {} hidden layers, expected at most 100",
          s.network.hidden.size());
  require_valid(
      PilqrOptions{.dual_floor = s.dual_floor, .temperature = s.temperature, .pi2 = s.pi2});
}

AnyOptimizer::AnyOptimizer(const Settings& s, LinearGaussianPolicy<> initial)
    : optimizer_(with_optimizer(
          s.algorithm, [&]<class Optimizer>(std::type_identity<Optimizer>) -> decltype(optimizer_) {
            typename Optimizer::Options options;
            for_each_option(s, options,
                            [](const auto& setting, auto& option) { option = setting; });
            return Optimizer(std::move(initial), options);
          })) {}

UpdateReport AnyOptimizer::update(const Rollouts<>& rollouts, const AnyCost& cost,
                                  const RandomStream& stream) {
  return std::visit([&](auto& o) { return o.update(rollouts, cost, stream); }, optimizer_);
}

const ModelBasedState* AnyOptimizer::state() const {
  if (const auto* o = std::get_if<Pilqr<>>(&optimizer_)) return &o->state();
  if (const auto* o = std::get_if<LqrFlm<>>(&optimizer_)) return &o->state();
  return nullptr;
}

void AnyOptimizer::restore(LinearGaussianPolicy<> policy, const ModelBasedState* state) {
  std::visit(
      [&](auto& o) {
        if constexpr (requires { o.state(); }) {
          require(state != nullptr,
                  "this algorithm goes on from a policy and its model-based state");
          o.restore(std::move(policy), *state);
        } else {
          o.restore(std::move(policy));
        }
      },
      optimizer_);
}

}  // namespace pilqr
