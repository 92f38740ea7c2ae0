// When every rollout fails, whatever learns: exit status 1, the reason, and nothing lost.
#include <gtest/gtest.h>

#include "command/in_process.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/train/learner.hpp"
#include "train_words.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::Outcome;
using test::short_training;

class FaultsOf : public ::testing::TestWithParam<Algorithm> {};

// No rollout is done in a nanosecond: each is made twice, put aside and listed.
TEST_P(FaultsOf, EveryRolloutEndTheRunAndKeepTheInitialPolicy) {
  Command command;
  const std::string algorithm = name(GetParam());
  const Outcome outcome = command.run(short_training(
      "r", {"--algorithm", algorithm, "--set", "faults.time_limit=1e-9", "--samples", "3"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(test::contains(outcome.err, "iteration 1 failed: timed_out: condition 0, sample 0"));
  EXPECT_TRUE(test::contains(outcome.err, "0 of 3 rollouts are good, 2 needed"));
  EXPECT_TRUE(test::contains(outcome.err, "r/policy.safetensors holds the last good policy"));
  const auto lines = command.metrics("r");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["faults"].size(), 6U);
  EXPECT_EQ(lines[0]["samples_total"], 6);
  EXPECT_EQ(command.contents("r/quarantine").size(), 6U);

  const Task& task = find_task("point_mass");
  const Learner initial = make_learner(default_settings(task, GetParam()), task);
  for (const char* file : {"r/policy.safetensors", "r/best.safetensors"}) {
    if (const auto network = network_of(initial)) {
      EXPECT_TRUE(load_network(command.path(file)).policy == *network) << file;
    } else {
      EXPECT_TRUE(load_policy(command.path(file)).policies[0] == task.initial_policy(0)) << file;
    }
  }
  EXPECT_EQ(test::saved_iterations(command, "r"), 0);
}

INSTANTIATE_TEST_SUITE_P(Every, FaultsOf,
                         ::testing::Values(Algorithm::pilqr, Algorithm::lqr_flm, Algorithm::pi2,
                                           Algorithm::mdgps_pilqr, Algorithm::mdgps_lqr_flm,
                                           Algorithm::mdgps_pi2, Algorithm::trpo, Algorithm::ddpg),
                         [](const auto& of) { return std::string(name(of.param)); });

// All conditions are told of, and each keeps its policy.
TEST(FaultsOfAll, ConditionsEndTheRun) {
  for (const char* algorithm : {"pilqr", "mdgps_lqr_flm", "trpo"}) {
    Command command;
    const Outcome outcome =
        command.run(short_training("r",
                                   {"--algorithm", algorithm, "--set", "faults.time_limit=1e-9",
                                    "--samples", "2", "--conditions", "5,0"},
                                   "reacher"));
    EXPECT_EQ(outcome.status, 1);
    EXPECT_TRUE(test::contains(outcome.err, "iteration 1 failed: timed_out: condition 5, sample 0"))
        << outcome.err;
    const auto lines = command.metrics("r");
    ASSERT_EQ(lines.size(), 2U);
    for (const auto& line : lines) {
      EXPECT_EQ(line["status"], "timed_out") << algorithm;
      EXPECT_EQ(line["faults"].size(), 4U) << algorithm;
    }
    EXPECT_EQ(lines[1]["samples_total"], 8);
    EXPECT_EQ(command.contents("r/quarantine").size(), 8U);
    EXPECT_EQ(test::saved_iterations(command, "r"), 0);
    // Too few good rollouts end a training at once: it does so again, and says the same.
    const Outcome again = command.run({"train", "--resume", "r"});
    EXPECT_EQ(again.status, 1);
    EXPECT_EQ(command.metrics("r").size(), 2U);
    EXPECT_EQ(command.contents("r/quarantine").size(), 16U) << "the first ones are put aside";
  }
}

/// The reacher, of which all rollouts of one condition fail.
class BrokenCondition {
 public:
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  explicit BrokenCondition(int broken) : inner_(find_task("reacher").system()), broken_(broken) {}
  void reset(int condition, RandomStream& stream, VectorX& x) {
    if (condition == broken_) throw std::runtime_error("no power");
    inner_.reset(condition, stream, x);
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) {
    inner_.step(t, x, u, stream, next);
  }

 private:
  AnySystem inner_;
  int broken_;
};

TEST(FailedUpdates, AConditionThatIsLeftOutIsToldOf) {
  const test::TemporaryDirectory folder;
  test::InProcess training(folder / "r", "reacher",
                           {"algorithm=trpo", "conditions=[2, 5]", "samples=2", "iterations=1",
                            "faults.retries=0", "faults.least_share=0.3"});
  const auto outcome = training.train_on(BrokenCondition(2));
  EXPECT_TRUE(outcome.failure.ok() || outcome.failed_updates == 1) << outcome.failure.message();
  const auto words = command::failed_updates(training.rows, true);
  ASSERT_EQ(words.size(), 1U);
  EXPECT_TRUE(test::begins(words[0],
                           "iteration 1: a condition is left out: system_error: condition 2, "
                           "sample 0"))
      << words[0];
  EXPECT_TRUE(test::contains(words[0], "no power"));
}

TEST(FailedUpdates, AnSStepIsToldOfOnce) {
  command::MetricsRow row{.record = {.iteration = 6}, .guided = command::GuidedFigures{}};
  row.guided->supervision_failure = {.kind = FailureKind::non_finite_update, .condition = 1};
  const std::vector<command::MetricsRow> rows = {row, row};
  EXPECT_EQ(
      command::failed_updates(rows, false),
      std::vector<std::string>{"iteration 7: the S-step failed, the network stays as it was: " +
                               row.guided->supervision_failure.message()});
}

// The gradient of a policy with next to no noise overflows.
TEST(FailedUpdates, EndATrainingOfANetworkAlone) {
  Command command;
  const Outcome outcome =
      command.run(short_training("r", {"--algorithm", "trpo", "--set", "trpo.initial_std=1e-90",
                                       "--set", "stop.failed_updates=2"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(test::begins(outcome.err,
                           "pilqr: iteration 1: update failed, the policy stays as it "
                           "was: "))
      << outcome.err;
  EXPECT_TRUE(test::contains(outcome.err, "; 2 updates in a row have failed; r/policy"))
      << outcome.err;
  EXPECT_EQ(command.metrics("r").size(), 2U);
}

// The disk may be full too: what ended the training is told all the same.
TEST(FailedUpdates, AreToldOfAlsoIfTheBestPolicyCannotBeSaved) {
  const test::TemporaryDirectory folder;
  test::InProcess training(folder / "r", "point_mass", {"faults.time_limit=1e-9"});
  const auto best = folder / "r/best.safetensors";
  std::filesystem::remove(best);
  std::filesystem::create_directory(best);
  const auto outcome = training.train();
  EXPECT_EQ(outcome.failure.kind, FailureKind::timed_out);
  EXPECT_TRUE(test::begins(outcome.unsaved, best.string() + ": ")) << outcome.unsaved;
  ::testing::internal::CaptureStderr();
  command::tell(outcome, {}, training.run.settings, training.folder);
  const std::string told = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(test::begins(told, "pilqr: iteration 1 failed: timed_out")) << told;
  EXPECT_TRUE(test::contains(told, "\npilqr: " + outcome.unsaved + '\n')) << told;
}

}  // namespace
}  // namespace pilqr
