#include "metrics.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "console.hpp"
#include "pilqr/io/atomic_file.hpp"

namespace pilqr::command {

MetricsRow describe_update(const IterationRecord& record, const Rollouts<>& rollouts,
                           const Task& task, const Progress& before) {
  MetricsRow row{.record = record};
  const int N = rollouts.samples();
  row.samples_total = before.samples_total + record.rollouts;
  row.steps_total = before.steps_total + long{record.rollouts} * rollouts.steps();
  if (std::isnan(record.report.cost_mean)) return row;  // a rollout failed
  int successes = 0;
  double distance = 0.0;
  for (int i = 0; i < N; ++i) {
    successes += task.success(rollouts, record.condition, i) ? 1 : 0;
    distance += task.distance(rollouts, record.condition, i);
  }
  row.success_rate = static_cast<double>(successes) / N;
  row.distance_mean = distance / N;
  return row;
}

std::string to_line(const MetricsRow& row) {
  const UpdateReport& report = row.record.report;
  nlohmann::ordered_json line = {
      {"iteration", row.record.iteration},
      {"condition", row.record.condition},
      {"samples_total", row.samples_total},
      {"steps_total", row.steps_total},
      {"cost_mean", report.cost_mean},
      {"cost_std", report.cost_std},
      {"cost_min", report.cost_min},
      {"cost_model_mean", report.cost_model_mean},
      {"residual_ratio", report.residual_ratio},
      {"kl_step_mean", report.kl_step_mean},
      {"kl_mean", report.kl_mean},
      {"temperature_mean", report.temperature_mean},
      {"effective_samples_min", report.effective_samples_min},
      {"noise_std_min", report.noise_std_min},
      {"noise_ratio_min", report.noise_ratio_min},
      {"noise_ratio_max", report.noise_ratio_max},
      {"floored_steps", report.floored_steps},
      {"success_rate", row.success_rate},
      {"distance_mean", row.distance_mean},
      {"seconds_rollout", row.record.seconds_rollout},
      {"seconds_update", row.record.seconds_update},
      {"status", name(report.failure.kind)},
  };
  if (row.guided) {
    const GuidedFigures& guided = *row.guided;
    line["supervision_loss"] = guided.supervision_loss;
    line["supervision_error"] = guided.supervision_error;
    line["seconds_fit"] = guided.seconds_fit;
    line["seconds_c_step"] = guided.seconds_c_step;
    line["seconds_s_step"] = guided.seconds_s_step;
    if (!guided.supervision_failure.ok()) {
      line["supervision_failure"] = guided.supervision_failure.message();
    }
  }
  if (report.moved >= 0) line["moved"] = report.moved == 1;
  if (report.replay_diverged_step >= 0) line["replay_diverged_step"] = report.replay_diverged_step;
  for (const Failure& fault : row.record.faults) line["faults"].push_back(fault.message());
  if (!report.ok()) line["failure"] = report.failure.message();
  // A system's own message may hold bytes that are not UTF-8.
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

namespace {

/// Whether a line is that of an iteration and condition. Builds nothing but these two values,
/// whatever else there is and however deep it is.
bool is_line_of(std::string_view line, int iteration, int condition) {
  using Event = nlohmann::json::parse_event_t;
  const auto wanted = [](int depth, Event event, const nlohmann::json& parsed) {
    if (depth == 1 && event == Event::key) return parsed == "iteration" || parsed == "condition";
    return depth <= 1;
  };
  const auto object = nlohmann::json::parse(line, wanted, false);
  return object.is_object() && object.value("iteration", nlohmann::json()) == iteration &&
         object.value("condition", nlohmann::json()) == condition;
}

}  // namespace

std::string_view finished_lines(std::string_view text, const std::filesystem::path& path,
                                int iterations, const std::vector<int>& conditions) {
  std::size_t end = 0;
  long number = 0;
  for (int iteration = 0; iteration < iterations; ++iteration) {
    for (const int condition : conditions) {
      ++number;
      const std::size_t stop = text.find('\n', end);
      require_file(stop != std::string_view::npos &&
                       is_line_of(text.substr(end, stop - end), iteration, condition),
                   path, "line {} is not that of iteration {}, condition {}", number, iteration,
                   condition);
      end = stop + 1;
    }
  }
  return text.substr(0, end);
}

namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw FileError(path, fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

}  // namespace

LineWriter::LineWriter(std::filesystem::path path)
    : path_(std::move(path)),
      fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail(path_, "cannot open");
}

LineWriter::~LineWriter() {
  ::close(fd_);
}

void LineWriter::append(const std::string& line) {
  const off_t before = ::lseek(fd_, 0, SEEK_END);
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      // Best effort: a resumed run cuts what is left of the line.
      if (before >= 0 && rest.size() < line.size()) (void)!::ftruncate(fd_, before);
      errno = reason;
      fail(path_, "cannot write");
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void LineWriter::sync() {
  if (::fsync(fd_) != 0 && errno != EINVAL) fail(path_, "cannot write to disk");
}

}  // namespace pilqr::command
