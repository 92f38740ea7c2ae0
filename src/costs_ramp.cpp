#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/costs/ramp.hpp"

namespace pilqr {

VectorX ramp_multipliers(Ramp ramp, int steps, double final_multiplier) {
  require(steps >= 1, "a ramp over {} steps", steps);
  require(final_multiplier >= 0.0 && std::isfinite(final_multiplier),
          "ramp: final multiplier is {}, expected a finite number >= 0", final_multiplier);
  VectorX multipliers(steps);
  for (int t = 0; t < steps; ++t) {
    const double part = static_cast<double>(t + 1) / steps;
    switch (ramp) {
      case Ramp::constant:
        multipliers(t) = 1.0;
        break;
      case Ramp::linear:
        multipliers(t) = part;
        break;
      case Ramp::quadratic:
        multipliers(t) = part * part;
        break;
      case Ramp::final_only:
        multipliers(t) = t + 1 == steps ? 1.0 : 0.0;
        break;
    }
  }
  multipliers(steps - 1) *= final_multiplier;
  return multipliers;
}

}  // namespace pilqr
