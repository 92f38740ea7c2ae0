#pragma once
/// What a training knows of its conditions besides their optimisers, and when that ends it.

#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/train/message.hpp"

namespace pilqr {

/// When a training ends before its iterations are over.
struct StopOptions {
  /// When so many updates of one condition in a row have failed; >= 1. Until then the old policy
  /// stands and is sampled again, with other noise.
  int failed_updates = 5;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const StopOptions& o) {
  require(o.failed_updates >= 1, "stop: failed_updates is {}, expected >= 1", o.failed_updates);
}

/// What is carried from one iteration to the next for one condition; for checkpoints.
struct ConditionHistory {
  int failed_updates = 0;  ///< updates that have failed since the last good one

  friend bool operator==(const ConditionHistory&, const ConditionHistory&) = default;
};

/// For ranks that compare theirs.
inline void put(const ConditionHistory& history, MessageWriter& out) {
  out.put(history.failed_updates);
}

/// That of conditions which have not been trained.
template <class Optimizer>
[[nodiscard]] std::vector<ConditionHistory> new_histories(
    const std::vector<Optimizer>& optimizers) {
  return std::vector<ConditionHistory>(optimizers.size());
}

}  // namespace pilqr
