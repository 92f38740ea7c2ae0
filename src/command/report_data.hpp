#pragma once
/// What a report shows, computed from the runs.

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "evaluate.hpp"
#include "run_folder.hpp"
#include "statistics.hpp"

namespace pilqr::command {

/// One line of metrics.jsonl; numbers that there are none of are NaN.
struct ReportedRow {
  int iteration = 0;
  int condition = 0;
  double samples_total = 0;
  bool ok = false;
  std::map<std::string, double> numbers{};  ///< by their keys, see reported_numbers
};
/// The keys of metrics.jsonl that a report averages over seeds.
inline constexpr std::array reported_numbers = {
    "cost_mean",        "cost_model_mean",       "residual_ratio", "kl_step_mean", "kl_mean",
    "temperature_mean", "effective_samples_min", "success_rate",   "distance_mean"};

/// One line of details.jsonl.
struct ReportedSteps {
  int iteration = 0;
  int condition = 0;
  std::map<std::string, std::vector<double>> arrays{};  ///< over the time steps
  std::vector<VectorX> rollout{};                       ///< states at every `every`-th step
  int every = 1;
  double cost = 0.0;  ///< of the rollout
};
/// The arrays of details.jsonl.
inline constexpr std::array reported_steps = {"residual_ratio", "kl_step",           "kl",
                                              "temperature",    "effective_samples", "exploration"};

/// A run folder as it was read.
struct ReportedRun {
  std::filesystem::path path{};
  TrainedRun trained{};
  std::vector<ReportedRow> rows{};
  std::vector<ReportedSteps> details{};
  std::vector<Evaluation> finals{};  ///< noiseless, of the saved policy, one per condition
};

/// The runs of the folders, each of them a run folder or one of `pilqr compare`, and evaluates
/// their policies. Throws FileError or InvalidArgument, naming the file, if one is neither or holds
/// something damaged.
std::vector<ReportedRun> read_runs(const std::vector<std::filesystem::path>& folders);

/// One iteration, over the seeds that got as far.
struct CurvePoint {
  int iteration = 0;
  double samples_total = 0.0;
  int seeds = 0;
  std::map<std::string, Statistic> numbers{};
};

/// What an algorithm did in one condition; `condition` is -1 for the mean over all of them.
struct ReportedCondition {
  int condition = -1;
  std::vector<CurvePoint> curve{};
  Statistic cost{};  ///< noiseless, of the final policies
  Statistic distance{};
  Statistic success{};
  /// By key of reported_steps: iteration by time step, mean over the seeds. Not for the mean over
  /// conditions.
  std::map<std::string, std::vector<std::vector<double>>> steps{};
  /// For each algorithm of the task, in order: rollouts after which this one's mean distance was at
  /// most the other's last; NaN if it never was.
  std::vector<double> reached{};
};

struct ReportedAlgorithm {
  std::string label;  ///< the name, and the folder where one name has several settings
  std::vector<std::uint64_t> seeds{};
  std::vector<const ReportedRun*> runs{};
  std::vector<ReportedCondition> conditions{};  ///< the mean first, if there are several
};

struct ReportedTask {
  const Task* task = nullptr;
  std::vector<ReportedAlgorithm> algorithms{};
};

/// Groups runs by task, and by settings other than the seed. The runs must outlive the result.
/// Throws InvalidArgument if runs of one task have no condition in common.
std::vector<ReportedTask> summarize(const std::vector<ReportedRun>& runs);

/// The least samples_total at which the mean distance is at most `distance`; NaN if it never is.
double samples_to_reach(const std::vector<CurvePoint>& curve, double distance);

}  // namespace pilqr::command
