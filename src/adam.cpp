#include "pilqr/nn/adam.hpp"

#include <algorithm>
#include <cmath>

namespace pilqr {

void require_valid(const AdamOptions& o) {
  const auto decay = [](double value, const char* name) {
    require(value >= 0.0 && value < 1.0, "adam: {} is {}, expected 0 <= {} < 1", name, value, name);
  };
  require(std::isfinite(o.learning_rate) && o.learning_rate > 0.0,
          "adam: learning_rate is {}, expected > 0", o.learning_rate);
  decay(o.beta1, "beta1");
  decay(o.beta2, "beta2");
  require(std::isfinite(o.weight_decay) && o.weight_decay >= 0.0 &&
              o.weight_decay * o.learning_rate < 1.0,
          "adam: weight_decay is {}, expected >= 0 and below 1 / learning_rate = {}",
          o.weight_decay, 1.0 / o.learning_rate);
  require(std::isfinite(o.epsilon) && o.epsilon > 0.0, "adam: epsilon is {}, expected > 0",
          o.epsilon);
}

void require_valid(const AdamState& state, int parameters) {
  constexpr long most_steps = 1'000'000'000'000'000'000;
  require(rows(state.m) == parameters && rows(state.v) == parameters,
          "adam: {} and {} moments for {} parameters", rows(state.m), rows(state.v), parameters);
  require(state.m.allFinite() && state.v.allFinite() && (state.v.array() >= 0.0).all(),
          "adam: a moment is not finite, or a mean of squares is negative");
  require(state.step >= 0 && state.step <= most_steps, "adam: {} steps, expected 0 to {}",
          state.step, most_steps);
}

Failure adam_step(const ConstVectorRef& gradient, const AdamOptions& o, AdamState& state,
                  VectorRef parameters) {
  require_valid(o);
  const Eigen::Index n = parameters.size();
  require(gradient.size() == n && state.m.size() == n && state.v.size() == n && state.step >= 0,
          "adam: {} parameters, a gradient of {}, a state of {} and {} at step {}", n,
          gradient.size(), state.m.size(), state.v.size(), state.step);
  const double squares = gradient.squaredNorm();
  if (!std::isfinite(squares)) {
    return {.kind = FailureKind::non_finite_update,
            .value = squares,
            .detail = "sum of the squares of the gradient"};
  }
  ++state.step;
  const auto t = static_cast<double>(state.step);
  const double rate = o.learning_rate / (1.0 - std::pow(o.beta1, t));
  const double scale = 1.0 / std::sqrt(1.0 - std::pow(o.beta2, t));
  constexpr Eigen::Index block = 256;  // so that each vector is read from memory once
  for (Eigen::Index i = 0; i < n; i += block) {
    const Eigen::Index size = std::min(block, n - i);
    const auto g = gradient.segment(i, size).array();
    auto m = state.m.segment(i, size).array();
    auto v = state.v.segment(i, size).array();
    m = o.beta1 * m + (1.0 - o.beta1) * g;
    v = o.beta2 * v + (1.0 - o.beta2) * g.square();
    auto p = parameters.segment(i, size).array();
    p -= o.learning_rate * o.weight_decay * p + rate * m / (scale * v.sqrt() + o.epsilon);
  }
  return {};
}

}  // namespace pilqr
