#pragma once
/// What a training knows of its conditions besides their optimisers, and when that ends it.

#include <algorithm>
#include <limits>
#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/train/exploration.hpp"
#include "pilqr/train/message.hpp"

namespace pilqr {

/// When a training ends before its iterations are over.
struct StopOptions {
  /// When so many updates of one condition in a row have failed or, where one network learns from
  /// all, so many iterations in which something has; >= 1. Until then the old policy stands and is
  /// sampled again, with other noise.
  int failed_updates = 5;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const StopOptions& o) {
  require(o.failed_updates >= 1, "stop: failed_updates is {}, expected >= 1", o.failed_updates);
}

/// The policy of one condition whose samples had the least mean cost: the rollouts of an iteration
/// are an estimate of the policy that they were drawn from, exploration noise included, that takes
/// no further trial. The last policy of a training has not been sampled and is not among those
/// compared; the least of several means is a little better than what it is the mean of.
struct BestPolicy {
  LinearGaussianPolicy<> policy{};                        ///< the first one, until there is a cost
  double cost = std::numeric_limits<double>::infinity();  ///< mean over the good rollouts
  int iteration = -1;                                     ///< whose rollouts they were

  /// Equal in all parts.
  friend bool operator==(const BestPolicy&, const BestPolicy&) = default;
};

/// What is carried from one iteration to the next for one condition; for checkpoints.
struct ConditionHistory {
  int failed_updates = 0;                ///< updates that have failed since the last good one
  BestPolicy best{};                     ///< so far
  Sequence<Dynamic, Dynamic> first_L{};  ///< of the first policy
  int spent = 0;                         ///< iterations in a row with its exploration spent

  /// Equal in all parts.
  friend bool operator==(const ConditionHistory&, const ConditionHistory&) = default;
};

/// For ranks that compare theirs.
inline void put(const ConditionHistory& history, MessageWriter& out) {
  out.put(history.failed_updates);
  out.put(history.best.cost);
  out.put(history.best.iteration);
  out.put(history.spent);
}

/// Those of conditions which have not been trained.
template <class Optimizer>
[[nodiscard]] std::vector<ConditionHistory> new_histories(
    const std::vector<Optimizer>& optimizers) {
  std::vector<ConditionHistory> histories(optimizers.size());
  for (std::size_t m = 0; m < optimizers.size(); ++m) {
    histories[m].best.policy = to_dynamic(optimizers[m].policy());
    histories[m].first_L = histories[m].best.policy.L;
  }
  return histories;
}

/// Remembers the policy that an iteration sampled if its cost, the mean of the samples, is less
/// than that of all before.
template <int Nx, int Nu>
void keep_best(const LinearGaussianPolicy<Nx, Nu>& sampled, double cost, int iteration,
               BestPolicy& best) {
  if (cost < best.cost) best = {to_dynamic(sampled), cost, iteration};
}

/// Whether all conditions have been spent for long enough to end the training.
[[nodiscard]] inline bool is_spent(const std::vector<ConditionHistory>& histories,
                                   const ExplorationOptions& options) {
  return !histories.empty() &&
         std::all_of(histories.begin(), histories.end(), [&](const ConditionHistory& history) {
           return history.spent >= options.spent_iterations;
         });
}

}  // namespace pilqr
