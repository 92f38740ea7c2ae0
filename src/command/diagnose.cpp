#include "diagnose.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "console.hpp"
#include "exit_status.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/file_error.hpp"
#include "run_folder.hpp"
#include "statistics.hpp"

namespace pilqr::command {
namespace {

using Json = nlohmann::ordered_json;

double number_at(const Json& line, const char* key) {
  const auto value = line.find(key);
  const bool there = value != line.end() && !value->is_null();
  return there ? value->get<double>() : none;
}

MetricsNumbers numbers_of(const Json& line) {
  MetricsNumbers row{.iteration = line.at("iteration").get<int>(),
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
  }
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
                       f.condition, f.first_iteration, f.last_iteration, f.sentence, f.remedy);
  }
  return out;
}

}  // namespace

std::vector<MetricsHistory> read_histories(const std::filesystem::path& path) {
  const RunFolder folder{path};
  const RunSettings run = load_settings(folder);
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
  const std::string text = read_file(folder.metrics());
  std::string_view rest = text;
  for (int number = 1; rest.find('\n') != std::string_view::npos; ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    try {
      const Json json = Json::parse(line);
      const int condition = json.at("condition").get<int>();
      const auto history = std::find_if(out.begin(), out.end(), [&](const MetricsHistory& h) {
        return h.condition == condition;
      });
      require_file(history != out.end(), folder.metrics(), "line {}: there is no condition {}",
                   number, condition);
      history->rows.push_back(numbers_of(json));
    } catch (const Json::exception&) {
      throw FileError(folder.metrics(), fmt::format("line {} is damaged", number));
    }
  }
  return out;
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
