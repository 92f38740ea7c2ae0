#pragma once
/// The settings of mirror-descent guided policy search.

#include "pilqr/mdgps/linearize.hpp"
#include "pilqr/mdgps/s_step.hpp"

namespace pilqr {

/// Whose rollouts the local policies learn from.
enum class SampleWith {
  local_policy,   ///< those of the last C-step
  global_policy,  ///< those of the last S-step; before the first S-step the initial local policies'
};

/// The settings of every step.
struct MdgpsOptions {
  /// The global policy's: the linearisation is then that of the policy that was sampled.
  SampleWith sample_with = SampleWith::global_policy;
  LinearizeOptions linearize{};      ///< of the global policy
  SupervisionOptions supervision{};  ///< of the S-step
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const MdgpsOptions& o) {
  require_valid(o.linearize);
  require_valid(o.supervision);
}

}  // namespace pilqr
