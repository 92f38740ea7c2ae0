#pragma once
/// All that an optimiser carries from one iteration to the next, as a value and as bytes.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pilqr/iteration.hpp"

namespace pilqr {

/// The policy, and what the optimisers with a model know besides.
struct OptimizerState {
  LinearGaussianPolicy<> policy;           ///< of the last good update
  std::optional<ModelBasedState> model{};  ///< empty: PI2
};

/// As a safetensors file with the tensors of a checkpoint (train/checkpoint.hpp); bit by bit.
std::string encode_optimizer(const OptimizerState& state);

/// The inverse.
/// @param fresh of an optimiser with the same settings, whose options remain.
/// Throws FileError or InvalidArgument if the bytes are not those of such an optimiser.
OptimizerState decode_optimizer(std::string_view bytes, OptimizerState fresh);

/// A copy of what an optimiser carries: Pilqr, LqrFlm, Pi2, AnyOptimizer, or one's own type with
/// their policy(), state() and restore().
template <class Optimizer>
OptimizerState state_of(const Optimizer& optimizer) {
  OptimizerState out{to_dynamic(optimizer.policy())};
  if constexpr (requires { static_cast<const ModelBasedState*>(optimizer.state()); }) {
    if (const ModelBasedState* state = optimizer.state()) out.model = *state;
  } else if constexpr (requires { optimizer.state(); }) {
    out.model = optimizer.state();
  }
  return out;
}

namespace detail {

/// `from` with the compile-time sizes of the first argument.
template <int Nx, int Nu>
LinearGaussianPolicy<Nx, Nu> with_sizes_of(const LinearGaussianPolicy<Nx, Nu>& /*sizes*/,
                                           const LinearGaussianPolicy<>& from) {
  return to_fixed<Nx, Nu>(from);
}

}  // namespace detail

/// Goes on from such a state. Throws InvalidArgument if it is not one of this kind of optimiser.
template <class Optimizer>
void restore_state(OptimizerState state, Optimizer& optimizer) {
  auto policy = detail::with_sizes_of(optimizer.policy(), state.policy);
  if constexpr (requires { optimizer.restore(policy); }) {
    optimizer.restore(std::move(policy));
  } else if constexpr (requires { optimizer.restore(policy, *state.model); }) {
    require(state.model.has_value(), "a state without the part of a model");
    optimizer.restore(std::move(policy), *state.model);
  } else {
    optimizer.restore(std::move(policy), state.model ? &*state.model : nullptr);
  }
}

}  // namespace pilqr
