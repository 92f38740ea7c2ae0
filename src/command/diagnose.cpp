#include "diagnose.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "console.hpp"
#include "exit_status.hpp"
#include "json_lines.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/file_error.hpp"
#include "run_folder.hpp"
#include "statistics.hpp"

namespace pilqr::command {
namespace {

using Json = nlohmann::ordered_json;

double number_at(const Json& line, const char* key) {
  return line.contains(key) ? number_or_none(line.at(key)) : none;
}

MetricsNumbers numbers_of(const Json& line) {
  MetricsNumbers row{.iteration = count_at(line, "iteration"),
                     .cost_mean = number_at(line, "cost_mean"),
                     .cost_std = number_at(line, "cost_std"),
                     .residual_ratio = number_at(line, "residual_ratio"),
                     .kl_step_mean = number_at(line, "kl_step_mean"),
                     .effective_samples_min = number_at(line, "effective_samples_min"),
                     .success_rate = number_at(line, "success_rate"),
                     .noise_ratio_max = number_at(line, "noise_ratio_max"),
                     .replay_diverged = line.contains("replay_diverged_step")};
  if (line.contains("faults")) row.faults = static_cast<int>(line.at("faults").size());
  const std::string status = line.at("status").get<std::string>();
  if (status != "ok") {
    row.failure = line.contains("failure") ? line.at("failure").get<std::string>() : status;
  } else if (line.contains("supervision_failure")) {
    row.failure = "the S-step: " + line.at("supervision_failure").get<std::string>();
  }
  constexpr std::size_t longest = 1000;  // a system's own words are in it
  row.failure = shortened(row.failure, longest);
  return row;
}

/// Mean over the steps of the KL step that the rule reaches when it goes one way for ever, nats.
double bound_of(const Settings& settings, int steps, double ratio) {
  KlStep step(settings.kl_step, steps);
  for (int i = 0; i < 64; ++i) step.adapt_to_residual(VectorX::Constant(steps, ratio));
  return step.value().mean();
}

bool has_kl_step(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::pilqr:
    case Algorithm::lqr_flm:
    case Algorithm::mdgps_pilqr:
    case Algorithm::mdgps_lqr_flm:
      return true;
    default:
      return false;
  }
}

std::string as_json(const std::vector<Finding>& findings) {
  Json out = Json::array();
  for (const Finding& f : findings) {
    out.push_back({{"rule", f.rule},
                   {"severity", name(f.severity)},
                   {"condition", f.condition},
                   {"first_iteration", f.first_iteration},
                   {"last_iteration", f.last_iteration},
                   {"figure", f.figure},
                   {"sentence", f.sentence},
                   {"remedy", f.remedy}});
  }
  return out.dump(2) + '\n';
}

std::string as_text(const std::vector<Finding>& findings, std::size_t conditions) {
  if (findings.empty()) return fmt::format("Nothing limits any of {} conditions.\n", conditions);
  std::string out;
  for (const Finding& f : findings) {
    out += fmt::format("{}, condition {}, iterations {} to {}: {}\n  {}\n", name(f.severity),
                       f.condition, f.first_iteration, f.last_iteration, printable(f.sentence),
                       f.remedy);
  }
  return out;
}

}  // namespace

std::vector<MetricsHistory> parse_histories(const std::string& text,
                                            const std::filesystem::path& path,
                                            const RunSettings& run) {
  const Settings& settings = run.settings;
  const Task& task = find_task(settings.task);
  const bool model = has_kl_step(settings.algorithm);
  const MetricsHistory empty{.samples = settings.samples,
                             .inputs = task.nx + task.nu,
                             .prior = run.prior != Prior::none,
                             .kl_step_low = model ? bound_of(settings, task.steps, 1e300) : none,
                             .kl_step_high = model ? bound_of(settings, task.steps, 0.0) : none};
  std::vector<MetricsHistory> out;
  for (const int condition : settings.conditions) {
    out.push_back(empty);
    out.back().condition = condition;
  }
  for_each_line(text, path, [&](const Json& line) {
    const int condition = count_at(line, "condition");
    const auto history = std::find_if(
        out.begin(), out.end(), [&](const MetricsHistory& h) { return h.condition == condition; });
    require(history != out.end(), "there is no condition {}", condition);
    MetricsNumbers row = numbers_of(line);
    require(history->rows.empty() || history->rows.back().iteration < row.iteration,
            "iteration {} after iteration {}", row.iteration,
            history->rows.empty() ? 0 : history->rows.back().iteration);
    history->rows.push_back(std::move(row));
  });
  return out;
}

std::vector<MetricsHistory> read_histories(const std::filesystem::path& path) {
  const RunFolder folder{path};
  return parse_histories(read_file(folder.metrics()), folder.metrics(), load_settings(folder));
}

int diagnose_command(const DiagnoseArguments& arguments) {
  const std::vector<MetricsHistory> histories = read_histories(arguments.folder);
  require_file(std::any_of(histories.begin(), histories.end(),
                           [](const MetricsHistory& h) { return !h.rows.empty(); }),
               RunFolder{arguments.folder}.metrics(), "there is no iteration yet");
  const std::vector<Finding> findings = diagnose(histories);
  print(arguments.json ? as_json(findings) : as_text(findings, histories.size()));
  return exit_done;
}

}  // namespace pilqr::command
