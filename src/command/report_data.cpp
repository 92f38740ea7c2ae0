#include "report_data.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

namespace pilqr::command {
namespace {

/// The settings that make a difference to what is learnt, but the seed and number of iterations.
std::string kind_of(const ReportedRun& run) {
  RunSettings settings = run.trained.run;
  settings.settings.seed = 0;
  settings.settings.iterations = 1;
  settings.keep_samples = KeepSamples::none;
  settings.tell_after = 1.0;
  return to_toml(settings);
}

/// The lines of a run by what they are asked for, so that each is looked at a few times only.
struct SortedRun {
  const ReportedRun* run;
  std::vector<double> samples_total{};                         // by iteration
  std::map<int, std::vector<const ReportedRow*>> rows{};       // good ones, by condition
  std::map<int, std::vector<const ReportedSteps*>> details{};  // by condition
};

SortedRun sort(const ReportedRun& run) {
  SortedRun out{.run = &run};
  for (const ReportedRow& row : run.rows) {
    const auto iteration = static_cast<std::size_t>(row.iteration);
    if (out.samples_total.size() <= iteration) out.samples_total.resize(iteration + 1);
    double& samples = out.samples_total[iteration];
    samples = std::max(samples, row.samples_total);
    if (row.ok) out.rows[row.condition].push_back(&row);
  }
  for (const ReportedSteps& line : run.details) out.details[line.condition].push_back(&line);
  return out;
}

using SortedRuns = std::vector<const SortedRun*>;
using ReportedNumbers = std::array<double, reported_numbers.size()>;

/// The numbers of a run by iteration, means over these conditions; NaN unless all have them.
std::vector<ReportedNumbers> means_of(const SortedRun& run, const std::vector<int>& conditions) {
  std::vector<ReportedNumbers> means(run.samples_total.size(), ReportedNumbers{});
  std::vector<std::size_t> found(means.size());
  for (const int condition : conditions) {
    const auto rows = run.rows.find(condition);
    if (rows == run.rows.end()) continue;
    for (const ReportedRow* row : rows->second) {
      const auto iteration = static_cast<std::size_t>(row->iteration);
      ++found[iteration];
      for (std::size_t k = 0; k < reported_numbers.size(); ++k) {
        means[iteration][k] += row->numbers.at(reported_numbers[k]);
      }
    }
  }
  for (std::size_t iteration = 0; iteration < means.size(); ++iteration) {
    const bool all = found[iteration] == conditions.size();
    for (double& mean : means[iteration]) {
      mean = all ? mean / static_cast<double>(conditions.size()) : none;
    }
  }
  return means;
}

/// Of the values that are there.
Statistic describe_finite(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  return describe(values);
}

std::vector<CurvePoint> curve_of(const SortedRuns& runs, const std::vector<int>& conditions) {
  std::vector<std::vector<ReportedNumbers>> means;  // of each run
  std::size_t iterations = 0;
  for (const SortedRun* run : runs) {
    means.push_back(means_of(*run, conditions));
    iterations = std::max(iterations, means.back().size());
  }
  constexpr std::size_t cost_mean = 0;
  static_assert(std::string_view(reported_numbers[cost_mean]) == "cost_mean");
  std::vector<CurvePoint> curve;
  for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
    CurvePoint point{.iteration = static_cast<int>(iteration)};
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (means[i].size() <= iteration || std::isnan(means[i][iteration][cost_mean])) continue;
      ++point.seeds;
      point.samples_total = std::max(point.samples_total, runs[i]->samples_total[iteration]);
    }
    if (point.seeds == 0) continue;
    for (std::size_t k = 0; k < reported_numbers.size(); ++k) {
      std::vector<double> values;
      for (const auto& of_run : means) {
        if (iteration < of_run.size()) values.push_back(of_run[iteration][k]);
      }
      point.numbers[reported_numbers[k]] = describe_finite(std::move(values));
    }
    curve.push_back(std::move(point));
  }
  return curve;
}

/// A noiseless number of the final policies, a mean over conditions per run.
Statistic final_of(const SortedRuns& runs, const std::vector<int>& conditions,
                   double Evaluation::*field) {
  std::vector<double> values;
  for (const SortedRun* run : runs) {
    double sum = 0.0;
    for (const Evaluation& e : run->run->finals) {
      const bool asked =
          std::find(conditions.begin(), conditions.end(), e.condition) != conditions.end();
      if (asked) sum += e.*field / static_cast<double>(conditions.size());
    }
    values.push_back(sum);
  }
  return describe_finite(std::move(values));
}

/// Iteration by time step, mean over the runs that have the number.
std::vector<std::vector<double>> steps_of(const SortedRuns& runs, int condition,
                                          const std::string& key) {
  std::vector<std::vector<double>> sums;
  std::vector<std::vector<int>> counts;
  for (const SortedRun* run : runs) {
    const auto lines = run->details.find(condition);
    if (lines == run->details.end()) continue;
    for (const ReportedSteps* line : lines->second) {
      const auto found = line->arrays.find(key);
      if (found == line->arrays.end()) continue;
      const auto row = static_cast<std::size_t>(line->iteration);
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

ReportedCondition describe_condition(const SortedRuns& runs, int condition,
                                     const std::vector<int>& members) {
  ReportedCondition out{.condition = condition, .curve = curve_of(runs, members)};
  out.cost = final_of(runs, members, &Evaluation::cost_mean);
  out.distance = final_of(runs, members, &Evaluation::distance_mean);
  out.success = final_of(runs, members, &Evaluation::success_rate);
  if (members.size() == 1) {
    for (const char* key : reported_steps) out.steps[key] = steps_of(runs, members.front(), key);
  }
  return out;
}

/// The mean over all conditions, if there are several, and each of them.
std::vector<ReportedCondition> describe_conditions(const ReportedAlgorithm& algorithm,
                                                   const std::vector<int>& conditions) {
  std::vector<SortedRun> sorted;
  for (const ReportedRun* run : algorithm.runs) sorted.push_back(sort(*run));
  SortedRuns runs;
  for (const SortedRun& run : sorted) runs.push_back(&run);
  std::vector<ReportedCondition> out;
  if (conditions.size() > 1) out.push_back(describe_condition(runs, -1, conditions));
  for (const int condition : conditions) {
    out.push_back(describe_condition(runs, condition, {condition}));
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
      algorithm.conditions = describe_conditions(algorithm, conditions);
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
