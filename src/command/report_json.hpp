#pragma once
/// The JSON that a report reads and holds.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "report_data.hpp"

namespace pilqr::command {

/// The lines of metrics.jsonl. Throws FileError naming the line that is damaged: an iteration has
/// at least as many lines before it as iterations.
std::vector<ReportedRow> parse_metrics(const std::string& text, const std::filesystem::path& path);

/// The lines of details.jsonl, but for those from this iteration on, which a run that goes on
/// appends meanwhile. Throws FileError naming the line that is damaged or has states of another
/// size than the task's.
std::vector<ReportedSteps> parse_details(const std::string& text, const std::filesystem::path& path,
                                         const Task& task, int iterations);

/// How much of what fills a report is kept, at most.
struct ReportDetail {
  int samples = 6;       ///< rollouts between the first and the last policy
  int frames = 100;      ///< of a rollout; 0: no rollouts, not even those of the policies
  int bins = 100;        ///< time steps of a map
  int iterations = 400;  ///< of a curve, and rows of a map, evenly; at least 2: the first and last
};

/// Means of the finite values over equal parts of them, at most `bins`; NaN where there is none.
std::vector<double> binned(const std::vector<double>& values, int bins);

/// `most` of the indices 0..count-1, evenly spaced, with the first and the last one; all of them if
/// there are no more.
std::vector<std::size_t> evenly(std::size_t count, int most);

/// The report's data as JSON that may stand in a script element: no "<" in it.
std::string report_json(const std::vector<ReportedTask>& tasks, const ReportDetail& detail);

}  // namespace pilqr::command
