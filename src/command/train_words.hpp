#pragma once
/// What `pilqr train` says beside its table.

#include <string>
#include <vector>

#include "train.hpp"

namespace pilqr::command {

/// Says what the run goes on from, if that is not its last checkpoint, and what is cut.
void tell_damage(const RunFolder& folder, const SavedRun& saved);

/// A line for each update of an iteration that failed and did not end the run.
/// @param alone whether a network learns alone: it does so without the conditions that failed.
std::vector<std::string> failed_updates(const std::vector<MetricsRow>& rows, bool alone);

/// The last words of a run.
void tell(const RunOutcome& outcome, const std::vector<MetricsRow>& last, const Settings& settings,
          const RunFolder& folder);

}  // namespace pilqr::command
