#include "report_data.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace pilqr::command {
namespace {

/// The settings without their seed and number of iterations.
std::string kind_of(const ReportedRun& run) {
  RunSettings settings = run.trained.run;
  settings.settings.seed = 0;
  settings.settings.iterations = 1;
  return to_toml(settings);
}

/// A number of a run in one iteration, the mean over these conditions; NaN unless all have it.
double number_of(const ReportedRun& run, int iteration, const std::vector<int>& conditions,
                 const std::string& key) {
  double sum = 0.0;
  std::size_t found = 0;
  for (const ReportedRow& row : run.rows) {
    if (row.iteration != iteration || !row.ok) continue;
    if (std::find(conditions.begin(), conditions.end(), row.condition) == conditions.end())
      continue;
    sum += row.numbers.at(key);
    ++found;
  }
  return found == conditions.size() ? sum / static_cast<double>(found) : none;
}

/// Of the values that are there.
Statistic describe_finite(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  return describe(values);
}

std::vector<CurvePoint> curve_of(const std::vector<const ReportedRun*>& runs,
                                 const std::vector<int>& conditions) {
  int last = -1;
  for (const ReportedRun* run : runs) {
    for (const ReportedRow& row : run->rows) last = std::max(last, row.iteration);
  }
  std::vector<CurvePoint> curve;
  for (int iteration = 0; iteration <= last; ++iteration) {
    CurvePoint point{.iteration = iteration};
    for (const ReportedRun* run : runs) {
      if (std::isnan(number_of(*run, iteration, conditions, "cost_mean"))) continue;
      ++point.seeds;
      for (const ReportedRow& row : run->rows) {
        if (row.iteration != iteration) continue;
        point.samples_total = std::max(point.samples_total, row.samples_total);
      }
    }
    if (point.seeds == 0) continue;
    for (const char* key : reported_numbers) {
      std::vector<double> values;
      for (const ReportedRun* run : runs) {
        values.push_back(number_of(*run, iteration, conditions, key));
      }
      point.numbers[key] = describe_finite(std::move(values));
    }
    curve.push_back(std::move(point));
  }
  return curve;
}

/// A noiseless number of the final policies, a mean over conditions per run.
Statistic final_of(const std::vector<const ReportedRun*>& runs, const std::vector<int>& conditions,
                   double Evaluation::*field) {
  std::vector<double> values;
  for (const ReportedRun* run : runs) {
    double sum = 0.0;
    for (const Evaluation& e : run->finals) {
      const bool asked =
          std::find(conditions.begin(), conditions.end(), e.condition) != conditions.end();
      if (asked) sum += e.*field / static_cast<double>(conditions.size());
    }
    values.push_back(sum);
  }
  return describe_finite(std::move(values));
}

/// Iteration by time step, mean over the runs that have the number.
std::vector<std::vector<double>> steps_of(const std::vector<const ReportedRun*>& runs,
                                          int condition, const std::string& key) {
  std::vector<std::vector<double>> sums;
  std::vector<std::vector<int>> counts;
  for (const ReportedRun* run : runs) {
    for (const ReportedSteps& line : run->details) {
      const auto found = line.arrays.find(key);
      if (line.condition != condition || found == line.arrays.end()) continue;
      const auto row = static_cast<std::size_t>(line.iteration);
      if (sums.size() <= row) {
        sums.resize(row + 1);
        counts.resize(row + 1);
      }
      sums[row].resize(found->second.size(), 0.0);
      counts[row].resize(found->second.size(), 0);
      for (std::size_t t = 0; t < found->second.size(); ++t) {
        if (!std::isfinite(found->second[t])) continue;
        sums[row][t] += found->second[t];
        ++counts[row][t];
      }
    }
  }
  for (std::size_t row = 0; row < sums.size(); ++row) {
    for (std::size_t t = 0; t < sums[row].size(); ++t) {
      sums[row][t] = counts[row][t] > 0 ? sums[row][t] / counts[row][t] : none;
    }
  }
  return sums;
}

ReportedCondition describe_condition(const ReportedAlgorithm& algorithm, int condition,
                                     const std::vector<int>& members) {
  ReportedCondition out{.condition = condition, .curve = curve_of(algorithm.runs, members)};
  out.cost = final_of(algorithm.runs, members, &Evaluation::cost_mean);
  out.distance = final_of(algorithm.runs, members, &Evaluation::distance_mean);
  out.success = final_of(algorithm.runs, members, &Evaluation::success_rate);
  if (members.size() == 1) {
    for (const char* key : reported_steps) {
      out.steps[key] = steps_of(algorithm.runs, members.front(), key);
    }
  }
  return out;
}

/// The conditions that all runs of a task have, ascending.
std::vector<int> common_conditions(const ReportedTask& task) {
  std::set<int> common;
  bool first = true;
  for (const ReportedAlgorithm& algorithm : task.algorithms) {
    for (const ReportedRun* run : algorithm.runs) {
      const std::vector<int>& own = run->trained.run.settings.conditions;
      const std::set<int> here(own.begin(), own.end());
      if (first) common = here;
      first = false;
      std::erase_if(common, [&](int condition) { return !here.contains(condition); });
    }
  }
  require(!common.empty(), "the runs of {} have no condition in common", task.task->name);
  return {common.begin(), common.end()};
}

/// Labels that tell the algorithms apart.
void label(ReportedTask& task) {
  std::map<std::string, int> count;
  for (const ReportedAlgorithm& algorithm : task.algorithms) ++count[algorithm.label];
  for (ReportedAlgorithm& algorithm : task.algorithms) {
    if (count[algorithm.label] == 1) continue;
    algorithm.label += " (" + algorithm.runs.front()->path.string() + ')';
  }
}

}  // namespace

double samples_to_reach(const std::vector<CurvePoint>& curve, double distance) {
  for (const CurvePoint& point : curve) {
    if (point.numbers.at("distance_mean").mean <= distance) return point.samples_total;
  }
  return none;
}

std::vector<ReportedTask> summarize(const std::vector<ReportedRun>& runs) {
  std::vector<ReportedTask> out;
  std::vector<std::vector<std::string>> kinds;  // beside the algorithms
  for (const ReportedRun& run : runs) {
    const Settings& settings = run.trained.run.settings;
    const Task& task = find_task(settings.task);
    std::size_t i = 0;
    while (i < out.size() && out[i].task != &task) ++i;
    if (i == out.size()) {
      out.push_back({.task = &task});
      kinds.emplace_back();
    }
    const std::string kind = kind_of(run);
    std::size_t j = 0;
    while (j < kinds[i].size() && kinds[i][j] != kind) ++j;
    if (j == kinds[i].size()) {
      out[i].algorithms.push_back({.label = name(settings.algorithm)});
      kinds[i].push_back(kind);
    }
    out[i].algorithms[j].seeds.push_back(settings.seed);
    out[i].algorithms[j].runs.push_back(&run);
  }
  for (ReportedTask& task : out) {
    std::stable_sort(task.algorithms.begin(), task.algorithms.end(),
                     [](const ReportedAlgorithm& a, const ReportedAlgorithm& b) {
                       const auto kind = [](const ReportedAlgorithm& one) {
                         return one.runs.front()->trained.run.settings.algorithm;
                       };
                       return kind(a) < kind(b);
                     });
    label(task);
    const std::vector<int> conditions = common_conditions(task);
    for (ReportedAlgorithm& algorithm : task.algorithms) {
      if (conditions.size() > 1) {
        algorithm.conditions.push_back(describe_condition(algorithm, -1, conditions));
      }
      for (const int condition : conditions) {
        algorithm.conditions.push_back(describe_condition(algorithm, condition, {condition}));
      }
    }
    for (ReportedAlgorithm& algorithm : task.algorithms) {
      for (std::size_t m = 0; m < algorithm.conditions.size(); ++m) {
        ReportedCondition& mine = algorithm.conditions[m];
        for (const ReportedAlgorithm& other : task.algorithms) {
          const std::vector<CurvePoint>& curve = other.conditions[m].curve;
          mine.reached.push_back(
              curve.empty()
                  ? none
                  : samples_to_reach(mine.curve, curve.back().numbers.at("distance_mean").mean));
        }
      }
    }
  }
  return out;
}

}  // namespace pilqr::command
