#pragma once
/// How the weight of a cost term grows over the horizon.

#include "pilqr/core/types.hpp"

namespace pilqr {

/// Shape of the multiplier over t = 0..T-1.
enum class Ramp {
  constant,    ///< 1
  linear,      ///< (t + 1) / T
  quadratic,   ///< ((t + 1) / T)^2
  final_only,  ///< 0, and 1 at t = T - 1
};

/// The multiplier of every step, T entries: the ramp, with its last entry multiplied by
/// `final_multiplier`. Throws InvalidArgument if steps < 1 or if the final multiplier is negative
/// or not finite.
VectorX ramp_multipliers(Ramp ramp, int steps, double final_multiplier = 1.0);

}  // namespace pilqr
