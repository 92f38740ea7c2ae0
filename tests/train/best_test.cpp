/// The best policy of a training: the one whose samples cost least.

#include <gtest/gtest.h>

#include <limits>

#include "pilqr/systems/task.hpp"
#include "train/moody_reacher.hpp"

namespace pilqr {
namespace {

using test::RecordedRun;

/// Every policy that was sampled and the mean cost of its samples, by looking over the shoulder.
struct Watched {
  explicit Watched(const Settings& settings) : run(settings) {}

  TrainResult train(int first, int iterations) {
    AnySystem system = find_task("reacher").system();
    run.options.first_iteration = first;
    run.options.iterations = iterations;
    sampled.resize(run.optimizers.size());
    costs.resize(run.optimizers.size());
    std::vector<LinearGaussianPolicy<>> now;
    const auto look = [&] {
      now.clear();
      for (const AnyOptimizer& optimizer : run.optimizers) now.push_back(optimizer.policy());
    };
    look();
    std::size_t m = 0;
    TrainCallbacks<> callbacks;
    callbacks.on_update = [&](const IterationRecord&, const Rollouts<>& rollouts) {
      sampled[m].push_back(now[m]);
      double sum = 0.0;
      for (int i = 0; i < rollouts.samples(); ++i) sum += rollouts.cost.row(i).sum();
      costs[m].push_back(sum / rollouts.samples());
      m = (m + 1) % now.size();
    };
    callbacks.on_iteration = [&](int) {
      look();
      return true;
    };
    SerialExecutor serial;
    return pilqr::train(system, run.costs, run.optimizers, run.options, callbacks, serial,
                        SingleRank{}, histories);
  }

  RecordedRun run;
  std::vector<ConditionHistory> histories;
  std::vector<std::vector<LinearGaussianPolicy<>>> sampled;  // of each condition
  std::vector<std::vector<double>> costs;
};

/// Few and noisy samples, so that costs go up and down.
Settings noisy() {
  Settings settings = test::reacher_settings(Algorithm::pi2, false);
  settings.samples = 2;
  return settings;
}

TEST(Best, IsThePolicyWhoseSamplesCostLeast) {
  Watched w(noisy());
  constexpr int iterations = 8;
  ASSERT_TRUE(w.train(0, iterations).ok());
  bool interesting = false;
  for (std::size_t m = 0; m < w.histories.size(); ++m) {
    const auto least = std::min_element(w.costs[m].begin(), w.costs[m].end());
    const auto n = least - w.costs[m].begin();
    const BestPolicy& best = w.histories[m].best;
    EXPECT_EQ(best.iteration, n);
    EXPECT_NEAR(best.cost, *least, 1e-12 * *least);
    EXPECT_EQ(best.policy, w.sampled[m][static_cast<std::size_t>(n)]);
    interesting = interesting || n != iterations - 1;
  }
  EXPECT_TRUE(interesting) << "costs only fell: nothing was tested";
}

TEST(Best, IsTheFirstPolicyUntilThereIsACost) {
  Watched w(noisy());
  ASSERT_TRUE(w.train(0, 0).ok());
  for (std::size_t m = 0; m < w.histories.size(); ++m) {
    EXPECT_EQ(w.histories[m].best.policy, w.run.optimizers[m].policy());
    EXPECT_EQ(w.histories[m].best.cost, std::numeric_limits<double>::infinity());
    EXPECT_EQ(w.histories[m].best.iteration, -1);
  }
}

TEST(Best, GoesOnAfterAResume) {
  Watched whole(noisy());
  ASSERT_TRUE(whole.train(0, 6).ok());
  for (int cut = 0; cut <= 6; ++cut) {
    Watched w(noisy());
    ASSERT_TRUE(w.train(0, cut).ok());
    ASSERT_TRUE(w.train(cut, 6 - cut).ok());
    EXPECT_EQ(w.histories, whole.histories) << cut;
  }
}

// Rollouts that fail say nothing of a policy, and a cost that is NaN is not the least.
TEST(Best, AsksTheGoodRolloutsOnly) {
  BestPolicy best;
  keep_best(find_task("reacher").initial_policy(0), std::numeric_limits<double>::quiet_NaN(), 0,
            best);
  EXPECT_EQ(best.iteration, -1);

  Watched w(noisy());
  w.run.options.conditions = {2, 1, 0};
  AnySystem system{test::MoodyReacher{.condition = 1, .iteration = 0, .sample = 1}};
  w.run.options.iterations = 1;
  SerialExecutor serial;
  const TrainResult result = pilqr::train(system, w.run.costs, w.run.optimizers, w.run.options,
                                          TrainCallbacks<>{}, serial, SingleRank{}, w.histories);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(w.histories[0].best.iteration, 0);
  EXPECT_EQ(w.histories[1].best.iteration, -1) << "one of two failed: too few to tell";
}

}  // namespace
}  // namespace pilqr
