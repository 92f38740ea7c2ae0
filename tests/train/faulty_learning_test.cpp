/// A fifth of the rollouts fails where a network learns: what is learnt is what is learnt without.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "train/faulty.hpp"
#include "train/learner_run.hpp"

namespace pilqr {
namespace {

using test::Faulty;
using test::LearnerRun;

/// A training that is short enough for a test: one condition, a small network.
struct Lesson {
  const char* task;
  Algorithm algorithm;
  int iterations;
  int samples;
  int seeds;
  double learnt;  ///< share of the first policy's cost that has to be gone, with faults or without
  double within;  ///< how much more it may cost with faults
};

void PrintTo(const Lesson& lesson, std::ostream* out) {
  *out << lesson.task << " " << name(lesson.algorithm);
}

std::string name_of(const ::testing::TestParamInfo<Lesson>& of) {
  return fmt::format("{}_{}", of.param.task, name(of.param.algorithm));
}

Settings settings_of(const Lesson& lesson, int seed) {
  Settings settings = default_settings(find_task(lesson.task), lesson.algorithm);
  settings.conditions = {0};
  settings.seed = static_cast<std::uint64_t>(seed);
  settings.iterations = lesson.iterations;
  settings.samples = lesson.samples;
  settings.network.hidden = {16};
  settings.network.training.steps = 500;
  return settings;
}

class AFifthFails : public ::testing::TestWithParam<Lesson> {};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Asserted is the median over a few seeds of the cost of the policies' means after equally many
// iterations: with the faults it is at most 5 % above that without. It is the median, as single
// runs get stuck, with and without faults, and the mean is then theirs; and it is not asserted of
// every run, as two without faults differ by more than 5 %. Nor is it said that faults cost no
// trials: they are made again. How far the trainings get in so few iterations is `learnt`.
//
// Not within 5 % are DDPG, and PI2 as C-step on the reacher: runs of this length differ by a half
// of their cost among themselves. Of these only `learnt` is asserted. TRPO is looked at on the
// point mass before it finds the region, which it does at any iteration from the 25th to beyond the
// 300th, with faults and without.
TEST_P(AFifthFails, AndDoesNoHarm) {
  const Lesson& lesson = GetParam();
  std::vector<double> first;
  std::vector<double> expected;
  std::vector<double> reached;
  for (int seed = 0; seed < lesson.seeds; ++seed) {
    LearnerRun good(settings_of(lesson, seed));
    LearnerRun bad(settings_of(lesson, seed));
    first.push_back(good.noiseless_cost());
    ASSERT_TRUE(good.train_on(Faulty(good.task, 0.0)).ok());
    const Failure failure = bad.train_on(Faulty(bad.task, 0.2));
    ASSERT_TRUE(failure.ok()) << failure.message();
    expected.push_back(good.noiseless_cost());
    reached.push_back(bad.noiseless_cost());

    EXPECT_TRUE(good.failed.empty());
    std::size_t listed = 0;
    int made = 0;
    for (const IterationRecord& record : bad.log) {
      listed += record.faults.size();
      made += record.rollouts;
    }
    EXPECT_EQ(listed, bad.failed.size()) << "every one is in the log";
    EXPECT_GT(static_cast<double>(listed), 0.1 * made) << "of a fifth, in the mean";
  }
  const double without = median(expected);
  const double with = median(reached);
  const double enough = median(first) - lesson.learnt * std::abs(median(first));
  EXPECT_LT(without, enough);
  EXPECT_LT(with, enough);
  EXPECT_LE(with, without + lesson.within * std::abs(without));
  RecordProperty("without", fmt::format("{}", without));
  RecordProperty("with", fmt::format("{}", with));
}

constexpr double any = std::numeric_limits<double>::infinity();

INSTANTIATE_TEST_SUITE_P(
    Tasks, AFifthFails,
    ::testing::Values(Lesson{"reacher", Algorithm::mdgps_pilqr, 40, 10, 7, 0.9, 0.05},
                      Lesson{"reacher", Algorithm::mdgps_lqr_flm, 40, 10, 7, 0.9, 0.05},
                      Lesson{"reacher", Algorithm::mdgps_pi2, 40, 20, 5, 0.8, any},
                      Lesson{"reacher", Algorithm::trpo, 60, 8, 5, 0.9, 0.05},
                      Lesson{"reacher", Algorithm::ddpg, 50, 4, 3, 0.75, any},
                      Lesson{"point_mass", Algorithm::mdgps_pilqr, 60, 20, 7, 2.0, 0.05},
                      Lesson{"point_mass", Algorithm::mdgps_lqr_flm, 20, 10, 7, 0.45, 0.05},
                      Lesson{"point_mass", Algorithm::mdgps_pi2, 60, 20, 7, 2.0, 0.05},
                      Lesson{"point_mass", Algorithm::trpo, 25, 8, 7, 0.35, 0.05},
                      Lesson{"point_mass", Algorithm::ddpg, 40, 4, 3, 0.25, any}),
    name_of);

}  // namespace
}  // namespace pilqr
