#pragma once
/// What a comparison of algorithms found, as JSON and as a table.

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate.hpp"
#include "metrics.hpp"
#include "run_folder.hpp"

namespace pilqr::command {

/// One run of a comparison.
struct ComparedRun {
  RunSettings run{};
  RunFolder folder{};
  bool finished = false;           ///< false: not begun, or interrupted
  std::vector<MetricsRow> rows{};  ///< of all iterations and conditions
  Progress progress{};
  Failure failure{};                    ///< what stopped the training, if anything did
  std::string unsaved{};                ///< see RunOutcome
  std::vector<Evaluation> noiseless{};  ///< of the last good policies, one per condition
  std::vector<Evaluation> noisy{};      ///< the same with exploration noise
};

/// The runs of one algorithm, in the order of their seeds.
struct ComparedAlgorithm {
  Settings settings{};                      ///< of all its runs, with the first one's seed
  std::vector<ComparedRun> runs{};          ///< those that are finished
  std::vector<std::uint64_t> unfinished{};  ///< seeds of the others
};

/// summary.json. Depends on the settings alone, not on times, threads or folders.
std::string summary_json(const std::vector<ComparedAlgorithm>& algorithms);

/// A row per algorithm and condition; "-" where no run is finished.
std::string summary_table(const std::vector<ComparedAlgorithm>& algorithms);

}  // namespace pilqr::command
