#pragma once
/// pilqr diagnose: what limits a run, in words.

#include <filesystem>
#include <string>
#include <vector>

#include "diagnosis.hpp"
#include "settings_file.hpp"

namespace pilqr::command {

struct DiagnoseArguments {
  std::filesystem::path folder{};
  bool json = false;
};

/// What the rules look at in the lines of metrics.jsonl, one per condition of the settings. Throws
/// FileError, naming the line, if one is damaged or not in the order of the iterations.
std::vector<MetricsHistory> parse_histories(const std::string& text,
                                            const std::filesystem::path& path,
                                            const RunSettings& run);

/// The same of a run folder, one per condition of its settings. Throws FileError,
/// naming the file and the line, or InvalidArgument.
std::vector<MetricsHistory> read_histories(const std::filesystem::path& folder);

/// Prints the findings. Returns the exit status.
int diagnose_command(const DiagnoseArguments& arguments);

}  // namespace pilqr::command
