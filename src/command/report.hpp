#pragma once
/// pilqr report: one HTML file that opens offline.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "report_data.hpp"

namespace pilqr::command {

/// The page, with everything in it. Throws InvalidArgument if it does not fit with the least detail
/// either, as with hundreds of algorithms.
/// @param most bytes that it may have; detail is left out until it fits, playback last.
std::string report_page(const std::vector<ReportedRun>& runs,
                        std::size_t most = std::size_t{5} * 1024 * 1024);

/// Writes `folder`/report.html of the run or comparison in a folder, and tells if that is not
/// possible: false.
bool write_report(const std::filesystem::path& folder);

struct ReportArguments {
  std::vector<std::filesystem::path> folders{};
  /// If not given: report.html in the folder, or with several in the current one.
  std::optional<std::filesystem::path> out{};
};

/// Returns the exit status. Throws InvalidArgument or FileError for bad input.
int report_command(const ReportArguments& arguments);

}  // namespace pilqr::command
