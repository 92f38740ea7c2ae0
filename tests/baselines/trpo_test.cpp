#include "pilqr/baselines/trpo.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "baselines/baseline_problem.hpp"
#include "pilqr/baselines/advantage.hpp"

namespace pilqr {
namespace {

using test::random_rollouts;
using test::small_trpo;
using test::update_with;

// The update composed by hand from its parts, on two batches and twice.
TEST(Trpo, IsTheCompositionOfItsSteps) {
  TrpoOptions options{.hidden = {6}, .value = {.hidden = {6}}};
  options.action_scale = (VectorX(2) << 2.0, 0.5).finished();
  Trpo trpo = small_trpo(options);
  RandomStream same({.seed = 1});
  ValueFunction value(4, options.value, same);
  DiagonalGaussian policy{Mlp({.inputs = 3, .hidden = {6}, .outputs = 2}, same),
                          VectorX::Constant(2, std::log(options.initial_std))};
  RunningMoments moments(3);
  TrustRegion region(options.trust_region);
  for (std::uint32_t n = 0; n < 2; ++n) {
    const std::vector<Rollouts<>> rollouts{random_rollouts(10 + n, 5, 4),
                                           random_rollouts(20 + n, 5, 2)};
    MatrixX x(3, 30);
    MatrixX inputs(4, 30);
    VectorX values(30);
    PolicyBatch batch{MatrixX(3, 30), MatrixX(2, 30), VectorX(30)};
    const auto place = [](std::size_t m, int t, int i) {
      return m == 0 ? 4 * t + i : 20 + 2 * t + i;
    };
    for (std::size_t m = 0; m < 2; ++m) {
      for (int t = 0; t < 5; ++t) {
        for (int i = 0; i < rollouts[m].samples(); ++i) {
          const int p = place(m, t, i);
          x.col(p) = rollouts[m].x[t].col(i);
          batch.u.col(p) = rollouts[m].u[t].col(i).cwiseQuotient(options.action_scale);
          inputs(3, p) = time_feature(t, 5);
        }
      }
    }
    if (n == 0) moments.add(x);
    moments.normalisation({}).apply(x, batch.z);
    inputs.topRows(3) = batch.z;
    value.evaluate(inputs, values);
    for (std::size_t m = 0; m < 2; ++m) {
      const int N = rollouts[m].samples();
      MatrixX advantage(N, 5);
      MatrixX own(N, 5);
      for (int t = 0; t < 5; ++t) {
        for (int i = 0; i < N; ++i) own(i, t) = values(place(m, t, i));
      }
      generalized_advantage(rollouts[m].cost, own, options.discount, options.lambda, advantage);
      for (int t = 0; t < 5; ++t) {
        for (int i = 0; i < N; ++i) batch.advantage(place(m, t, i)) = advantage(i, t);
      }
    }
    const VectorX returns = values + batch.advantage;
    batch.advantage.array() -= batch.advantage.mean();
    batch.advantage /= std::sqrt(batch.advantage.squaredNorm() / 30.0);
    ASSERT_TRUE(region.step(policy, batch).ok());
    RandomStream stream = test::training_stream(n);
    ASSERT_TRUE(value.fit(inputs, returns, stream).ok());
    if (n > 0) moments.add(x);

    const TrpoReport report = trpo.update({rollouts[0], rollouts[1]}, test::training_stream(n));
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report.step.moved);
    EXPECT_EQ(report.samples, 6 * (n + 1));
    EXPECT_EQ(report.steps, 30 * (n + 1));
    const auto close = [](const VectorX& a, const VectorX& b) {
      return (a - b).norm() <= 1e-9 * (1.0 + b.norm());
    };
    EXPECT_TRUE(close(trpo.state().policy.mean.parameters(), policy.mean.parameters()));
    EXPECT_TRUE(close(trpo.state().policy.log_std, policy.log_std));
    EXPECT_TRUE(close(trpo.state().value.network.parameters(), value.state().network.parameters()));
    EXPECT_TRUE(close(trpo.state().states.squares, moments.squares));
    EXPECT_EQ(trpo.state().states.points, 30.0 * (n + 1));
  }
}

// The same policy from a new learner, up to rounding, if its values begin at 0.
TEST(Trpo, ScalingTheCostChangesNothingInTheFirstUpdate) {
  const Rollouts<> rollouts = random_rollouts(3);
  Rollouts<> scaled = rollouts;
  scaled.cost *= 1000.0;
  const auto learn = [](const Rollouts<>& r) {
    Trpo trpo = small_trpo();
    TrpoState state = trpo.state();
    state.value.network.parameters().setZero();
    trpo.restore(state);
    EXPECT_TRUE(update_with(trpo, r).step.moved);
    return VectorX(trpo.state().policy.mean.parameters());
  };
  const VectorX expected = learn(rollouts);
  EXPECT_LE((learn(scaled) - expected).norm(), 1e-10 * expected.norm());
}

TEST(Trpo, ThePolicyIsTheNetworkInTheUnitOfTheControls) {
  TrpoOptions options{.hidden = {6}, .initial_std = 0.3};
  options.action_scale = (VectorX(2) << 2.0, 0.5).finished();
  Trpo trpo = small_trpo(options);
  ASSERT_TRUE(update_with(trpo, random_rollouts(4)).ok());
  const NetworkPolicy policy = trpo.policy();
  const VectorX x = test::Random(5).vector(3);
  VectorX z(3);
  trpo.state().states.normalisation({}).apply(x, z);
  MlpWorkspace workspace;
  VectorX y(2);
  trpo.state().policy.mean.evaluate(z, workspace, y);
  MatrixX mean;
  policy.mean(x, mean);
  EXPECT_LE((mean - options.action_scale.cwiseProduct(y)).norm(), 1e-14);
  const VectorX std = trpo.state().policy.log_std.array().exp();
  const MatrixX expected = options.action_scale.cwiseProduct(std).cwiseAbs2().asDiagonal();
  EXPECT_LE((policy.covariance() - expected).norm(), 1e-14);
}

TEST(Trpo, AFailureLeavesAllAsItWas) {
  Trpo trpo = small_trpo();
  ASSERT_TRUE(update_with(trpo, random_rollouts(6)).ok());
  const TrpoState before = trpo.state();
  Rollouts<> bad = random_rollouts(7);
  bad.cost(1, 2) = std::nan("");
  const TrpoReport report = update_with(trpo, bad);
  EXPECT_EQ(report.failure.kind, FailureKind::non_finite_update);
  EXPECT_EQ(report.samples, 4);
  EXPECT_EQ(trpo.state(), before);
  ASSERT_TRUE(update_with(trpo, random_rollouts(8), 1).ok());
  Trpo other = small_trpo();
  ASSERT_TRUE(update_with(other, random_rollouts(6)).ok());
  ASSERT_TRUE(update_with(other, random_rollouts(8), 1).ok());
  EXPECT_EQ(trpo.state(), other.state());  // what failed has left no trace, and repeats agree
}

// One rollout whose numbers are finite, and their squares are not: in the first update and later.
TEST(Trpo, NumbersThatAreTooLargeAreAFailureAndLeaveAllAsItWas) {
  const auto check = [](const auto& enlarge, bool first) {
    Trpo trpo = small_trpo();
    if (!first) {
      ASSERT_TRUE(update_with(trpo, random_rollouts(6)).ok());
    }
    const TrpoState before = trpo.state();
    const NetworkPolicy policy = trpo.policy();
    Rollouts<> large = random_rollouts(7);
    enlarge(large);
    const TrpoReport report = update_with(trpo, large);
    EXPECT_EQ(report.failure.kind, FailureKind::non_finite_update) << report.failure.message();
    EXPECT_TRUE(report.rejected().ok()) << "a failure is not counted twice";
    EXPECT_EQ(trpo.state(), before);
    EXPECT_EQ(trpo.policy(), policy);
    EXPECT_TRUE(update_with(trpo, random_rollouts(8), 1).ok()) << "it goes on";
  };
  for (const bool first : {true, false}) {
    check([](Rollouts<>& r) { r.cost(1, 2) = 1e160; }, first);
    check([](Rollouts<>& r) { r.cost.row(2).setConstant(1e308); }, first);
    check([](Rollouts<>& r) { r.x[3](1, 0) = -1e160; }, first);
    check([](Rollouts<>& r) { r.x[3](1, 0) = 1.7e308, r.x[3](1, 1) = -1.7e308; }, first);
  }
}

// A line search without a good step: the policy has not moved, and the report says so.
TEST(Trpo, AStepThatIsNotMadeIsReported) {
  TrpoOptions options{.hidden = {6}, .value = {.hidden = {6}}};
  options.trust_region.kl_step = 50.0;  // far beyond what the quadratic model is good for
  options.trust_region.backtracks = 0;
  Trpo trpo = small_trpo(options);
  const TrpoState before = trpo.state();
  const TrpoReport report = update_with(trpo, random_rollouts(6));
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report.step.moved);
  EXPECT_EQ(report.rejected().kind, FailureKind::no_improvement);
  EXPECT_EQ(report.rejected().value, report.step.gradient);
  EXPECT_GT(report.step.gradient, 0.0);
  EXPECT_TRUE(report.rejected().message().ends_with("(norm of the policy gradient; 1 steps tried)"))
      << report.rejected().message();
  EXPECT_EQ(trpo.state().policy, before.policy);
  EXPECT_NE(trpo.state().value, before.value) << "the value function has learnt";
  Trpo moving = small_trpo();
  EXPECT_TRUE(update_with(moving, random_rollouts(6)).rejected().ok());
}

TEST(Trpo, OneStepOneSampleAndEqualCosts) {
  Trpo trpo = small_trpo({.hidden = {}, .value = {.hidden = {}}}, 1);
  Rollouts<> one = random_rollouts(9, 1, 1);
  const TrpoReport report = update_with(trpo, one);
  EXPECT_TRUE(report.ok());
  EXPECT_FALSE(report.step.moved);  // one advantage, of mean 0
  EXPECT_TRUE(report.rejected().ok()) << "there was nothing to move for";
  EXPECT_TRUE(std::isnan(report.explained_variance));
}

TEST(Trpo, RefusesOptionsRolloutsAndStates) {
  EXPECT_THROW(small_trpo({.initial_std = 0.0}), InvalidArgument);
  EXPECT_THROW(small_trpo({.discount = 1.5}), InvalidArgument);
  EXPECT_THROW(small_trpo({.lambda = -0.1}), InvalidArgument);
  EXPECT_THROW(small_trpo({.action_scale = VectorX::Ones(3)}), InvalidArgument);
  EXPECT_THROW(small_trpo({.action_scale = VectorX::Zero(2)}), InvalidArgument);
  EXPECT_THROW(small_trpo({}, 0), InvalidArgument);
  Trpo trpo = small_trpo();
  EXPECT_THROW(update_with(trpo, random_rollouts(1, 6)), InvalidArgument);
  EXPECT_THROW(trpo.update({}, test::training_stream(0)), InvalidArgument);
  TrpoState state = trpo.state();
  for (const double bad : {std::nan(""), 800.0, -800.0}) {  // a deviation of infinity, of 0
    state.policy.log_std(0) = bad;
    EXPECT_THROW(trpo.restore(state), InvalidArgument) << bad;
  }
  state = small_trpo({.hidden = {7}}).state();
  EXPECT_THROW(trpo.restore(state), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
