#pragma once
/// pilqr diagnose: what limits a run, in words.

#include <filesystem>
#include <vector>

#include "diagnosis.hpp"

namespace pilqr::command {

struct DiagnoseArguments {
  std::filesystem::path folder{};
  bool json = false;
};

/// What the rules look at of a run folder, one per condition of its settings. Throws FileError,
/// naming the file and the line, or InvalidArgument.
std::vector<MetricsHistory> read_histories(const std::filesystem::path& folder);

/// Prints the findings. Returns the exit status.
int diagnose_command(const DiagnoseArguments& arguments);

}  // namespace pilqr::command
