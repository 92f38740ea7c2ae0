#pragma once
/// Looking on while rollouts are made: for files, or for people who wait.

#include <functional>

#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// A rollout of a training.
struct RolloutId {
  int iteration = 0;  ///< of the training, from 0
  int condition = 0;  ///< its id
  int sample = 0;     ///< its number among the samples of the condition
  int attempt = 0;    ///< how often it had been made before

  /// Equal in all parts.
  friend bool operator==(const RolloutId&, const RolloutId&) = default;
};

/// What to do while rollouts are made. Any may be empty; every rank of a team calls its own. What
/// they throw ends the training.
struct RolloutEvents {
  /// Before a rollout is made and after it, whatever came of it, on the thread that makes it,
  /// several threads at a time. One that begins and does not end is in a step that does not return.
  ///@{
  std::function<void(const RolloutId&)> begins{};
  std::function<void(const RolloutId&)> ends{};
  ///@}
  /// For every rollout that is good, further attempts included, as soon as it is made and before
  /// the operator is asked (Reject): the twin of TrainCallbacks::on_failed_rollout. One call at a
  /// time, on the thread that made the rollout, so that the order depends on the executor; those of
  /// other ranks follow when all of an attempt are made.
  /// @param batch of the condition: column RolloutId::sample is the rollout, others may be unset.
  std::function<void(const RolloutId&, const RolloutsView& batch)> good{};
};

}  // namespace pilqr
