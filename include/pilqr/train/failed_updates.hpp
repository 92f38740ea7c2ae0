#pragma once
/// When failed updates end a training of one network for all conditions.

#include "pilqr/train/trainer.hpp"

namespace pilqr::detail {

/// Counts an iteration whose conditions all had enough good rollouts, see StopOptions.
/// @param failure of anything in it. @param last whether there is no further iteration.
/// @param failed_updates iterations in a row that have failed.
/// Returns whether the training ends with the failure: after too many, or when all that there were
/// have failed.
inline bool ends_with_failure(const Failure& failure, int iteration, bool last,
                              const StopOptions& options, int& failed_updates) {
  failed_updates = failure.ok() ? 0 : failed_updates + 1;
  const bool learnt_nothing = last && failed_updates == iteration + 1;
  return failed_updates >= options.failed_updates || learnt_nothing;
}

}  // namespace pilqr::detail
