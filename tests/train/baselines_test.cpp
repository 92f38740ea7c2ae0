// DDPG and TRPO as a whole: sampling, what ranks must not show, failures, and that they learn a
// problem whose optimum is known.

#include "pilqr/train/baselines.hpp"

#include <gtest/gtest.h>

#include "baselines/baseline_problem.hpp"
#include "pilqr/model/global_controller.hpp"
#include "support/thread_team.hpp"
#include "train/mdgps_support.hpp"

namespace pilqr {
namespace {

using test::kNu;
using test::kNx;
using test::regulator_cost;
using test::Starts;

static_assert(Baseline<Trpo> && Baseline<Ddpg>);
static_assert(Actor<NetworkActor>);

constexpr int T = 10;

Trpo new_trpo() {
  TrpoOptions options{.hidden = {}, .value = {.hidden = {32}}};
  options.initial_std = 1.0;
  options.trust_region.kl_step = 0.02;
  RandomStream stream({.seed = 1});
  return {kNx, kNu, T, options, stream};
}

Ddpg new_ddpg() {
  DdpgOptions options;
  options.actor_hidden = {};
  options.critic_hidden = {32, 32};
  options.action_scale = VectorX::Constant(kNu, 4.0);
  options.start_steps = 300;
  RandomStream stream({.seed = 1});
  return {kNx, kNu, T, options, stream};
}

/// Mean cost of the noiseless policy over the conditions.
template <Actor P>
double mean_cost(const P& actor, const test::Quadratic& cost) {
  double sum = 0.0;
  for (int m = 0; m < 3; ++m) sum += test::mean_cost(actor, cost, m);
  return sum / 3.0;
}

/// The share of the way from doing nothing to the best there is that is still to go.
template <class L>
double left_to_gain(const L& learner) {
  const auto cost = regulator_cost();
  LinearGaussianPolicy<> nothing(T, kNx, kNu);
  for (int t = 0; t < T; ++t) {
    nothing.K[t].setZero();
    nothing.k[t].setZero();
    nothing.L[t].setIdentity();
  }
  const double best = mean_cost(test::optimal_policy(T, Starts{}.linear, cost), cost);
  const double now = mean_cost(NetworkActor(learner.policy(), T), cost);
  EXPECT_GT(now, best);
  return (now - best) / (mean_cost(nothing, cost) - best);
}

template <class L>
void learn(L& learner, int iterations, int samples) {
  Starts system;
  SerialExecutor serial;
  const std::vector<test::Quadratic> costs(3, regulator_cost());
  const auto result = train(learner, system, costs, {},
                            {.iterations = iterations, .samples = samples, .seed = 4}, {}, serial);
  ASSERT_TRUE(result.ok()) << result.failure.message();
  EXPECT_EQ(result.iterations, iterations);
  EXPECT_EQ(result.last.update.samples, 3L * iterations * samples);
  EXPECT_EQ(result.last.update.steps, 3L * iterations * samples * T);
}

TEST(BaselineLearning, TrpoNearsTheOptimumOfALinearQuadraticProblem) {
  Trpo trpo = new_trpo();
  EXPECT_GE(left_to_gain(trpo), 0.9);
  learn(trpo, 100, 20);
  EXPECT_LE(left_to_gain(trpo), 0.02);
}

TEST(BaselineLearning, DdpgNearsTheOptimumOfALinearQuadraticProblem) {
  Ddpg ddpg = new_ddpg();
  EXPECT_GE(left_to_gain(ddpg), 0.9);
  learn(ddpg, 200, 1);
  EXPECT_LE(left_to_gain(ddpg), 0.02);
}

/// One iteration by hand: the rollouts that it makes are those of sample().
TEST(Baselines, AnIterationIsSamplingAndAnUpdate) {
  Trpo trpo = new_trpo();
  Trpo by_hand = trpo;
  Starts system;
  SerialExecutor serial;
  const TrainOptions options{.samples = 4, .seed = 6, .conditions = {2, 0}};
  const auto report = iterate(trpo, system, std::vector{regulator_cost()}, {}, options, 3, serial);
  ASSERT_TRUE(report.failure().ok());
  std::vector<Rollouts<>> rollouts;
  double mean = 0.0;
  for (std::size_t m = 0; m < 2; ++m) {
    const SampleOptions which{
        .samples = 4, .seed = 6, .iteration = 3, .condition = options.conditions[m]};
    rollouts.push_back(
        sample(system, regulator_cost(), NetworkActor(by_hand.policy(), T), which).rollouts);
    EXPECT_EQ(report.conditions[m].report.cost_mean, rollouts[m].total_cost().mean());
    EXPECT_EQ(report.conditions[m].condition, options.conditions[m]);
    EXPECT_EQ(report.conditions[m].rollouts, 4);
    mean += rollouts[m].total_cost().mean() / 2.0;
  }
  EXPECT_DOUBLE_EQ(report.cost_mean(), mean);
  ASSERT_TRUE(
      by_hand
          .update({rollouts[0], rollouts[1]},
                  RandomStream({.seed = 6, .iteration = 3, .purpose = StreamPurpose::baseline}))
          .ok());
  EXPECT_EQ(trpo.state(), by_hand.state());
}

template <class L>
void expect_the_same_on_ranks(L fresh) {
  const auto run = [&](auto&& team) {
    L learner = fresh;
    Starts system;
    SerialExecutor serial;
    const std::vector<test::Quadratic> costs(3, regulator_cost());
    const auto result = train(learner, system, costs, {},
                              {.iterations = 3, .samples = 11, .seed = 4}, {}, serial, team);
    EXPECT_TRUE(result.ok());
    return learner;
  };
  const L expected = run(SingleRank{});
  EXPECT_FALSE(expected.state() == fresh.state());
  EXPECT_EQ(run(SingleRank{}).state(), expected.state());
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    EXPECT_TRUE(run(team).state() == expected.state());
    EXPECT_GT(team.exchanges, 0);
  });
}

TEST(Baselines, RepeatBitByBitOnAnyNumberOfRanks) {
  expect_the_same_on_ranks(new_trpo());
  expect_the_same_on_ranks(new_ddpg());
}

// There may be one rollout of each condition: the others go on without it.
TEST(Baselines, AConditionThatFailsIsLeftOut) {
  Trpo trpo = new_trpo();
  Trpo by_hand = trpo;
  Starts system;
  system.bad_condition = 1;
  SerialExecutor serial;
  const TrainOptions options{.samples = 4, .seed = 6, .conditions = {0, 1, 2}};
  const auto report = iterate(trpo, system, std::vector{regulator_cost()}, {}, options, 3, serial);
  EXPECT_TRUE(report.failure().ok());
  EXPECT_FALSE(report.conditions[1].report.ok());
  EXPECT_EQ(report.conditions[1].faults.size(), 8U);
  std::vector<Rollouts<>> rollouts;
  for (const int condition : {0, 2}) {
    const SampleOptions which{.samples = 4, .seed = 6, .iteration = 3, .condition = condition};
    rollouts.push_back(
        sample(system, regulator_cost(), NetworkActor(by_hand.policy(), T), which).rollouts);
  }
  ASSERT_TRUE(
      by_hand
          .update({rollouts[0], rollouts[1]},
                  RandomStream({.seed = 6, .iteration = 3, .purpose = StreamPurpose::baseline}))
          .ok());
  EXPECT_EQ(trpo.state(), by_hand.state());
}

TEST(Baselines, TooFewGoodRolloutsStopTheLearning) {
  Trpo trpo = new_trpo();
  const TrpoState before = trpo.state();
  Starts system;
  system.bad_condition = 1;
  SerialExecutor serial;
  const std::vector<test::Quadratic> costs(3, regulator_cost());
  int calls = 0;
  BaselineCallbacks<Trpo, Starts> callbacks;
  callbacks.on_report = [&](int, const auto& report) {
    ++calls;
    EXPECT_TRUE(report.conditions[0].report.ok());
    EXPECT_EQ(report.conditions[1].rollouts, 8);  // with the second try
  };
  callbacks.on_iteration = [](int) {
    ADD_FAILURE() << "an iteration that failed is not finished";
    return true;
  };
  const auto result =
      train(trpo, system, costs, {},
            {.iterations = 5, .samples = 4, .faults = {.least_share = 0.7}}, callbacks, serial);
  EXPECT_EQ(result.failure.kind, FailureKind::system_error);
  EXPECT_EQ(result.failure.condition, 1);
  EXPECT_EQ(result.iterations, 0);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(trpo.state(), before);
}

TEST(Baselines, TheCallbackEndsTheTraining) {
  Ddpg ddpg = new_ddpg();
  Starts system;
  SerialExecutor serial;
  const std::vector<test::Quadratic> costs(3, regulator_cost());
  BaselineCallbacks<Ddpg, Starts> callbacks;
  callbacks.on_iteration = [](int iteration) { return iteration < 1; };
  const auto result =
      train(ddpg, system, costs, {}, {.iterations = 5, .samples = 1}, callbacks, serial);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.iterations, 2);
}

/// What tells a condition apart besides its state.
Observation sight(int m) {
  test::Random random(static_cast<std::uint64_t>(m));
  return {.H = random.matrix(2, kNx), .h = random.vector(2)};
}

/// The same system, with that in its state.
struct Seeing {
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  Starts inner;
  Observation observation;

  void see(const VectorX& own, VectorX& x) const {
    x.resize(kNx + 2);
    x << own, observation.H * own + observation.h;
  }
  void reset(int condition, RandomStream& stream, VectorX& x) {
    observation = sight(condition);
    VectorX own;
    inner.reset(condition, stream, own);
    see(own, x);
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) const {
    VectorX own(kNx);
    inner.step(t, x.head(kNx), u, stream, own);
    see(own, next);
  }
};

TEST(Baselines, ObservationsAreAsGoodAsEntriesOfTheState) {
  TrpoOptions options{.hidden = {5}, .value = {.hidden = {5}}};
  RandomStream stream({.seed = 1});
  Trpo seeing(kNx + 2, kNu, T, options, stream);
  Trpo shown = seeing;
  SerialExecutor serial;
  const TrainOptions which{.samples = 6, .seed = 3, .conditions = {2, 0}};
  auto wide = regulator_cost();
  const MatrixX C = wide.C;
  wide.C = MatrixX::Zero(kNx + 2 + kNu, kNx + 2 + kNu);
  wide.C.topLeftCorner(kNx, kNx) = C.topLeftCorner(kNx, kNx);
  wide.C.bottomRightCorner(kNu, kNu) = C.bottomRightCorner(kNu, kNu);
  wide.c = VectorX::Zero(kNx + 2 + kNu);
  Seeing in_the_state;
  const auto expected = iterate(seeing, in_the_state, std::vector{wide}, {}, which, 0, serial);
  Starts system;
  const auto report =
      iterate(shown, system, std::vector{regulator_cost()}, {sight(2), sight(0)}, which, 0, serial);
  ASSERT_TRUE(expected.failure().ok() && report.failure().ok());
  EXPECT_NEAR(report.cost_mean(), expected.cost_mean(), 1e-10 * expected.cost_mean());
  EXPECT_EQ(report.rollouts[0].nx(), kNx);
  const auto parameters = [](const Trpo& trpo) { return trpo.state().policy.mean.parameters(); };
  RandomStream again({.seed = 1});
  EXPECT_GT((parameters(shown) - parameters(Trpo(kNx + 2, kNu, T, options, again))).norm(), 1e-3);
  EXPECT_LE((parameters(shown) - parameters(seeing)).norm(), 1e-8);
  EXPECT_THROW(
      (void)iterate(shown, system, std::vector{regulator_cost()}, {sight(2)}, which, 0, serial),
      InvalidArgument);
}

// As a GlobalPolicy it acts as it does by itself, as long as no limit is met.
TEST(Baselines, ThePolicyIsAGlobalPolicy) {
  Trpo trpo = new_trpo();
  const NetworkPolicy policy = trpo.policy();
  GlobalController<NetworkPolicy> controller(policy, T);
  NetworkActor actor(policy, T);
  test::Random random(3);
  const VectorX x = random.vector(kNx);
  const VectorX xi = random.vector(kNu);
  VectorX a(kNu);
  VectorX b(kNu);
  controller.act(0, x, xi, a);
  actor.act(0, x, xi, b);
  EXPECT_LE((a - b).norm(), 1e-14);
  EXPECT_THROW(NetworkActor(policy, 0), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
