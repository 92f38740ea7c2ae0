#include "report_json.hpp"

#include <cmath>
#include <cstdlib>

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

/// Means over equal parts of the time.
Json binned(const std::vector<double>& values, int bins) {
  const std::size_t width =
      (values.size() + static_cast<std::size_t>(bins) - 1) / static_cast<std::size_t>(bins);
  Json out = Json::array();
  for (std::size_t t = 0; t < values.size(); t += width) {
    const std::size_t stop = std::min(values.size(), t + width);
    double sum = 0.0;
    for (std::size_t j = t; j < stop; ++j) sum += values[j];
    out.push_back(rounded(sum / static_cast<double>(stop - t), 3));
  }
  return out;
}

Json as_json(const ReportedCondition& condition, const ReportDetail& detail) {
  Json curve = Json::array();
  for (const CurvePoint& point : condition.curve) {
    Json numbers = {{"iteration", point.iteration},
                    {"samples_total", point.samples_total},
                    {"seeds", point.seeds}};
    for (const auto& [key, statistic] : point.numbers) numbers[key] = as_interval(statistic);
    curve.push_back(std::move(numbers));
  }
  Json steps = Json::object();
  for (const auto& [key, rows] : condition.steps) {
    for (const auto& row : rows) steps[key].push_back(binned(row, detail.bins));
  }
  Json reached = Json::array();
  for (const double samples : condition.reached) reached.push_back(rounded(samples, 9));
  return {{"condition", condition.condition},
          {"cost", as_interval(condition.cost)},
          {"distance", as_interval(condition.distance)},
          {"success", as_interval(condition.success)},
          {"reached", reached},
          {"curve", curve},
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
