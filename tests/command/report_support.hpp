#pragma once
/// Runs for the tests of a report.

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "report_data.hpp"

namespace pilqr::test {

/// A run of the reacher with these mean costs, [iteration][condition]; distances are a tenth.
inline command::ReportedRun run_of(std::uint64_t seed,
                                   const std::vector<std::vector<double>>& costs) {
  using namespace command;
  const Task& task = find_task("reacher");
  ReportedRun run{.path = "runs/a"};
  Settings& settings = run.trained.run.settings;
  settings = default_settings(task, Algorithm::pilqr);
  settings.seed = seed;
  settings.conditions = {3, 1};
  PolicyFile& file = run.trained.policy;
  file.conditions = settings.conditions;
  file.iteration = static_cast<int>(costs.size());
  for (const int condition : settings.conditions) {
    file.policies.push_back(task.initial_policy(condition));
  }
  for (std::size_t i = 0; i < costs.size(); ++i) {
    for (std::size_t m = 0; m < 2; ++m) {
      ReportedRow row{
          .iteration = static_cast<int>(i),
          .condition = settings.conditions[m],
          .samples_total = 40.0 * static_cast<double>(i) + 20.0 * static_cast<double>(m + 1),
          .ok = std::isfinite(costs[i][m])};
      for (const char* key : reported_numbers)
        row.numbers[key] = std::numeric_limits<double>::quiet_NaN();
      row.numbers["cost_mean"] = costs[i][m];
      row.numbers["distance_mean"] = costs[i][m] / 10.0;
      run.rows.push_back(row);
      run.details.push_back(
          {.iteration = row.iteration,
           .condition = row.condition,
           .arrays = {{"kl_step", {costs[i][m], std::numeric_limits<double>::quiet_NaN()}}}});
    }
  }
  for (std::size_t m = 0; m < 2; ++m) {
    run.finals.push_back({.condition = settings.conditions[m],
                          .cost_mean = costs.back()[m] - 1.0,
                          .distance_mean = 0.5,
                          .success_rate = static_cast<double>(m)});
  }
  return run;
}

}  // namespace pilqr::test
