#pragma once
/// The names of what can be chosen in a settings file.

#include <array>

#include "settings_file.hpp"

namespace pilqr::command {

/// The names of a choice's values.
template <class Choice>
struct Named {
  const char* name;
  Choice value;
};
constexpr auto choices(Algorithm) {
  return std::array{Named<Algorithm>{"pilqr", Algorithm::pilqr},
                    Named<Algorithm>{"lqr_flm", Algorithm::lqr_flm},
                    Named<Algorithm>{"pi2", Algorithm::pi2},
                    Named<Algorithm>{"mdgps_pilqr", Algorithm::mdgps_pilqr},
                    Named<Algorithm>{"mdgps_lqr_flm", Algorithm::mdgps_lqr_flm},
                    Named<Algorithm>{"mdgps_pi2", Algorithm::mdgps_pi2},
                    Named<Algorithm>{"trpo", Algorithm::trpo},
                    Named<Algorithm>{"ddpg", Algorithm::ddpg}};
}
constexpr auto choices(SampleWith) {
  return std::array{Named<SampleWith>{"global_policy", SampleWith::global_policy},
                    Named<SampleWith>{"local_policy", SampleWith::local_policy}};
}
constexpr auto choices(Activation) {
  return std::array{Named<Activation>{"tanh", Activation::tanh},
                    Named<Activation>{"relu", Activation::relu}};
}
constexpr auto choices(Preset) {
  return std::array{Named<Preset>{"default", Preset::standard},
                    Named<Preset>{"paper", Preset::paper}};
}
constexpr auto choices(Prior) {
  return std::array{Named<Prior>{"none", Prior::none},
                    Named<Prior>{"neighbours", Prior::neighbours}, Named<Prior>{"gmm", Prior::gmm}};
}
constexpr auto choices(KeepSamples) {
  return std::array{Named<KeepSamples>{"none", KeepSamples::none},
                    Named<KeepSamples>{"last", KeepSamples::last},
                    Named<KeepSamples>{"all", KeepSamples::all}};
}
constexpr auto choices(KlRule) {
  return std::array{Named<KlRule>{"improvement", KlRule::improvement},
                    Named<KlRule>{"residual", KlRule::residual}};
}
constexpr auto choices(KlConstraint) {
  return std::array{Named<KlConstraint>{"per_step", KlConstraint::per_step},
                    Named<KlConstraint>{"total", KlConstraint::total}};
}
constexpr auto choices(KlMarginals) {
  return std::array{Named<KlMarginals>{"updated", KlMarginals::updated},
                    Named<KlMarginals>{"reference", KlMarginals::reference}};
}
constexpr auto choices(CostSource) {
  return std::array{Named<CostSource>{"sampled", CostSource::sampled},
                    Named<CostSource>{"residual", CostSource::residual}};
}
constexpr auto choices(SampleControls) {
  return std::array{Named<SampleControls>{"taken", SampleControls::taken},
                    Named<SampleControls>{"replayed", SampleControls::replayed}};
}

}  // namespace pilqr::command
