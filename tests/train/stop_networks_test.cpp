/// When failed updates end a training of one network for all conditions.

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "pilqr/train/baselines.hpp"
#include "train/mdgps_support.hpp"
#include "train/moody_optimizer.hpp"

namespace pilqr {
namespace {

using test::kNu;
using test::kNx;
using test::LinearGlobalPolicy;
using test::MoodyOptimizer;
using test::regulator_cost;
using test::Starts;

constexpr int T = 6;

/// Guided policy search with two conditions; the updates of the second fail when they should.
struct MoodyGuided {
  using M = Mdgps<MoodyOptimizer, LinearGlobalPolicy>;
  explicit MoodyGuided(std::set<int> bad) : learner(locals(bad), LinearGlobalPolicy(kNx, kNu)) {}
  static std::vector<MoodyOptimizer> locals(const std::set<int>& bad) {
    const auto policy = [](std::uint64_t m) {
      return test::Random(50 + m).policy<Dynamic, Dynamic>(T, kNx, kNu, 0.1);
    };
    return {MoodyOptimizer(policy(0)), MoodyOptimizer(policy(1), bad)};
  }
  auto train(const TrainOptions& options) {
    Starts system;
    SerialExecutor serial;
    SingleRank alone;
    MdgpsCallbacks<> callbacks;
    callbacks.on_iteration = [this](int iteration) {
      ended.push_back(iteration);
      return true;
    };
    return pilqr::train(system, std::vector{regulator_cost()}, learner, options, callbacks, serial,
                        alone, failed_updates);
  }

  M learner;
  int failed_updates = 0;
  std::vector<int> ended;
};

/// A learner of which these updates fail; the others change the state's scale.
class MoodyNetwork {
 public:
  struct Report {
    Failure failure{};
  };
  explicit MoodyNetwork(std::set<int> bad) : bad_(std::move(bad)), policy_(network()) {}
  [[nodiscard]] int steps() const { return T; }
  [[nodiscard]] NetworkPolicy policy() const { return policy_; }
  Report update(const std::vector<RolloutsView>& /*batches*/, const RandomStream& /*stream*/) {
    const int now = done_++;
    if (bad_.count(now) != 0) return {{.kind = FailureKind::singular_fit, .value = 1.0 + now}};
    policy_.set_normalisation({VectorX::Zero(kNx), VectorX::Constant(kNx, 2.0 + now)});
    return {};
  }

 private:
  static NetworkPolicy network() {
    RandomStream stream({.seed = 1});
    return NetworkPolicy({kNx, {2}, kNu, Activation::tanh}, stream);
  }
  std::set<int> bad_;
  NetworkPolicy policy_;
  int done_ = 0;
};

struct MoodyBaseline {
  explicit MoodyBaseline(std::set<int> bad) : learner(std::move(bad)) {}
  auto train(const TrainOptions& options) {
    Starts system;
    SerialExecutor serial;
    SingleRank alone;
    BaselineCallbacks<MoodyNetwork, Starts> callbacks;
    callbacks.on_iteration = [this](int iteration) {
      ended.push_back(iteration);
      return true;
    };
    const std::vector<test::Quadratic> costs(2, regulator_cost());
    return pilqr::train(learner, system, costs, {}, options, callbacks, serial, alone,
                        failed_updates);
  }

  MoodyNetwork learner;
  int failed_updates = 0;
  std::vector<int> ended;
};

template <class Run>
class StopOfNetworks : public ::testing::Test {};
using Runs = ::testing::Types<MoodyGuided, MoodyBaseline>;
TYPED_TEST_SUITE(StopOfNetworks, Runs);

TYPED_TEST(StopOfNetworks, AfterFailedUpdatesInARow) {
  TypeParam run({1, 2, 4, 5, 6});
  const auto result = run.train({.iterations = 10, .samples = 8, .stop = {.failed_updates = 3}});
  EXPECT_EQ(result.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(result.failure.value, 7.0) << "the last one";
  EXPECT_EQ(result.iterations, 6);
  EXPECT_EQ(result.failed_updates, 3);
  EXPECT_EQ(run.ended, (std::vector{0, 1, 2, 3, 4, 5}));
}

// A training that goes on ends where the whole one does.
TYPED_TEST(StopOfNetworks, TheCountGoesOn) {
  TypeParam run({1, 2, 4, 5, 6});
  TrainOptions options{.iterations = 6, .samples = 8, .stop = {.failed_updates = 3}};
  EXPECT_TRUE(run.train(options).ok());
  EXPECT_EQ(run.failed_updates, 2);
  options.first_iteration = 6;
  const auto result = run.train(options);
  EXPECT_EQ(result.failed_updates, 3);
  EXPECT_EQ(result.iterations, 0);
}

TYPED_TEST(StopOfNetworks, WhenAllUpdatesOfATrainingHaveFailed) {
  TypeParam run({0, 1, 2});
  const auto result = run.train({.iterations = 3, .samples = 8});
  EXPECT_EQ(result.failure.value, 3.0);
  EXPECT_EQ(result.failed_updates, 3);
  TypeParam other({1, 2});
  EXPECT_TRUE(other.train({.iterations = 3, .samples = 8}).ok()) << "the first one was good";
}

// What a failed C-step leaves: its policy; the network learns from the other condition.
TEST(StopOfGuidedSearch, AFailedConditionIsSampledAgain) {
  MoodyGuided run({1});
  ASSERT_TRUE(run.train({.iterations = 1, .samples = 8}).ok());
  const LinearGaussianPolicy<> before = run.learner.locals()[1].policy();
  TrainOptions next{.iterations = 1, .samples = 8, .first_iteration = 1};
  const auto failing = run.train(next);
  ASSERT_TRUE(failing.ok());
  EXPECT_FALSE(failing.last.conditions[1].report.ok());
  EXPECT_EQ(run.failed_updates, 1);
  EXPECT_TRUE(run.learner.locals()[1].policy() == before);
  EXPECT_EQ(failing.last.supervision.points, T * 8);
  next.first_iteration = 2;
  ASSERT_TRUE(run.train(next).ok());
  EXPECT_EQ(run.failed_updates, 0);
  EXPECT_FALSE(run.learner.locals()[1].policy() == before);
}

// The policy that a failed update of a network alone leaves is that before, and is sampled again,
// with other noise.
TEST(StopOfBaselines, AFailedUpdateLeavesThePolicyToBeSampledAgain) {
  MoodyBaseline run({1});
  TrainOptions options{.iterations = 1, .samples = 8, .seed = 3};
  ASSERT_TRUE(run.train(options).ok());
  const NetworkPolicy before = run.learner.policy();
  options.first_iteration = 1;
  const auto failing = run.train(options);
  ASSERT_TRUE(failing.ok());
  EXPECT_EQ(run.failed_updates, 1);
  EXPECT_TRUE(run.learner.policy() == before);
  for (const IterationRecord& record : failing.last.conditions) {
    EXPECT_EQ(record.report.failure.kind, FailureKind::singular_fit);
    EXPECT_TRUE(std::isfinite(record.report.cost_mean));
  }
  options.first_iteration = 2;
  const auto good = run.train(options);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(run.failed_updates, 0);
  EXPECT_FALSE(run.learner.policy() == before);
  Starts system;
  const Rollouts<> expected = sample(system, regulator_cost(), NetworkActor(before, T),
                                     {.samples = 8, .seed = 3, .iteration = 2, .condition = 1})
                                  .rollouts;
  EXPECT_EQ(good.last.rollouts[1].cost, expected.cost);
  EXPECT_NE(good.last.rollouts[1].cost, failing.last.rollouts[1].cost);
}

}  // namespace
}  // namespace pilqr
