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
                    Named<Algorithm>{"pi2", Algorithm::pi2}};
}
constexpr auto choices(Preset) {
  return std::array{Named<Preset>{"default", Preset::standard},
                    Named<Preset>{"paper", Preset::paper}};
}
constexpr auto choices(Prior) {
  return std::array{Named<Prior>{"none", Prior::none},
                    Named<Prior>{"neighbours", Prior::neighbours}, Named<Prior>{"gmm", Prior::gmm}};
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
