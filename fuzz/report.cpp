/// Any text as metrics.jsonl and, after the first 0 byte, details.jsonl, as a report and a
/// diagnosis read them. What the report holds is JSON without "<".

#include <cstdint>
#include <nlohmann/json.hpp>

#include "diagnose.hpp"
#include "expect.hpp"
#include "report_json.hpp"

namespace pilqr::fuzz {
namespace {

/// A run of the point mass with conditions 0 and 3, without lines.
command::ReportedRun empty_run() {
  const Task& task = find_task("point_mass");
  command::ReportedRun run{.path = "f"};
  run.trained.run = command::resolve({.task = "point_mass"});
  run.trained.run.settings.conditions = {0, 3};  // as in the small runs
  run.trained.policy.conditions = run.trained.run.settings.conditions;
  for (const int condition : run.trained.policy.conditions) {
    run.trained.policy.policies.push_back(task.initial_policy(condition));
    run.finals.push_back({.condition = condition});
  }
  return run;
}

}  // namespace
}  // namespace pilqr::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  static const command::ReportedRun empty = fuzz::empty_run();
  const std::string text(fuzz::as_text(data, size));
  const std::string metrics = text.substr(0, text.find('\0'));
  const std::string details = text.substr(std::min(text.size(), metrics.size() + 1));
  (void)fuzz::accepts([&] {
    for (const command::Finding& finding :
         diagnose(command::parse_histories(metrics, "f", empty.trained.run))) {
      fuzz::expect(!finding.sentence.empty(), "a sentence");
      fuzz::expect(finding.sentence.size() < 4000, "a sentence that fits on a page");
    }
  });
  std::vector<command::ReportedRun> runs = {empty};
  const Task& task = find_task(empty.trained.run.settings.task);
  if (!fuzz::accepts([&] {
        runs[0].rows = command::parse_metrics(metrics, "f");
        const int iterations = runs[0].rows.empty() ? 0 : runs[0].rows.back().iteration + 1;
        runs[0].details = command::parse_details(details, "f", task, iterations);
      })) {
    return 0;
  }
  const std::string json = report_json(command::summarize(runs), {2, 5, 3});
  fuzz::expect(nlohmann::json::accept(json) && json.find('<') == std::string::npos,
               "JSON for a script element");
  return 0;
}
