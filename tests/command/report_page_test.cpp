// How much of a run a report holds, and the rollouts that it plays.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/io_support.hpp"
#include "report.hpp"
#include "report_json.hpp"
#include "report_playback.hpp"
#include "report_support.hpp"

namespace pilqr::test {
namespace {

using namespace pilqr::command;

/// The data of a page.
nlohmann::json data_of(const std::string& page) {
  const std::string mark = "id=\"data\">";
  const std::size_t begin = page.find(mark) + mark.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

/// States of the reacher whose shoulder turns.
std::vector<VectorX> turning(int count) {
  std::vector<VectorX> states(static_cast<std::size_t>(count), VectorX::Zero(8));
  for (int j = 0; j < count; ++j) {
    VectorX& x = states[static_cast<std::size_t>(j)];
    x(0) = 0.01 * j;
    x.segment(4, 2) = Vector<2>(0.21 * std::cos(x(0)), 0.21 * std::sin(x(0)));
  }
  return states;
}

TEST(ReportPage, LeavesOutDetailUntilItFits) {
  std::vector<ReportedRun> runs = {run_of(0, {{1.0, 1.0}})};
  runs[0].details[0].rollout = turning(50);
  const std::string whole = report_page(runs);
  EXPECT_LT(whole.size(), std::size_t{5} * 1024 * 1024);
  EXPECT_TRUE(contains(whole, "\"frames\""));
  std::string smallest = whole;
  std::string before;
  const auto smaller = [&] { return report_page(runs, smallest.size() - 1); };
  while (contains(smallest, "\"frames\"")) {
    before = smallest;
    ASSERT_NO_THROW(smallest = smaller());
    EXPECT_LT(smallest.size(), before.size());
  }
  EXPECT_LT(before.size(), whole.size()) << "rollouts are thinned before they are left out";
  EXPECT_TRUE(contains(smallest, "\"playbacks\":[]"));
  EXPECT_TRUE(contains(smallest, "\"curve\":[{"));
  EXPECT_THROW((void)smaller(), InvalidArgument) << "larger than it may be";
  for (const std::string& page : {whole, smallest}) {
    for (const char* mark : {"/*STYLE*/", "/*CHARTS*/", "/*DATA*/", "/*SCRIPT*/"}) {
      EXPECT_EQ(page.find(mark), std::string::npos) << mark;
    }
  }
}

// What has one entry per iteration is thinned too, and rollouts stay.
TEST(ReportPage, OfManyIterationsIsNoLargerThanItMayBe) {
  const int iterations = 150;
  std::vector<ReportedRun> runs = {run_of(0, std::vector(iterations, std::vector{2.0, 3.0}))};
  for (ReportedSteps& line : runs[0].details) {
    line.arrays["kl_step"] = std::vector(100, line.iteration + 0.123);
    line.arrays["temperature"] = line.arrays["kl_step"];
  }
  const std::string whole = report_page(runs);
  for (const auto& condition : data_of(whole)[0]["algorithms"][0]["conditions"]) {
    EXPECT_EQ(condition["curve"].size(), 150U);
    EXPECT_EQ(condition["points"], 150);
  }
  const std::size_t fixed = report_page({run_of(0, {{1.0, 1.0}})}).size();
  ASSERT_GT(whole.size(), fixed + 300000);
  for (const std::size_t more : {150000, 80000, 30000}) {
    const std::string page = report_page(runs, fixed + more);
    EXPECT_LE(page.size(), fixed + more);
    const nlohmann::json task = data_of(page)[0];
    EXPECT_FALSE(task["playbacks"].empty());
    for (const auto& condition : task["algorithms"][0]["conditions"]) {
      const auto& curve = condition["curve"];
      EXPECT_LT(curve.size(), 150U);
      EXPECT_GE(curve.size(), 10U);
      EXPECT_EQ(condition["points"], 150);
      EXPECT_EQ(curve.front()["iteration"], 0);
      EXPECT_EQ(curve.back()["iteration"], 149);
      EXPECT_EQ(curve.back()["samples_total"], 40 * 150);
      if (condition["condition"] == -1) continue;
      const auto& rows = condition["rows"];
      const auto& map = condition["steps"]["kl_step"];
      ASSERT_EQ(map.size(), rows.size());
      ASSERT_EQ(rows.size(), curve.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(rows[i], curve[i]["iteration"]);
        EXPECT_NEAR(map[i][0].get<double>(), rows[i].get<double>() + 0.123, 0.5);
      }
    }
  }
}

TEST(ReportJson, BinsAreMeansOfWhatIsThere) {
  EXPECT_EQ(binned({1.0, 2.0, 4.0}, 3), (std::vector{1.0, 2.0, 4.0}));
  EXPECT_EQ(binned({1.0, 2.0, 4.0}, 100), (std::vector{1.0, 2.0, 4.0}));
  EXPECT_EQ(binned({1.0, 2.0, 4.0, 6.0, 9.0}, 3), (std::vector{1.5, 5.0, 9.0}));
  // The last temperature is none by design.
  EXPECT_EQ(binned({1.0, 3.0, 5.0, none}, 2), (std::vector{2.0, 5.0}));
  EXPECT_TRUE(std::isnan(binned({none, none, 5.0, 5.0}, 2).at(0)));
  EXPECT_TRUE(binned({}, 2).empty());
}

TEST(ReportJson, EvenlySpacedHasTheFirstAndTheLast) {
  using Indices = std::vector<std::size_t>;
  EXPECT_EQ(evenly(5, 10), (Indices{0, 1, 2, 3, 4}));
  EXPECT_EQ(evenly(5, 3), (Indices{0, 2, 4}));
  EXPECT_EQ(evenly(1000, 2), (Indices{0, 999}));
  EXPECT_EQ(evenly(1, 2), (Indices{0}));
  EXPECT_EQ(evenly(0, 2), Indices{});
  const Indices many = evenly(1000, 400);
  EXPECT_EQ(many.size(), 400U);
  for (std::size_t i = 1; i < many.size(); ++i) EXPECT_GT(many[i], many[i - 1]);
}

// The end of the motion is what one wants to see.
TEST(Playback, ShowsTheFirstAndTheLastState) {
  const Task& task = find_task("reacher");
  for (const int count : {1, 2, 9, 10, 11, 17, 50}) {
    std::vector<ReportedRun> runs = {run_of(0, {{1.0, 1.0}})};
    runs[0].details[0].rollout = turning(count);
    runs[0].details[0].every = 2;
    const auto playbacks = play(summarize(runs)[0], 6, 10);
    const auto found = std::find_if(playbacks.begin(), playbacks.end(),
                                    [](const Playback& p) { return !p.noiseless; });
    ASSERT_NE(found, playbacks.end());
    const auto arm = std::find_if(found->shapes.begin(), found->shapes.end(),
                                  [](const PlayedShape& s) { return s.name == "arm"; });
    ASSERT_NE(arm, found->shapes.end());
    ASSERT_EQ(arm->points.size(), static_cast<std::size_t>(std::min(count, 10))) << count;
    const auto drawn = [&](int j) {
      const auto& states = runs[0].details[0].rollout;
      return systems::find_shape(task.draw(3, states[static_cast<std::size_t>(j)]), "arm").points;
    };
    EXPECT_TRUE(arm->points.front() == drawn(0));
    EXPECT_TRUE(arm->points.back() == drawn(count - 1));
    if (count == 1) continue;
    const double frames = static_cast<double>(arm->points.size()) - 1.0;
    EXPECT_NEAR(found->seconds_per_frame * frames, 2.0 * task.dt * (count - 1), 1e-12);
    // Between two states it goes on evenly.
    const double step = (arm->points[1] - arm->points[0]).norm();
    for (std::size_t j = 1; j < arm->points.size(); ++j) {
      EXPECT_NEAR((arm->points[j] - arm->points[j - 1]).norm(), step, 0.01 * step);
    }
  }
}

// TRPO and DDPG begin with a network of their own, not with the task's first policy.
TEST(Playback, OfABaselineBeginsWithItsOwnSamples) {
  for (const Algorithm algorithm : {Algorithm::pilqr, Algorithm::trpo, Algorithm::ddpg}) {
    std::vector<ReportedRun> runs = {run_of(0, std::vector(30, std::vector{2.0, 3.0}))};
    const bool baseline = algorithm != Algorithm::pilqr;
    runs[0].trained.run.settings.algorithm = algorithm;
    for (ReportedSteps& line : runs[0].details) line.rollout = turning(5);
    RandomStream stream({.seed = 1});
    if (baseline) {
      runs[0].trained.network.emplace(
          NetworkFile{.policy = NetworkPolicy(Mlp({10, {4}, 2}, stream, 1.0))});
    }
    const auto playbacks = play(summarize(runs)[0], 6, 10);
    std::vector<int> samples;
    int first_policies = 0, last_policies = 0;
    for (const Playback& p : playbacks) {
      if (p.condition != 3) continue;
      if (!p.noiseless) samples.push_back(p.iteration);
      if (p.noiseless) ++(p.iteration == 0 ? first_policies : last_policies);
    }
    EXPECT_EQ(first_policies, baseline ? 0 : 1);
    EXPECT_EQ(last_policies, 1);
    EXPECT_EQ(samples,
              baseline ? (std::vector{0, 5, 10, 15, 20, 25}) : (std::vector{2, 7, 12, 17, 22, 27}));
  }
}

}  // namespace
}  // namespace pilqr::test
