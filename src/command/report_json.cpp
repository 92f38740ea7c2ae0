#include "report_json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "json_lines.hpp"
#include "report_playback.hpp"
#include "statistics.hpp"

namespace pilqr::command {
namespace {

using Json = nlohmann::ordered_json;

/// A number with so many significant digits; null for NaN and infinity.
Json rounded(double value, int digits = 4) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.{}g}", value, digits).c_str(), nullptr);
}

std::vector<double> vector_of(const Json& array) {
  std::vector<double> out;
  for (const Json& value : array) out.push_back(number_or_none(value));
  return out;
}

Json as_interval(const Statistic& s) {
  return {rounded(s.mean, 6), rounded(s.low, 6), rounded(s.high, 6)};
}

Json as_row(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double value : values) out.push_back(rounded(value, 3));
  return out;
}

Json as_json(const ReportedCondition& condition, const ReportDetail& detail) {
  Json curve = Json::array();
  for (const std::size_t i : evenly(condition.curve.size(), detail.iterations)) {
    const CurvePoint& point = condition.curve[i];
    Json numbers = {{"iteration", point.iteration},
                    {"samples_total", point.samples_total},
                    {"seeds", point.seeds}};
    for (const auto& [key, statistic] : point.numbers) numbers[key] = as_interval(statistic);
    curve.push_back(std::move(numbers));
  }
  std::size_t most = 0;  // rows of the longest map
  for (const auto& [key, rows] : condition.steps) most = std::max(most, rows.size());
  const std::vector<std::size_t> kept = evenly(most, detail.iterations);
  Json steps = Json::object();
  for (const auto& [key, rows] : condition.steps) {
    for (const std::size_t i : kept) {
      if (i < rows.size()) steps[key].push_back(as_row(binned(rows[i], detail.bins)));
    }
  }
  Json reached = Json::array();
  for (const double samples : condition.reached) reached.push_back(rounded(samples, 9));
  return {{"condition", condition.condition},
          {"cost", as_interval(condition.cost)},
          {"distance", as_interval(condition.distance)},
          {"success", as_interval(condition.success)},
          {"reached", reached},
          {"points", condition.curve.size()},
          {"curve", curve},
          {"rows", kept},
          {"steps", steps}};
}

const char* name_of(systems::ShapeRole role) {
  constexpr std::array names = {"arm", "tool", "object", "fixed", "goal"};
  return names.at(static_cast<std::size_t>(role));
}
const char* name_of(systems::ShapeKind kind) {
  constexpr std::array names = {"line", "polygon", "circle"};
  return names.at(static_cast<std::size_t>(kind));
}

Json as_json(const Playback& playback) {
  Json shapes = Json::array();
  for (const PlayedShape& shape : playback.shapes) {
    Json frames = Json::array();
    for (const MatrixX& points : shape.points) {
      Json flat = Json::array();  // x and y in turn, in units of 0.1 mm
      for (const double value : points.reshaped()) {
        const bool drawn = std::abs(value) < 1e9;  // not what ran away, nor NaN
        flat.push_back(drawn ? Json(std::lround(1e4 * value)) : Json(nullptr));
      }
      frames.push_back(std::move(flat));
    }
    shapes.push_back({{"name", shape.name},
                      {"role", name_of(shape.role)},
                      {"kind", name_of(shape.kind)},
                      {"radius", rounded(shape.radius)},
                      {"frames", std::move(frames)}});
  }
  return {{"algorithm", playback.algorithm},   {"condition", playback.condition},
          {"iteration", playback.iteration},   {"noiseless", playback.noiseless},
          {"cost", rounded(playback.cost, 6)}, {"seconds_per_frame", playback.seconds_per_frame},
          {"shapes", std::move(shapes)}};
}

}  // namespace

std::vector<double> binned(const std::vector<double>& values, int bins) {
  const auto most = static_cast<std::size_t>(bins);
  const std::size_t width = (values.size() + most - 1) / most;
  std::vector<double> means;
  for (std::size_t t = 0; t < values.size(); t += width) {
    double sum = 0.0;
    int count = 0;
    for (std::size_t j = t; j < std::min(values.size(), t + width); ++j) {
      if (!std::isfinite(values[j])) continue;
      sum += values[j];
      ++count;
    }
    means.push_back(count > 0 ? sum / count : none);
  }
  return means;
}

std::vector<std::size_t> evenly(std::size_t count, int most) {
  const std::size_t kept = std::min(count, static_cast<std::size_t>(std::max(2, most)));
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < kept; ++i) {
    out.push_back(kept == count ? i : i * (count - 1) / (kept - 1));
  }
  return out;
}

std::vector<ReportedRow> parse_metrics(const std::string& text, const std::filesystem::path& path) {
  std::vector<ReportedRow> rows;
  for_each_line(text, path, [&](const Json& line) {
    ReportedRow row{.iteration = count_at(line, "iteration"),
                    .condition = count_at(line, "condition"),
                    .samples_total = line.at("samples_total").get<double>(),
                    .ok = line.at("status").get<std::string>() == "ok"};
    require(static_cast<std::size_t>(row.iteration) <= rows.size(), "iteration {} after {} lines",
            row.iteration, rows.size());
    for (const char* key : reported_numbers) row.numbers[key] = number_or_none(line.at(key));
    rows.push_back(std::move(row));
  });
  return rows;
}

std::vector<ReportedSteps> parse_details(const std::string& text, const std::filesystem::path& path,
                                         const Task& task, int iterations) {
  std::vector<ReportedSteps> out;
  for_each_line(text, path, [&](const Json& line) {
    ReportedSteps steps{.iteration = count_at(line, "iteration"),
                        .condition = count_at(line, "condition")};
    for (const char* key : reported_steps) {
      if (line.contains(key)) steps.arrays[key] = vector_of(line.at(key));
    }
    const Json& rollout = line.at("rollout");
    steps.every = count_at(rollout, "every");
    steps.cost = number_or_none(rollout.at("cost"));
    for (const Json& state : rollout.at("x")) {
      const std::vector<double> x = vector_of(state);
      steps.rollout.emplace_back(
          Eigen::Map<const VectorX>(x.data(), static_cast<Eigen::Index>(x.size())));
      require(rows(steps.rollout.back()) == task.nx && steps.rollout.back().allFinite() &&
                  steps.every >= 1,
              "a rollout of iteration {} is not one of the task {}", steps.iteration, task.name);
    }
    if (steps.iteration < iterations) out.push_back(std::move(steps));
  });
  return out;
}

std::string report_json(const std::vector<ReportedTask>& tasks, const ReportDetail& detail) {
  Json out = Json::array();
  for (const ReportedTask& task : tasks) {
    Json algorithms = Json::array();
    for (const ReportedAlgorithm& algorithm : task.algorithms) {
      Json conditions = Json::array();
      for (const ReportedCondition& c : algorithm.conditions)
        conditions.push_back(as_json(c, detail));
      algorithms.push_back({{"label", algorithm.label},
                            {"seeds", algorithm.seeds},
                            {"conditions", std::move(conditions)}});
    }
    Json playbacks = Json::array();
    if (detail.frames > 0) {
      for (const Playback& p : play(task, detail.samples, detail.frames)) {
        playbacks.push_back(as_json(p));
      }
    }
    out.push_back({{"task", task.task->name},
                   {"summary", task.task->summary},
                   {"distance_text", task.task->distance_text},
                   {"dt", task.task->dt},
                   {"steps", task.task->steps},
                   {"algorithms", std::move(algorithms)},
                   {"playbacks", std::move(playbacks)}});
  }
  // Neither "</script" nor "<!--" may end or change the script element that holds it.
  const std::string text = out.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string safe;
  for (const char c : text) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace pilqr::command
