/// Checkpoints of runs in which a network learns.

#include <gtest/gtest.h>

#include <limits>

#include "io/io_support.hpp"
#include "train/faulty.hpp"
#include "train/learner_run.hpp"

namespace pilqr {
namespace {

using test::LearnerRun;

/// Two conditions of the reacher, small networks.
Settings settings_of(Algorithm algorithm) {
  Settings settings = default_settings(find_task("reacher"), algorithm);
  settings.conditions = {2, 0};
  settings.samples = 5;
  settings.seed = 7;
  settings.iterations = 2;
  settings.network.hidden = {6};
  settings.network.training.steps = 20;
  settings.ddpg.start_steps = 1500;  // of the 2000 after two iterations
  settings.ddpg.updates_per_step = 0.013;
  settings.ddpg.capacity = 1200;
  return settings;
}

std::string name_of(const ::testing::TestParamInfo<Algorithm>& of) {
  return name(of.param);
}

class CheckpointOfNetwork : public ::testing::TestWithParam<Algorithm> {
 protected:
  CheckpointOfNetwork() : run(settings_of(GetParam())) {
    EXPECT_TRUE(run.train_on(test::Faulty(run.task, 0.0)).ok());
    progress = {.iterations = 2,
                .samples_total = 20,
                .steps_total = 2000,
                .best_network = {{*network_of(run.learner), 3.5, 1}},
                .failed_updates = 2};
  }
  [[nodiscard]] std::filesystem::path path() const { return directory / "state.safetensors"; }
  void save() const { save_checkpoint(path(), run.settings, progress, run.learner); }

  LearnerRun run;
  Progress progress;
  test::TemporaryDirectory directory;
};

INSTANTIATE_TEST_SUITE_P(Every, CheckpointOfNetwork,
                         ::testing::Values(Algorithm::mdgps_pilqr, Algorithm::mdgps_lqr_flm,
                                           Algorithm::mdgps_pi2, Algorithm::trpo, Algorithm::ddpg),
                         name_of);

// What was counted and found comes back, and the run goes on bit by bit.
TEST_P(CheckpointOfNetwork, BringsBackTheProgressAndTheLearner) {
  save();
  LearnerRun again(run.settings);
  EXPECT_NE(again.state(), run.state());
  const LoadedCheckpoint loaded = load_checkpoint(path(), again.settings, again.learner);
  EXPECT_EQ(loaded.damage, "");
  EXPECT_EQ(loaded.progress, progress);
  EXPECT_EQ(loaded.progress.failed_updates, 2);
  EXPECT_EQ(again.state(), run.state());
  for (LearnerRun* one : {&run, &again}) {
    one->first_iteration = 2;
    ASSERT_TRUE(one->train_on(test::Faulty(one->task, 0.0)).ok());
  }
  EXPECT_EQ(again.state(), run.state());
}

TEST_P(CheckpointOfNetwork, EveryTensorIsNeededAndNoOther) {
  const SafeTensors good = checkpoint_to_safetensors(run.settings, progress, run.learner);
  LearnerRun other(run.settings);
  const std::string fresh = other.state();
  const auto refused = [&](const SafeTensors& bad) {
    const std::string message = test::file_error(
        [&] { (void)checkpoint_from_safetensors(bad, "f", other.settings, other.learner); });
    EXPECT_TRUE(test::begins(message, "f: ")) << message;
    return message;
  };
  for (const auto& [name, tensor] : good.tensors) {
    SafeTensors bad = good;
    bad.tensors.erase(name);
    EXPECT_TRUE(test::contains(refused(bad), "is missing")) << name;
  }
  SafeTensors bad = good;
  bad.tensors["extra"] = {{}, std::vector<double>{0.0}};
  EXPECT_TRUE(test::contains(refused(bad), "is not part of the format"));
  for (const std::int64_t count : {-1, 1'000'001}) {
    bad = good;
    bad.tensors["failed_updates"] = {{}, std::vector<std::int64_t>{count}};
    EXPECT_TRUE(test::contains(refused(bad), "\"failed_updates\" is"));
  }
  EXPECT_EQ(other.state(), fresh);
}

// What could not be read again is not written: both files stay.
TEST_P(CheckpointOfNetwork, AnUnreadableOneIsNotWritten) {
  save();
  ++progress.samples_total;
  save();
  const std::string last = test::read_plainly(path());
  const std::string previous = test::read_plainly(previous_checkpoint(path()));
  EXPECT_NE(last, previous);
  progress.best_network->cost = std::numeric_limits<double>::quiet_NaN();
  const std::string message = test::file_error([&] { save(); });
  EXPECT_EQ(message, path().string() +
                         ": is left as it was, no run could go on from the new one: "
                         "best_network/cost is nan");
  EXPECT_EQ(test::read_plainly(path()), last);
  EXPECT_EQ(test::read_plainly(previous_checkpoint(path())), previous);
  EXPECT_EQ(directory.entries().size(), 2U);
}

TEST(BestNetwork, IsThatOfLeastCostOverTheConditions) {
  const Settings settings = settings_of(Algorithm::trpo);
  const NetworkPolicy network = *network_of(make_learner(settings, find_task("reacher")));
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  std::optional<BestNetwork> best;
  const auto sample = [&](int iteration, const std::vector<double>& costs) {
    std::vector<IterationRecord> records;
    for (const double cost : costs) records.emplace_back().report.cost_mean = cost;
    keep_best_network(network, records, iteration, best);
  };
  const auto expect = [&](double cost, int iteration) {
    ASSERT_TRUE(best.has_value());
    EXPECT_DOUBLE_EQ(best->cost, cost);
    EXPECT_EQ(best->iteration, iteration);
  };
  sample(0, {nan, nan});
  EXPECT_FALSE(best.has_value()) << "there is no cost";
  sample(1, {6.0, 2.0});
  expect(4.0, 1);
  sample(2, {nan, 2.0});  // as dear as the other
  expect(2.0, 2);
  sample(3, {1.0, nan});
  expect(1.0, 3);
  sample(4, {nan, nan});
  sample(5, {1.0, 1.0});
  expect(1.0, 3);
  best.reset();
  sample(6, {5.0, 1.0, 3.0});
  sample(7, {4.0, nan, 1.0});  // 4, 4, 1
  expect(3.0, 6);
}

}  // namespace
}  // namespace pilqr
