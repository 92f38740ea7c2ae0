#include "report.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "console.hpp"
#include "exit_status.hpp"
#include "metrics.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "report_files.hpp"
#include "report_json.hpp"

namespace pilqr::command {
namespace fs = std::filesystem;

namespace {

bool is_run(const fs::path& path) {
  return fs::is_regular_file(RunFolder{path}.config());
}

/// Subfolders in the order of their names.
std::vector<fs::path> subfolders(const fs::path& path) {
  std::vector<fs::path> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_directory()) out.push_back(entry.path());
  }
  require_file(!error, path, "{}", error.message());
  std::sort(out.begin(), out.end());
  return out;
}

/// The run folders that a folder stands for.
std::vector<fs::path> runs_in(const fs::path& path) {
  require_file(fs::is_directory(path), path, "is not a folder");
  if (is_run(path)) return {path};
  std::vector<fs::path> runs;
  for (const fs::path& algorithm : subfolders(path)) {
    for (const fs::path& run : subfolders(algorithm)) {
      if (is_run(run)) runs.push_back(run);
    }
  }
  require_file(!runs.empty(), path, "is neither a run folder nor one of pilqr compare");
  return runs;
}

ReportedRun read_run(const fs::path& path) {
  const RunFolder folder{path};
  ReportedRun run{.path = path, .trained = load_trained(folder)};
  const Settings& settings = run.trained.run.settings;
  const std::string metrics = read_file(folder.metrics());
  (void)finished_lines(metrics, folder.metrics(), run.trained.policy.iteration,
                       settings.conditions);
  run.rows = parse_metrics(metrics, folder.metrics());
  const Task& task = find_task(settings.task);
  if (fs::exists(folder.details())) {
    const int iterations = run.rows.empty() ? 0 : run.rows.back().iteration + 1;
    run.details = parse_details(read_file(folder.details()), folder.details(), task, iterations);
  }
  for (std::size_t m = 0; m < settings.conditions.size(); ++m) {
    const auto evaluate = [&](int rollouts) {
      const EvaluationOptions options{.rollouts = rollouts, .seed = settings.seed};
      const int condition = settings.conditions[m];
      const auto& network = run.trained.network;
      return network ? evaluate_policy(task, settings, network->policy, condition, options)
                     : evaluate_policy(task, settings, run.trained.policy.policies[m], condition,
                                       options);
    };
    // Where two rollouts without noise are the same, the others are too.
    const Evaluation two = evaluate(2);
    run.finals.push_back(two.cost_std > 0.0 ? evaluate(EvaluationOptions{}.rollouts) : two);
  }
  return run;
}

/// The page's template with its parts in their places.
std::string fill(std::string_view data) {
  std::string page;
  std::string_view rest = report_files::page;
  const std::array<std::pair<std::string_view, std::string_view>, 4> parts = {
      {{"/*STYLE*/", report_files::style},
       {"/*CHARTS*/", report_files::chart_js},
       {"/*DATA*/", data},
       {"/*SCRIPT*/", report_files::script}}};
  for (const auto& [mark, text] : parts) {
    const std::size_t at = rest.find(mark);
    page += rest.substr(0, at);
    page += text;
    rest.remove_prefix(at + mark.size());
  }
  page += rest;
  return page;
}

}  // namespace

std::vector<ReportedRun> read_runs(const std::vector<fs::path>& folders) {
  std::vector<ReportedRun> runs;
  for (const fs::path& folder : folders) {
    for (const fs::path& path : runs_in(folder)) runs.push_back(read_run(path));
  }
  return runs;
}

std::string report_page(const std::vector<ReportedRun>& runs, std::size_t most) {
  const std::vector<ReportedTask> tasks = summarize(runs);
  // Rollouts are thinned first, since they fill most of it, and left out last.
  constexpr std::array<ReportDetail, 9> details = {{{},
                                                    {3, 100, 100, 400},
                                                    {3, 50, 100, 200},
                                                    {1, 50, 50, 100},
                                                    {1, 50, 25, 50},
                                                    {1, 25, 25, 25},
                                                    {0, 25, 10, 10},
                                                    {0, 10, 2, 2},
                                                    {0, 0, 2, 2}}};
  std::size_t size = 0;
  for (const ReportDetail& detail : details) {
    std::string page = fill(report_json(tasks, detail));
    if (page.size() <= most) return page;
    size = page.size();
  }
  throw InvalidArgument(
      fmt::format("a report of {} runs has {} bytes with the least detail, more than {}: report "
                  "fewer of them together",
                  runs.size(), size, most));
}

bool write_report(const fs::path& folder) {
  try {
    write_atomically(RunFolder{folder}.report(), report_page(read_runs({folder})), Sync::later);
    return true;
  } catch (const std::exception& error) {
    print_error(fmt::format("no report: {}", error.what()));
    return false;
  }
}

int report_command(const ReportArguments& arguments) {
  const bool one = arguments.folders.size() == 1;
  const fs::path out = arguments.out.value_or(one ? RunFolder{arguments.folders.front()}.report()
                                                  : fs::path("report.html"));
  const std::vector<ReportedRun> runs = read_runs(arguments.folders);
  const std::string page = report_page(runs);
  write_atomically(out, page);
  print(fmt::format("{}: {} runs, {:.1f} MB{}\n", out.string(), runs.size(),
                    static_cast<double>(page.size()) / 1e6,
                    report_files::chart_js.empty()
                        ? "; without charts, as libjs-chart.js was not found when pilqr was built"
                        : ""));
  return exit_done;
}

}  // namespace pilqr::command
