#include "pilqr/baselines/value_function.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "shuffle.hpp"

namespace pilqr {

void require_valid(const ValueOptions& o) {
  require(o.epochs >= 1 && o.batch >= 1,
          "value function: {} epochs of batches of {}, expected at least 1", o.epochs, o.batch);
  require_valid(o.adam);
}

ValueFunction::ValueFunction(int inputs, const ValueOptions& options, RandomStream& stream)
    : options_(options),
      state_{Mlp({.inputs = inputs,
                  .hidden = options.hidden,
                  .outputs = 1,
                  .activation = options.activation},
                 stream),
             {}} {
  require_valid(options_);
  state_.adam = AdamState(state_.network.parameter_count());
  gradient_.resize(state_.network.parameter_count());
}

void ValueFunction::evaluate(const ConstMatrixRef& z, VectorRef values) {
  values_.resize(1, z.cols());
  state_.network.forward(z, all_, values_);
  values = (state_.scale * values_.row(0).array() + state_.mean).transpose();
}

void ValueFunction::standardise(const ConstVectorRef& returns, ValueState& state) const {
  const double mean = returns.mean();
  const double deviation = std::sqrt((returns.array() - mean).square().mean());
  const double scale = deviation > 1e-8 * (1.0 + std::abs(mean)) ? deviation : 1.0;
  if (state.adam.step > 0) {
    const int last = state.network.shape().layers() - 1;
    state.network.weight(last) *= state.scale / scale;
    state.network.bias(last) =
        (state.network.bias(last).array() * state.scale + state.mean - mean) / scale;
  }
  state.mean = mean;
  state.scale = scale;
}

Failure ValueFunction::fit(const ConstMatrixRef& z, const ConstVectorRef& returns,
                           RandomStream& stream) {
  const int P = cols(z);
  require(P >= 1 && rows(returns) == P, "value function: {} points and {} returns", P,
          rows(returns));
  if (!returns.allFinite()) {
    return {.kind = FailureKind::non_finite_update,
            .value = returns.sum(),
            .detail = "sum of the returns"};
  }
  ValueState next = state_;
  standardise(returns, next);
  // Larger ones leave layers behind in which the squares of the next gradients overflow.
  constexpr double largest = 1e100;
  const double size = std::abs(next.mean) + next.scale;
  if (!(size <= largest)) {
    return {.kind = FailureKind::non_finite_update,
            .value = size,
            .detail = "mean and deviation of the returns, too large to learn from"};
  }
  const int B = std::min(options_.batch, P);
  z_.resize(z.rows(), B);
  error_.resize(1, B);
  for (int epoch = 0; epoch < options_.epochs; ++epoch) {
    shuffle(P, stream, order_);
    for (int first = 0; first + B <= P; first += B) {
      const int* const chosen = order_.data() + first;
      for (int j = 0; j < B; ++j) z_.col(j) = z.col(chosen[j]);
      next.network.forward(z_, some_, error_);
      for (int j = 0; j < B; ++j) {
        error_(0, j) = (error_(0, j) - (returns(chosen[j]) - next.mean) / next.scale) / B;
      }
      next.network.backward(some_, error_, gradient_);
      Failure failure = adam_step(gradient_, options_.adam, next.adam, next.network.parameters());
      if (!failure.ok()) {
        failure.detail += fmt::format(" of the value function, epoch {}", epoch);
        return failure;
      }
    }
  }
  if (!next.network.parameters().allFinite()) {
    return {.kind = FailureKind::non_finite_update, .detail = "a parameter of the value function"};
  }
  state_ = std::move(next);
  return {};
}

void ValueFunction::restore(ValueState state) {
  const int n = state_.network.parameter_count();
  require(state.network.shape() == state_.network.shape(),
          "value function: a state of {} parameters, expected {}", state.network.parameter_count(),
          n);
  require_valid(state.adam, n);
  require(state.network.parameters().allFinite() && std::isfinite(state.mean) &&
              std::isfinite(state.scale) && state.scale > 0.0,
          "value function: a state with mean {} and scale {}, or a parameter is not finite",
          state.mean, state.scale);
  state_ = std::move(state);
}

}  // namespace pilqr
