#pragma once
/// Iterations that were begun and are done again, because the run ended before they were saved.

#include <cstddef>

#include "run_folder.hpp"

namespace pilqr::command {

/// Keeps what there is of iterations that a run does again, trials of a robot among it: appends the
/// lines of metrics.jsonl behind its first `finished` bytes, if they are whole, to abandoned.jsonl,
/// and adds "abandoned_N_" in front of the names of their files in quarantine/, with the least N
/// that is free. Again after an interruption it does the rest. Throws FileError.
/// @param iterations finished: later ones are done again.
void keep_abandoned(const RunFolder& folder, int iterations, std::size_t finished);

}  // namespace pilqr::command
