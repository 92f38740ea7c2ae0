#pragma once
/// The JSON that a report reads and holds.

#include <filesystem>
#include <string>
#include <vector>

#include "report_data.hpp"

namespace pilqr::command {

/// Throws FileError naming the line that is damaged.
std::vector<ReportedRow> parse_metrics(const std::string& text, const std::filesystem::path& path);
std::vector<ReportedSteps> parse_details(const std::string& text,
                                         const std::filesystem::path& path);

/// How much of what fills a report is kept.
struct ReportDetail {
  int samples = 6;   ///< rollouts between the first and the last policy
  int frames = 100;  ///< of a rollout
  int bins = 100;    ///< time steps of a map
};

/// The report's data as JSON that may stand in a script element: no "<" in it.
std::string report_json(const std::vector<ReportedTask>& tasks, const ReportDetail& detail);

}  // namespace pilqr::command
