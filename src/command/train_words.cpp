#include "train_words.hpp"

#include <cmath>

#include "console.hpp"

namespace pilqr::command {

void tell_damage(const RunFolder& folder, const SavedRun& saved) {
  if (!saved.torn.empty()) print_error(saved.torn);
  if (saved.damage.empty()) return;
  print_error(fmt::format("{}; going on from {}, after iteration {}", saved.damage,
                          previous_checkpoint(folder.checkpoint()).string(),
                          saved.progress.iterations));
}

std::vector<std::string> failed_updates(const std::vector<MetricsRow>& rows, bool alone) {
  std::vector<std::string> words;
  if (!rows.empty() && rows.front().guided && !rows.front().guided->supervision_failure.ok()) {
    words.push_back(fmt::format("iteration {}: the S-step failed, the network stays as it was: {}",
                                rows.front().record.iteration + 1,
                                rows.front().guided->supervision_failure.message()));
  }
  for (const MetricsRow& row : rows) {
    const UpdateReport& report = row.record.report;
    if (report.ok()) continue;
    const bool left_out = alone && std::isnan(report.cost_mean);
    words.push_back(fmt::format(
        "iteration {}: {}: {}", row.record.iteration + 1,
        left_out ? "a condition is left out" : "update failed, the policy stays as it was",
        report.failure.message()));
  }
  return words;
}

void tell(const RunOutcome& outcome, const std::vector<MetricsRow>& last, const Settings& settings,
          const RunFolder& folder) {
  const std::string where = folder.path.string();
  if (!outcome.failure.ok()) {
    const std::string times =
        outcome.failed_updates > 1
            ? fmt::format("; {} updates in a row have failed", outcome.failed_updates)
            : "";
    print_error(fmt::format("iteration {} failed: {}{}; {} holds the last good policy",
                            outcome.progress.iterations + 1, outcome.failure.message(), times,
                            folder.policy().string()));
    if (!outcome.unsaved.empty()) print_error(outcome.unsaved);
    return;
  }
  if (outcome.interrupted) {
    print(
        fmt::format("Interrupted after {} of {} iterations; go on with: pilqr train --resume {}\n",
                    outcome.progress.iterations, settings.iterations, where));
    return;
  }
  double cost = 0.0;
  double success = 0.0;
  for (const MetricsRow& row : last) {
    cost += row.record.report.cost_mean / static_cast<double>(last.size());
    success += row.success_rate / static_cast<double>(last.size());
  }
  print(fmt::format(
      "Done: {} iterations{}, {} rollouts, cost {}, success {}; run folder {}\n",
      outcome.progress.iterations,
      outcome.spent ? fmt::format(" of {}, exploration is spent", settings.iterations) : "",
      outcome.progress.samples_total, short_number(cost), percent(success), where));
}

}  // namespace pilqr::command
