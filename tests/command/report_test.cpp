#include "report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <limits>

#include "details.hpp"
#include "process.hpp"
#include "report_json.hpp"
#include "report_support.hpp"

namespace pilqr::test {
namespace {

using namespace pilqr::command;
namespace fs = std::filesystem;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

TEST(ReportData, IsTheMeanOverSeedsWithItsInterval) {
  const std::vector<ReportedRun> runs = {run_of(0, {{10.0, 20.0}, {4.0, 6.0}}),
                                         run_of(1, {{12.0, 24.0}, {5.0, 9.0}})};
  const std::vector<ReportedTask> tasks = summarize(runs);
  ASSERT_EQ(tasks.size(), 1U);
  ASSERT_EQ(tasks[0].algorithms.size(), 1U);
  const ReportedAlgorithm& a = tasks[0].algorithms[0];
  EXPECT_EQ(a.label, "pilqr");
  EXPECT_EQ(a.seeds, (std::vector<std::uint64_t>{0, 1}));
  ASSERT_EQ(a.conditions.size(), 3U);
  EXPECT_EQ(a.conditions[0].condition, -1);
  EXPECT_EQ(a.conditions[1].condition, 1);
  EXPECT_EQ(a.conditions[2].condition, 3);

  // Over conditions first: 15 and 18. Their interval is 16.5 -+ 12.7062 * std / sqrt(2), and
  // std / sqrt(2) of two values is half their difference.
  const CurvePoint& first = a.conditions[0].curve.at(0);
  EXPECT_EQ(first.samples_total, 40.0);
  EXPECT_EQ(first.seeds, 2);
  EXPECT_DOUBLE_EQ(first.numbers.at("cost_mean").mean, 16.5);
  EXPECT_NEAR(first.numbers.at("cost_mean").low, 16.5 - 12.7062 * 1.5, 1e-9);
  EXPECT_NEAR(first.numbers.at("cost_mean").high, 16.5 + 12.7062 * 1.5, 1e-9);
  EXPECT_TRUE(std::isnan(first.numbers.at("residual_ratio").mean));
  EXPECT_DOUBLE_EQ(a.conditions[1].curve.at(1).numbers.at("cost_mean").mean, 7.5);
  EXPECT_EQ(a.conditions[1].curve.at(1).samples_total, 80.0);
  EXPECT_DOUBLE_EQ(a.conditions[2].cost.mean, 3.5);
  EXPECT_DOUBLE_EQ(a.conditions[0].cost.mean, 5.0);
  EXPECT_DOUBLE_EQ(a.conditions[1].success.mean, 1.0);
  EXPECT_EQ(a.conditions[0].reached, std::vector<double>{80.0});

  const auto& steps = a.conditions[2].steps.at("kl_step");
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_DOUBLE_EQ(steps[0].at(0), 11.0);
  EXPECT_TRUE(std::isnan(steps[0].at(1)));
}

TEST(ReportData, ASeedThatStoppedIsLeftOutFromThereOn) {
  const std::vector<ReportedRun> runs = {run_of(0, {{10.0, 20.0}, {4.0, 6.0}}),
                                         run_of(1, {{12.0, 24.0}, {5.0, none}})};
  const std::vector<ReportedTask> tasks = summarize(runs);
  const ReportedAlgorithm& a = tasks[0].algorithms[0];
  EXPECT_EQ(a.conditions[0].curve.at(1).seeds, 1);
  EXPECT_DOUBLE_EQ(a.conditions[0].curve.at(1).numbers.at("cost_mean").mean, 5.0);
  EXPECT_TRUE(std::isnan(a.conditions[0].curve.at(1).numbers.at("cost_mean").low));
  EXPECT_EQ(a.conditions[2].curve.at(1).seeds, 2) << "the other condition went on";
}

// A long run's report is made in a moment: each line is looked at a few times, not once for each
// iteration, which took minutes here.
TEST(ReportData, TakesTimeInProportionToTheLines) {
  const std::vector<std::vector<double>> costs(20'000, {3.0, 4.0});
  const std::vector<ReportedRun> runs = {run_of(0, costs)};
  const std::clock_t start = std::clock();
  const std::vector<ReportedTask> tasks = summarize(runs);
  EXPECT_LT(std::clock() - start, 15 * CLOCKS_PER_SEC)
      << "of the processor, whoever else is at work";
  const auto& curve = tasks[0].algorithms[0].conditions[0].curve;
  ASSERT_EQ(curve.size(), costs.size());
  EXPECT_EQ(curve.back().samples_total, 40.0 * 20'000);
  EXPECT_EQ(curve.back().numbers.at("cost_mean").mean, 3.5);
}

TEST(ReportData, SamplesToReachADistance) {
  const std::vector<ReportedRun> runs = {run_of(0, {{9.0, 9.0}, {5.0, 5.0}, {6.0, 6.0}})};
  const std::vector<ReportedTask> tasks = summarize(runs);
  const auto& curve = tasks[0].algorithms[0].conditions[0].curve;
  EXPECT_EQ(samples_to_reach(curve, 0.9), 40.0);
  EXPECT_EQ(samples_to_reach(curve, 0.6), 80.0);
  EXPECT_TRUE(std::isnan(samples_to_reach(curve, 0.49)));
}

TEST(ReportData, OtherSettingsAreAnotherAlgorithm) {
  std::vector<ReportedRun> runs = {run_of(0, {{1.0, 1.0}}), run_of(0, {{2.0, 2.0}})};
  runs[1].trained.run.settings.samples = 7;
  runs[1].path = "</script><!-- b";
  const std::vector<ReportedTask> tasks = summarize(runs);
  ASSERT_EQ(tasks[0].algorithms.size(), 2U);
  EXPECT_EQ(tasks[0].algorithms[0].label, "pilqr (runs/a)");
  const std::string json = report_json(tasks, {});
  EXPECT_EQ(json.find('<'), std::string::npos) << "could end the script element";
  EXPECT_EQ(nlohmann::json::parse(json)[0]["algorithms"][1]["label"], "pilqr (</script><!-- b)");

  runs[1].trained.run.settings.conditions = {0};
  EXPECT_THROW((void)summarize(runs), InvalidArgument);
}

TEST(Details, HoldTheMedianRolloutAndWhatTheUpdateDid) {
  Rollouts<> rollouts(4, 3, 2, 1);
  rollouts.cost.col(0) << 5.0, 1.0, 3.0;
  for (int t = 0; t < 4; ++t) rollouts.x[t].col(2) << t, -0.123456;
  LinearGaussianPolicy<> policy(4, 2, 1);
  for (int t = 0; t < 4; ++t) policy.L[t](0, 0) = 2.0 + t;
  IterationRecord record{.iteration = 7, .condition = 2};
  record.report.steps.temperature = VectorX::Constant(2, 1.0);
  record.report.steps.temperature(1) = std::numeric_limits<double>::max();
  const auto line = nlohmann::json::parse(details_line(record, rollouts, &policy));
  EXPECT_EQ(line["iteration"], 7);
  EXPECT_EQ(line["condition"], 2);
  EXPECT_FALSE(line.contains("kl"));
  EXPECT_EQ(line["temperature"], nlohmann::json::parse("[1, null]"));
  EXPECT_EQ(line["exploration"], nlohmann::json::parse("[2, 3, 4, 5]"));
  EXPECT_EQ(line["rollout"]["sample"], 2);
  EXPECT_EQ(line["rollout"]["x"][3], nlohmann::json::parse("[3, -0.1235]"));
}

TEST(Tasks, DrawTheirStatesWithTheSameShapes) {
  for (const Task& task : tasks()) {
    AnySystem system = task.system();
    for (int condition = 0; condition < task.conditions; ++condition) {
      const auto batch = sample(system, task.cost(condition), task.initial_policy(condition),
                                {.samples = 1, .condition = condition});
      ASSERT_TRUE(batch.ok()) << task.name;
      const systems::Drawing first = task.draw(condition, batch.rollouts.x[0].col(0));
      const systems::Drawing last = task.draw(condition, batch.rollouts.x[task.steps - 1].col(0));
      ASSERT_EQ(first.size(), last.size()) << task.name;
      for (std::size_t s = 0; s < first.size(); ++s) {
        EXPECT_EQ(first[s].name, last[s].name) << task.name;
        EXPECT_EQ(first[s].points.cols(), last[s].points.cols()) << task.name;
        EXPECT_TRUE(last[s].points.allFinite()) << task.name;
      }
    }
  }
  const VectorX x = (VectorX(8) << 0.3, 0.4, 0, 0, 0.1 * std::cos(0.3) + 0.11 * std::cos(0.7),
                     0.1 * std::sin(0.3) + 0.11 * std::sin(0.7), 0, 0)
                        .finished();
  const MatrixX arm = systems::find_shape(find_task("reacher").draw(0, x), "arm").points;
  EXPECT_NEAR((arm.col(1) - arm.col(0)).norm(), 0.1, 1e-12);
  EXPECT_NEAR((arm.col(2) - arm.col(1)).norm(), 0.11, 1e-12);
}

TEST(Report, OfARunOfAComparisonAndOfBoth) {
  Command command;
  ASSERT_EQ(command.run(short_training("run")).status, 0);
  ASSERT_EQ(command
                .run({"compare", "reacher", "--algorithms", "pi2", "--seeds", "2", "--samples", "4",
                      "--iterations", "2", "--threads", "1", "--quiet", "--out", "both"})
                .status,
            0);
  for (const char* folder : {"run", "both"}) {
    const std::string at_the_end = command.read(std::string(folder) + "/report.html");
    EXPECT_TRUE(begins(at_the_end, "<!DOCTYPE html>")) << folder;
    ASSERT_EQ(command.run({"report", folder, "--out", "again.html"}).status, 0);
    EXPECT_TRUE(command.read("again.html") == at_the_end) << folder;
  }
  const Outcome outcome = command.run({"report", "run", "both"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(begins(outcome.out, "report.html: 3 runs"));
  EXPECT_TRUE(contains(command.read("report.html"), "\"task\":\"point_mass\""));
  EXPECT_TRUE(contains(command.read("report.html"), "\"task\":\"reacher\""));
}

TEST(Report, RefusesWhatIsNoRunOrDamaged) {
  Command command;
  ASSERT_EQ(command.run(short_training("run")).status, 0);
  fs::create_directories(command.path("empty"));
  expect_refused(command.run({"report", "nowhere"}), {"nowhere", "is not a folder"});
  expect_refused(command.run({"report", "empty"}), {"empty", "neither a run folder nor"});
  expect_refused(command.run({"report", "run", "--out", "nowhere/r.html"}), {"nowhere"});
  const auto damaged = [&](const std::string& file, const std::string& bytes,
                           const std::vector<std::string>& parts) {
    const std::string whole = command.read("run/" + file);
    command.write("run/" + file, bytes);
    expect_refused(command.run({"report", "run"}), parts);
    command.write("run/" + file, whole);
  };
  const std::string metrics = command.read("run/metrics.jsonl");
  damaged("metrics.jsonl", metrics.substr(0, metrics.find('\n') + 1), {"metrics.jsonl", "line 2"});
  damaged("metrics.jsonl", metrics.substr(0, metrics.size() - 20), {"metrics.jsonl", "line 4"});
  damaged("metrics.jsonl", metrics + "{\"iteration\":4}\n",
          {"metrics.jsonl", "line 5", "condition"});
  damaged("metrics.jsonl", metrics + "[]\n", {"metrics.jsonl", "line 5"});
  damaged("details.jsonl",
          "{\"iteration\":0,\"condition\":0,\"rollout\":{\"every\":1,\"cost\":1,"
          "\"x\":[[1,2]]}}\n",
          {"details.jsonl", "iteration 0"});
  damaged("policy.safetensors", "x", {"policy.safetensors"});
  damaged("config.toml", "task = ", {"config.toml"});
  damaged("details.jsonl", "{]\n", {"details.jsonl", "line 1 is damaged"});
  const std::string line = metrics.substr(0, metrics.find('\n') + 1);
  for (const char* number : {"-1", "1.5", "1e300", "9", "2147483648", "\"0\"", "null"}) {
    const std::string other = std::string("{\"iteration\":") + number + line.substr(line.find(','));
    damaged("metrics.jsonl", metrics + other, {"metrics.jsonl", "line 5", "iteration"});
  }
  const std::string details = command.read("run/details.jsonl");
  command.write("run/details.jsonl", details.substr(0, details.size() - 9));
  EXPECT_EQ(command.run({"report", "run"}).status, 0) << "a line that is being written";
  fs::remove(command.path("run/details.jsonl"));
  EXPECT_EQ(command.run({"report", "run"}).status, 0) << "details are optional";
}

// A file is as long as what is made of it, whatever numbers it holds.
TEST(ReportJson, TakesNoIterationsThatCannotBe) {
  const Task& task = find_task("point_mass");
  const auto details = [&](const std::string& iteration, const std::string& every = "1") {
    return parse_details("{\"iteration\":" + iteration +
                             ",\"condition\":0,\"kl\":[1],\"rollout\":{\"every\":" + every +
                             ",\"cost\":null,\"x\":[[0,0,0,0]]}}\n",
                         "f", task, 3);
  };
  EXPECT_EQ(details("2").size(), 1U);
  EXPECT_EQ(details("3").size(), 0U) << "metrics.jsonl does not have it yet";
  for (const char* number : {"-1", "0.5", "1e300", "4294967296"}) {
    EXPECT_THROW((void)details(number), FileError) << number;
    EXPECT_THROW((void)details("0", number), FileError) << number;
  }
  EXPECT_THROW((void)details("0", "0"), FileError);
}

// The smallest numbers there are, and states that ran away.
TEST(ReportJson, HoldsAnyNumber) {
  std::vector<ReportedRun> runs = {run_of(0, {{5e-324, 1.0}})};
  runs[0].details[0].rollout = {VectorX::Constant(8, 1e300)};
  const std::string json = report_json(summarize(runs), {});
  EXPECT_TRUE(nlohmann::json::accept(json));
}

TEST(Report, ThatCannotBeWrittenFailsNoTraining) {
  Command command;
  ASSERT_EQ(command.run(short_training("run", {"--iterations", "2"})).status, 0);
  fs::remove(command.path("run/report.html"));
  fs::create_directories(command.path("run/report.html/x"));
  const Outcome outcome =
      command.run({"train", "--resume", "run", "--iterations", "3", "--live", "--quiet"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(contains(outcome.err, "no report: "));
  EXPECT_EQ(command.metrics("run").size(), 3U);
}

}  // namespace
}  // namespace pilqr::test
