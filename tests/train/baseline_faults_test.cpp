/// Rollouts that fail and updates that are refused, where a network learns alone; and what ranks
/// compare.

#include <gtest/gtest.h>

#include "pilqr/train/baselines.hpp"
#include "support/thread_team.hpp"
#include "train/mdgps_support.hpp"

namespace pilqr {
namespace {

using test::kNu;
using test::kNx;
using test::regulator_cost;
using test::Starts;

constexpr int T = 6;

Trpo new_trpo(const TrustRegionOptions& region = {}) {
  RandomStream stream({.seed = 1});
  return {kNx, kNu, T, {.hidden = {4}, .trust_region = region, .value = {.hidden = {4}}}, stream};
}

Ddpg new_ddpg() {
  DdpgOptions options;
  options.actor_hidden = options.critic_hidden = {4};
  options.start_steps = 20;
  options.batch = 8;
  RandomStream stream({.seed = 1});
  return {kNx, kNu, T, options, stream};
}

RandomStream stream_of(int iteration) {
  return RandomStream({.seed = 6,
                       .iteration = static_cast<std::uint32_t>(iteration),
                       .purpose = StreamPurpose::baseline});
}

/// Rejects the first rollouts of each condition, as many as it has numbers for.
Reject<> reject_first(std::vector<int> numbers) {
  return [numbers](int condition, int i, const Rollouts<>& /*rollouts*/) {
    return std::string(i < numbers[static_cast<std::size_t>(condition)] ? "leaned on" : "");
  };
}

template <class L>
auto iterate_with(L& learner, const TrainOptions& options, const Reject<>& reject) {
  Starts system;
  SerialExecutor serial;
  const std::vector<test::Quadratic> costs(2, regulator_cost());
  return iterate(learner, system, costs, {}, options, 3, serial, SingleRank{}, reject);
}

// 1 of 4 and 3 of 4: half of all, so that there is an update, and on all four of them.
TEST(BaselineFaults, TheShareIsThatOfAllSamplesTogether) {
  const TrainOptions options{.samples = 4, .seed = 6, .faults = {.retries = 0, .least_share = 0.5}};
  Trpo trpo = new_trpo();
  Trpo by_hand = trpo;
  const auto report = iterate_with(trpo, options, reject_first({3, 1}));
  ASSERT_TRUE(report.sampled);
  ASSERT_TRUE(report.failure().ok()) << report.failure().message();
  std::vector<Rollouts<>> good;
  for (int m = 0; m < 2; ++m) {
    const auto place = static_cast<std::size_t>(m);
    Starts system;
    const Rollouts<> all = sample(system, regulator_cost(), NetworkActor(by_hand.policy(), T),
                                  {.samples = 4, .seed = 6, .iteration = 3, .condition = m})
                               .rollouts;
    good.push_back(only(all, m == 0 ? std::vector{3} : std::vector{1, 2, 3}));
    EXPECT_EQ(report.rollouts[place].samples(), good.back().samples());
    EXPECT_EQ(report.conditions[place].report.cost_mean, good.back().total_cost().mean());
    EXPECT_EQ(report.conditions[place].faults.size(), m == 0 ? 3U : 1U);
  }
  ASSERT_TRUE(by_hand.update({good[0], good[1]}, stream_of(3)).ok());
  EXPECT_EQ(trpo.state(), by_hand.state());
}

// 1 of 4 and 2 of 4: less than half of all. Both conditions lack some, and say of how many.
TEST(BaselineFaults, TooFewOfAllTogetherAreToldAsTotals) {
  const TrainOptions options{.samples = 4, .seed = 6, .faults = {.retries = 1, .least_share = 0.5}};
  Ddpg ddpg = new_ddpg();
  const DdpgState before = ddpg.state();
  const auto report = iterate_with(ddpg, options, reject_first({3, 2}));
  EXPECT_FALSE(report.sampled);
  EXPECT_EQ(report.failure().kind, FailureKind::rejected);
  EXPECT_EQ(report.failure().condition, 0);
  EXPECT_EQ(report.failure().attempt, 1) << "the last one";
  EXPECT_EQ(report.failure().detail, "leaned on; 3 of 8 rollouts are good, 4 needed");
  EXPECT_EQ(report.conditions[1].report.failure.detail,
            "leaned on; 3 of 8 rollouts are good, 4 needed");
  for (const IterationRecord& record : report.conditions) {
    EXPECT_TRUE(std::isfinite(record.report.cost_mean)) << "of the good ones";
  }
  EXPECT_EQ(ddpg.state(), before);
}

TEST(BaselineFaults, AConditionWithoutAGoodRolloutIsLeftOut) {
  const TrainOptions options{.samples = 4, .seed = 6, .faults = {.retries = 0, .least_share = 0.5}};
  Trpo trpo = new_trpo();
  const TrpoState before = trpo.state();
  const auto report = iterate_with(trpo, options, reject_first({0, 4}));
  EXPECT_TRUE(report.failure().ok());
  EXPECT_TRUE(report.conditions[0].report.ok());
  EXPECT_EQ(report.conditions[1].report.failure.detail,
            "leaned on; 0 of 4 rollouts are good, 1 needed");
  EXPECT_TRUE(std::isnan(report.conditions[1].report.cost_mean));
  EXPECT_EQ(report.update.samples, 4);
  EXPECT_FALSE(trpo.state() == before);
}

// What an update says of itself is in the record of every condition.
TEST(BaselineFaults, RecordsTellOfTheStep) {
  const TrainOptions options{.samples = 4, .seed = 6};
  Trpo trpo = new_trpo();
  const auto report = iterate_with(trpo, options, {});
  ASSERT_TRUE(report.failure().ok());
  const double least = trpo.policy().covariance_factor().diagonal().minCoeff();
  for (const IterationRecord& record : report.conditions) {
    EXPECT_EQ(record.report.moved, 1);
    EXPECT_EQ(record.report.kl_mean, report.update.step.kl);
    EXPECT_GT(record.report.kl_mean, 0.0);
    EXPECT_EQ(record.report.noise_std_min, least);
  }
  Ddpg ddpg = new_ddpg();
  const IterationRecord record = iterate_with(ddpg, options, {}).conditions[0];
  EXPECT_EQ(record.report.moved, -1);
  EXPECT_TRUE(std::isnan(record.report.kl_mean));
  EXPECT_DOUBLE_EQ(record.report.noise_std_min, ddpg.options().std);
}

// A line search that finds nothing, again and again: the training ends and says so.
TEST(BaselineFaults, StepsThatAreNotMadeCountAsFailedUpdates) {
  // No divergence at all: whatever moves is too much.
  Trpo trpo = new_trpo({.kl_step = 1e-300, .damping = 0.0, .cg_iterations = 1, .backtracks = 0});
  const DiagonalGaussian before = trpo.state().policy;
  Starts system;
  SerialExecutor serial;
  BaselineCallbacks<Trpo, Starts> callbacks;
  int told = 0;
  callbacks.on_update = [&](const IterationRecord& record, const Rollouts<>& /*rollouts*/) {
    EXPECT_EQ(record.report.failure.kind, FailureKind::no_improvement);
    EXPECT_EQ(record.report.moved, 0);
    EXPECT_TRUE(std::isfinite(record.report.cost_mean));
    ++told;
  };
  const std::vector<test::Quadratic> costs(2, regulator_cost());
  const auto result =
      train(trpo, system, costs, {},
            {.iterations = 10, .samples = 4, .stop = {.failed_updates = 3}}, callbacks, serial);
  EXPECT_EQ(result.failure.kind, FailureKind::no_improvement);
  EXPECT_EQ(result.failed_updates, 3);
  EXPECT_EQ(result.iterations, 2);
  EXPECT_EQ(told, 6);
  EXPECT_EQ(trpo.state().policy, before);
}

/// What the second of two ranks is given other than the first: refused on both, before anything is
/// sampled.
template <class L, class Change>
void expect_refused(const L& fresh, const Change& change) {
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    L learner = fresh;
    TrainOptions options{.iterations = 1, .samples = 4, .seed = 4};
    BaselineCallbacks<L, Starts> callbacks;
    int failed_updates = 0;
    if (team.rank() == 1) change(learner, options, callbacks, failed_updates);
    Starts system;
    SerialExecutor serial;
    const std::vector<test::Quadratic> costs(2, regulator_cost());
    EXPECT_THROW(
        (void)train(learner, system, costs, {}, options, callbacks, serial, team, failed_updates),
        InvalidArgument);
    EXPECT_EQ(team.exchanges, 1);
  });
}

template <class L>
void expect_comparisons(const L& fresh) {
  expect_refused(fresh, [](L&, TrainOptions& options, auto&, int&) { options.seed = 5; });
  expect_refused(fresh, [](L&, TrainOptions&, auto& callbacks, int&) {
    callbacks.reject = [](int, int, const Rollouts<>&) { return std::string(); };
  });
  expect_refused(fresh, [](L&, TrainOptions&, auto&, int& failed) { failed = 1; });
  expect_refused(fresh, [](L& learner, TrainOptions&, auto&, int&) {  // one update further
    ASSERT_TRUE(iterate_with(learner, {.samples = 4, .seed = 6}, {}).failure().ok());
  });
}

TEST(BaselineRanks, AreGivenTheSame) {
  expect_comparisons(new_trpo());
  expect_comparisons(new_ddpg());
  expect_refused(new_trpo(), [](Trpo& trpo, TrainOptions&, auto&, int&) {  // the policy is equal
    TrpoState state = trpo.state();
    state.value.mean += 1.0;
    trpo.restore(state);
  });
}

}  // namespace
}  // namespace pilqr
