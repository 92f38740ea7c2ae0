#include "comparison.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "console.hpp"
#include "statistics.hpp"

namespace pilqr::command {
namespace {

using Json = nlohmann::ordered_json;

/// field(run) of all finished runs.
template <class Field>
std::vector<double> over_seeds(const ComparedAlgorithm& algorithm, Field&& field) {
  std::vector<double> values;
  for (const ComparedRun& run : algorithm.runs) values.push_back(field(run));
  return values;
}

Json as_json(const Statistic& s) {
  return {{"mean", s.mean}, {"std", s.std}, {"ci95", {s.low, s.high}}};
}
Json as_json(const std::vector<double>& values) {
  Json out = as_json(describe(values));
  out["values"] = values;
  return out;
}

/// Over the seeds that got as far as each iteration.
Json curve(const ComparedAlgorithm& algorithm, int condition) {
  Json out = Json::array();
  for (int iteration = 0; iteration < algorithm.settings.iterations; ++iteration) {
    long samples_total = 0;
    std::vector<double> cost;
    std::vector<double> distance;
    std::vector<double> success;
    for (const ComparedRun& run : algorithm.runs) {
      for (const MetricsRow& row : run.rows) {
        const IterationRecord& record = row.record;
        if (record.iteration != iteration || record.condition != condition) continue;
        if (std::isnan(record.report.cost_mean)) continue;
        samples_total = row.samples_total;
        cost.push_back(record.report.cost_mean);
        distance.push_back(row.distance_mean);
        success.push_back(row.success_rate);
      }
    }
    if (cost.empty()) break;
    out.push_back({{"iteration", iteration},
                   {"samples_total", samples_total},
                   {"seeds", cost.size()},
                   {"cost", as_json(describe(cost))},
                   {"distance", as_json(describe(distance))},
                   {"success_rate", as_json(describe(success))}});
  }
  return out;
}

Json condition_json(const ComparedAlgorithm& algorithm, std::size_t m) {
  const int condition = algorithm.settings.conditions[m];
  const auto mean = [&](double Evaluation::*field) {
    return as_json(
        over_seeds(algorithm, [&](const ComparedRun& run) { return run.noiseless[m].*field; }));
  };
  const auto noisy = [&](double Evaluation::*field) {
    return as_json(
        over_seeds(algorithm, [&](const ComparedRun& run) { return run.noisy[m].*field; }));
  };
  return {{"condition", condition},
          {"cost", mean(&Evaluation::cost_mean)},
          {"noisy_cost", noisy(&Evaluation::cost_mean)},
          {"distance", mean(&Evaluation::distance_mean)},
          {"success_rate", mean(&Evaluation::success_rate)},
          {"noisy_success_rate", noisy(&Evaluation::success_rate)},
          {"curve", curve(algorithm, condition)}};
}

}  // namespace

std::string summary_json(const std::vector<ComparedAlgorithm>& algorithms) {
  const Settings& first = algorithms.front().settings;
  Json list = Json::array();
  for (const ComparedAlgorithm& algorithm : algorithms) {
    Json conditions = Json::array();
    for (std::size_t m = 0; m < first.conditions.size(); ++m) {
      conditions.push_back(condition_json(algorithm, m));
    }
    Json seeds = Json::array();
    Json samples = Json::array();
    Json failures = Json::array();
    for (const ComparedRun& run : algorithm.runs) {
      seeds.push_back(run.run.settings.seed);
      samples.push_back(run.progress.samples_total);
      if (run.failure.ok()) continue;
      failures.push_back({{"seed", run.run.settings.seed},
                          {"iteration", run.progress.iterations},
                          {"message", run.failure.message()}});
    }
    list.push_back({{"algorithm", name(algorithm.settings.algorithm)},
                    {"seeds", seeds},
                    {"unfinished", algorithm.unfinished},
                    {"samples_total", samples},
                    {"failures", failures},
                    {"conditions", conditions}});
  }
  Json seeds = Json::array();
  const std::size_t count = algorithms.front().runs.size() + algorithms.front().unfinished.size();
  for (std::size_t j = 0; j < count; ++j) seeds.push_back(first.seed + j);
  const Json out = {{"task", first.task},
                    {"seeds", seeds},
                    {"rollouts", EvaluationOptions{}.rollouts},
                    {"algorithms", list}};
  // A system's error message may hold any bytes.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string summary_table(const std::vector<ComparedAlgorithm>& algorithms) {
  std::string out = fmt::format("{:<10} {:>9} {:>11} ± {:<9} {:>11} {:<9} {:>11} {:>8} {:>8}\n",
                                "algorithm", "condition", "final cost", "95 %", "worst", "seed",
                                "with noise", "success", "samples");
  for (const ComparedAlgorithm& algorithm : algorithms) {
    const Settings& settings = algorithm.settings;
    for (std::size_t m = 0; m < settings.conditions.size(); ++m) {
      const auto value = [&](const ComparedRun& run) { return run.noiseless[m].cost_mean; };
      const Statistic cost = describe(over_seeds(algorithm, value));
      // A seed without a cost, whose policy cannot be run, is the worst.
      const ComparedRun* worst = nullptr;
      for (const ComparedRun& run : algorithm.runs) {
        if (worst != nullptr && std::isnan(value(*worst))) break;
        if (worst == nullptr || !(value(run) <= value(*worst))) worst = &run;
      }
      const Statistic noisy = describe(
          over_seeds(algorithm, [&](const ComparedRun& run) { return run.noisy[m].cost_mean; }));
      const auto successes = [&](const ComparedRun& run) { return run.noiseless[m].success_rate; };
      const Statistic success = describe(over_seeds(algorithm, successes));
      long samples = 0;
      for (const ComparedRun& run : algorithm.runs) {
        samples = std::max(samples, run.progress.samples_total);
      }
      out += fmt::format("{:<10} {:>9} {:>11} ± {:<9} {:>11} {:<9} {:>11} {:>8} {:>8}\n",
                         name(settings.algorithm), settings.conditions[m], short_number(cost.mean),
                         short_number(cost.high - cost.mean),
                         worst == nullptr ? "-" : short_number(value(*worst)),
                         worst == nullptr ? "-" : fmt::format("{}", worst->run.settings.seed),
                         short_number(noisy.mean), percent(success.mean), samples);
    }
  }
  return out;
}

}  // namespace pilqr::command
