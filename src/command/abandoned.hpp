#pragma once
/// Iterations that were begun and are done again, because the run ended before they were saved.

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "run_folder.hpp"

namespace pilqr::command {

/// The lines of a text that are JSON objects; a line that broke off is not. Nothing is built of
/// them.
std::string whole_lines(std::string_view text);

/// "abandoned_N_" and the name, in this directory, with the least N that is free.
std::filesystem::path free_name(const std::filesystem::path& directory, const std::string& name);

/// Keeps what there is of iterations that a run does again, trials of a robot among it: appends the
/// lines of metrics.jsonl behind its first `finished` bytes, if they are whole, to abandoned.jsonl,
/// and adds "abandoned_N_" in front of the names of their files in quarantine/ and samples/, with
/// the least N that is free. Again after an interruption it does the rest. Throws FileError.
/// @param iterations finished: later ones are done again.
void keep_abandoned(const RunFolder& folder, int iterations, std::size_t finished);

}  // namespace pilqr::command
