#include "pilqr/train/settings.hpp"

#include <algorithm>
#include <cmath>

namespace pilqr {

const char* name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::pilqr:
      return "pilqr";
    case Algorithm::lqr_flm:
      return "lqr_flm";
    case Algorithm::pi2:
      return "pi2";
  }
  return "unknown";
}

Settings default_settings(const Task& task, Algorithm algorithm) {
  Settings s;
  s.task = task.name;
  s.algorithm = algorithm;
  s.samples = task.samples;
  s.iterations = task.iterations;
  s.noise = task.noise;
  switch (algorithm) {
    case Algorithm::pilqr: {
      const PilqrOptions o;
      s.model = o.model;
      s.replay = o.replay;
      s.kl_step = o.kl_step;
      s.kl_rule = KlRule::residual;
      s.lqr_flm = o.lqr_flm;
      s.temperature = o.temperature;
      s.temperature_source = o.temperature_source;
      s.pi2 = o.pi2;
      break;
    }
    case Algorithm::lqr_flm: {
      const LqrFlmAloneOptions o;
      s.model = o.model;
      s.replay = o.replay;
      s.kl_step = o.kl_step;
      s.kl_rule = o.kl_rule;
      s.lqr_flm = o.lqr_flm;
      break;
    }
    case Algorithm::pi2: {
      const Pi2AloneOptions o;
      s.temperature = o.temperature;
      s.pi2 = o.pi2;
      break;
    }
  }
  return s;
}

void apply_paper_preset(Settings& s) {
  const PilqrOptions paper = PilqrOptions::paper();
  s.noise.antithetic = false;
  s.kl_step = paper.kl_step;
  s.lqr_flm = paper.lqr_flm;
  s.temperature = paper.temperature;
  s.temperature_source = paper.temperature_source;
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
  require(s.algorithm != Algorithm::pilqr || s.kl_rule == KlRule::residual,
          "kl_step.rule is improvement; pilqr adapts by the residual only");
  require_valid(s.noise);
  require_valid(s.model.fit);
  if (s.model.gmm) require_valid(*s.model.gmm);
  require_valid(s.replay);
  require_valid(s.kl_step);
  require_valid(s.lqr_flm);
  require_valid(s.temperature);
  require_valid(s.pi2);
}

AnyOptimizer::AnyOptimizer(const Settings& s, LinearGaussianPolicy<> initial)
    : optimizer_([&]() -> std::variant<Pilqr<>, LqrFlm<>, Pi2<>> {
        switch (s.algorithm) {
          case Algorithm::lqr_flm:
            return LqrFlm<>(std::move(initial), {.model = s.model,
                                                 .replay = s.replay,
                                                 .kl_step = s.kl_step,
                                                 .kl_rule = s.kl_rule,
                                                 .lqr_flm = s.lqr_flm});
          case Algorithm::pi2:
            return Pi2<>(std::move(initial), {.temperature = s.temperature, .pi2 = s.pi2});
          case Algorithm::pilqr:
            break;
        }
        return Pilqr<>(std::move(initial), {.model = s.model,
                                            .replay = s.replay,
                                            .kl_step = s.kl_step,
                                            .lqr_flm = s.lqr_flm,
                                            .temperature = s.temperature,
                                            .temperature_source = s.temperature_source,
                                            .pi2 = s.pi2});
      }()) {}

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
  if (auto* o = std::get_if<Pi2<>>(&optimizer_)) {
    o->restore(std::move(policy));
    return;
  }
  require(state != nullptr, "this algorithm goes on from a policy and its model-based state");
  if (auto* o = std::get_if<Pilqr<>>(&optimizer_)) o->restore(std::move(policy), *state);
  if (auto* o = std::get_if<LqrFlm<>>(&optimizer_)) o->restore(std::move(policy), *state);
}

}  // namespace pilqr
