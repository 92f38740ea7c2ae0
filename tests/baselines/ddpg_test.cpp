#include "pilqr/baselines/ddpg.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "baselines/baseline_problem.hpp"
#include "pilqr/baselines/advantage.hpp"

namespace pilqr {
namespace {

using test::random_rollouts;
using test::small_ddpg;
using test::small_ddpg_options;
using test::update_with;

TEST(Ddpg, TargetsFollowGeometrically) {
  RandomStream stream({.seed = 3});
  const MlpShape shape{.inputs = 2, .hidden = {3}, .outputs = 1};
  const Mlp source(shape, stream);
  const Mlp start(shape, stream, 1.0);
  Mlp target = start;
  for (int n = 1; n <= 20; ++n) {
    follow(source, 0.1, target);
    const VectorX expected =
        source.parameters() + std::pow(0.9, n) * (start.parameters() - source.parameters());
    EXPECT_LE((target.parameters() - expected).norm(), 1e-14);
  }
  follow(source, 1.0, target);
  EXPECT_LE((target.parameters() - source.parameters()).norm(), 1e-15);
  Mlp other({.inputs = 2, .hidden = {4}, .outputs = 1});
  EXPECT_THROW(follow(source, 0.1, other), InvalidArgument);
}

// One update of the critic and none of the actor, then one of all: the targets are where the law
// says, and TD3's delay holds.
TEST(Ddpg, ActorAndTargetsMoveAtEveryPolicyDelay) {
  DdpgOptions options = small_ddpg_options();
  options.updates_per_step = 1.0 / 20.0;  // one for each batch of rollouts
  options.target_rate = 0.25;
  Ddpg ddpg = small_ddpg(options);
  const DdpgNetworks first = ddpg.state().networks;
  ASSERT_EQ(update_with(ddpg, random_rollouts(1), 0).updates, 1);
  const DdpgNetworks second = ddpg.state().networks;
  EXPECT_NE(second.critic[0], first.critic[0]);
  EXPECT_NE(second.critic[1], first.critic[1]);
  EXPECT_EQ(second.actor, first.actor);
  EXPECT_EQ(second.target_critic, first.target_critic);
  ASSERT_EQ(update_with(ddpg, random_rollouts(2), 1).updates, 1);
  const DdpgNetworks third = ddpg.state().networks;
  EXPECT_NE(third.actor, second.actor);
  const auto follows = [&](const Mlp& target, const Mlp& before, const Mlp& source) {
    const VectorX expected = 0.75 * before.parameters() + 0.25 * source.parameters();
    return (target.parameters() - expected).norm() <= 1e-14 * expected.norm();
  };
  EXPECT_TRUE(follows(third.target_actor, second.target_actor, third.actor));
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_TRUE(follows(third.target_critic[k], second.target_critic[k], third.critic[k]));
  }
}

TEST(Ddpg, PlainHasOneCriticAndNoDelay) {
  DdpgOptions options = DdpgOptions::plain();
  options.start_steps = 20;
  options.updates_per_step = 1.0 / 20.0;
  Ddpg ddpg = small_ddpg(options);
  const DdpgNetworks first = ddpg.state().networks;
  ASSERT_EQ(update_with(ddpg, random_rollouts(1)).updates, 1);
  const DdpgNetworks second = ddpg.state().networks;
  EXPECT_NE(second.critic[0], first.critic[0]);
  EXPECT_NE(second.actor, first.actor);
  EXPECT_NE(second.target_critic[0], first.target_critic[0]);
  EXPECT_EQ(second.critic[1], first.critic[1]);
  EXPECT_EQ(second.target_critic[1], first.target_critic[1]);
}

/// One path, on which the actor stays at 0, learnt until the critics know it.
struct OnePath {
  static constexpr int T = 4;
  VectorX cost = (VectorX(T) << 1.0, -2.0, 0.5, 3.0).finished();
  DdpgOptions options;

  explicit OnePath(bool twin) : options(twin ? DdpgOptions{} : DdpgOptions::plain()) {
    options.actor_hidden = {4};
    options.critic_hidden = {24};
    options.start_steps = T;
    options.batch = 16;
    options.updates_per_step = 1500;
    options.discount = 0.8;
    options.target_rate = 0.05;
    options.smoothing_std = 0.0;
    options.actor_adam.learning_rate = 1e-300;  // stays
    options.critic_adam.learning_rate = 3e-3;
  }
  [[nodiscard]] std::size_t critics() const { return options.twin ? 2U : 1U; }
  /// What the critic is told: the cost, negative, of mean 0 and deviation 1.
  [[nodiscard]] double reward(int t) const {
    const double std = std::sqrt((cost.array() - cost.mean()).square().mean());
    return -(cost(t) - cost.mean()) / std;
  }
  /// The critics' values along the path, T x 2, of networks that `change` has had in hand before.
  template <class Change>
  [[nodiscard]] MatrixX values(const Change& change) const {
    Ddpg ddpg = small_ddpg(options, T);
    DdpgState state = ddpg.state();
    state.networks.actor.parameters().setZero();
    state.networks.target_actor.parameters().setZero();
    change(state.networks);
    ddpg.restore(state);
    Rollouts<> path = random_rollouts(5, T, 1);
    path.cost = cost.transpose();
    for (int t = 0; t < T; ++t) path.u[t].setZero();
    const DdpgReport report = update_with(ddpg, path);
    EXPECT_TRUE(report.ok()) << report.failure.message();
    EXPECT_EQ(report.updates, 6000);
    const Normalisation normalisation = ddpg.state().states.normalisation({});
    MatrixX all(T, 2);
    for (int t = 0; t < T; ++t) {
      VectorX input = VectorX::Zero(6);
      normalisation.apply(path.x[t].col(0), input.head(3));
      input(3) = time_feature(t, T);
      for (std::size_t k = 0; k < 2; ++k) {
        MlpWorkspace workspace;
        VectorX q(1);
        ddpg.state().networks.critic[k].evaluate(input, workspace, q);
        all(t, static_cast<int>(k)) = q(0);
      }
    }
    return all;
  }
};

// The critic's values are the discounted sums of what is left of the scaled rewards up to the last
// step, and nothing beyond it.
TEST(Ddpg, TheCriticLearnsTheSumOfWhatIsLeft) {
  for (const bool twin : {true, false}) {
    const OnePath path(twin);
    const MatrixX values = path.values([](const DdpgNetworks&) {});
    double left = 0.0;
    for (int t = OnePath::T - 1; t >= 0; --t) {
      left = path.reward(t) + 0.8 * left;
      for (std::size_t k = 0; k < path.critics(); ++k) {
        EXPECT_NEAR(values(t, static_cast<int>(k)), left, 0.02) << t << " " << k;
      }
    }
  }
}

// With target critics that stay at two constants: both critics learn from the lesser of them (TD3),
// the only critic from its own.
TEST(Ddpg, TargetsTakeTheLesserOfTwoCritics) {
  for (const bool twin : {true, false}) {
    OnePath path(twin);
    path.options.target_rate = 1e-300;
    const MatrixX values = path.values([](DdpgNetworks& networks) {
      for (Mlp& critic : networks.target_critic) critic.parameters().setZero();
      networks.target_critic[0].bias(1)(0) = 1.5;
      networks.target_critic[1].bias(1)(0) = -0.7;
    });
    for (int t = 0; t < OnePath::T; ++t) {
      const double after = t + 1 == OnePath::T ? 0.0 : twin ? -0.7 : 1.5;
      for (std::size_t k = 0; k < path.critics(); ++k) {
        EXPECT_NEAR(values(t, static_cast<int>(k)), path.reward(t) + 0.8 * after, 0.02)
            << t << " " << k;
      }
    }
  }
}

// With target critics that stay at |u_0|, an actor at 0, and noise so wide that it is at its limit
// nearly always: the values tell where the limit is, and that controls stay within their own.
TEST(Ddpg, TheNoiseOnTheTargetsControlIsLimited) {
  for (const double limit : {0.3, 3.0}) {
    OnePath path(true);
    path.options.activation = Activation::relu;
    path.options.target_rate = 1e-300;
    path.options.smoothing_std = 1000.0;
    path.options.smoothing_limit = limit;
    path.options.critic_adam.learning_rate = 1e-3;  // kinks are learnt less exactly
    const MatrixX values = path.values([](DdpgNetworks& networks) {
      for (Mlp& critic : networks.target_critic) {
        critic.parameters().setZero();
        critic.weight(0)(0, 4) = 1.0;  // the first control, after three states and the time
        critic.weight(0)(1, 4) = -1.0;
        critic.weight(1)(0, 0) = critic.weight(1)(0, 1) = 1.0;
      }
    });
    for (int t = 0; t < OnePath::T; ++t) {
      const double after = t + 1 == OnePath::T ? 0.0 : std::min(limit, 1.0);
      EXPECT_NEAR(values(t, 0), path.reward(t) + 0.8 * after, 0.05) << t << " " << limit;
      EXPECT_NEAR(values(t, 1), path.reward(t) + 0.8 * after, 0.05) << t << " " << limit;
    }
  }
}

// The more control the better, without end: the actor stops at the limit.
TEST(Ddpg, TheActorStaysWithinTheLimits) {
  DdpgOptions options = small_ddpg_options();
  options.capacity = 400;
  options.action_scale = (VectorX(2) << 3.0, 0.5).finished();
  options.updates_per_step = 10.0;
  options.actor_adam.learning_rate = 1e-2;
  Ddpg ddpg = small_ddpg(options);
  for (std::uint32_t n = 0; n < 10; ++n) {
    Rollouts<> rollouts = random_rollouts(40 + n, 5, 8);
    for (int t = 0; t < 5; ++t) {
      rollouts.u[t] = options.action_scale.asDiagonal() *
                      test::Random(60 + n).matrix(2, 8).cwiseMax(-1.0).cwiseMin(1.0);
      rollouts.cost.col(t) =
          rollouts.u[t].row(1).transpose() * 2.0 - rollouts.u[t].row(0).transpose() / 3.0;
    }
    ASSERT_TRUE(update_with(ddpg, rollouts, n).ok());
  }
  const NetworkPolicy policy = ddpg.policy();
  EXPECT_EQ(policy.upper(), options.action_scale);
  EXPECT_EQ(policy.lower(), -options.action_scale);
  const Rollouts<> rollouts = random_rollouts(90, 1, 50);
  MatrixX mean;
  policy.mean(rollouts.x[0], mean);
  EXPECT_GE(mean.row(0).mean(), 0.9 * 3.0);
  EXPECT_LE(mean.row(0).maxCoeff(), 1.1 * 3.0);
  EXPECT_LE(mean.row(1).mean(), -0.9 * 0.5);
  EXPECT_GE(mean.row(1).minCoeff(), -1.1 * 0.5);
}

TEST(Ddpg, LearnsNothingBeforeItsStartAndExploresMore) {
  DdpgOptions options = small_ddpg_options();
  options.start_steps = 21;
  options.std = 0.1;
  options.initial_std = 0.7;
  Ddpg ddpg = small_ddpg(options);
  const DdpgNetworks first = ddpg.state().networks;
  const DdpgReport waiting = update_with(ddpg, random_rollouts(1), 0);  // 20 steps
  EXPECT_EQ(waiting.updates, 0);
  EXPECT_EQ(waiting.steps, 20);
  EXPECT_EQ(ddpg.state().networks, first);
  EXPECT_DOUBLE_EQ(ddpg.policy().covariance_factor()(0, 0), 0.7);
  EXPECT_EQ(update_with(ddpg, random_rollouts(2), 1).updates, 20);
  EXPECT_DOUBLE_EQ(ddpg.policy().covariance_factor()(1, 1), 0.1);
}

TEST(Ddpg, FractionsOfUpdatesAddUp) {
  DdpgOptions options = small_ddpg_options();
  options.start_steps = 1;
  options.updates_per_step = 0.13;
  Ddpg ddpg = small_ddpg(options);
  for (std::uint32_t n = 0; n < 10; ++n) ASSERT_TRUE(update_with(ddpg, random_rollouts(n), n).ok());
  EXPECT_EQ(ddpg.state().updates, 26);  // of 200 steps
  EXPECT_EQ(ddpg.state().samples, 40);
}

// Costs or states that are finite, and their squares are not: whatever is known already, nothing of
// them stays, and the learner goes on as if they had not been. The replay holds 50 transitions.
TEST(Ddpg, AFailureLeavesAllAsItWas) {
  const auto check = [](int before, const auto& enlarge) {
    SCOPED_TRACE(before);
    Ddpg ddpg = small_ddpg();
    Ddpg other = small_ddpg();
    const auto learn = [&](std::uint32_t n) {
      EXPECT_TRUE(update_with(ddpg, random_rollouts(n), n).ok());
      EXPECT_TRUE(update_with(other, random_rollouts(n), n).ok());
    };
    for (int n = 0; n < before; ++n) learn(static_cast<std::uint32_t>(n));
    const NetworkPolicy policy = ddpg.policy();
    Rollouts<> large = random_rollouts(20);
    enlarge(large);
    const DdpgReport report = update_with(ddpg, large, 1);
    EXPECT_EQ(report.failure.kind, FailureKind::non_finite_update) << report.failure.message();
    EXPECT_EQ(report.samples, 4 * before);
    EXPECT_EQ(report.steps, 20 * before);
    EXPECT_EQ(ddpg.state(), other.state());
    EXPECT_EQ(ddpg.policy(), policy);
    for (std::uint32_t n = 10; n < 14; ++n) learn(n);  // each transition was drawn, very likely
    EXPECT_EQ(ddpg.state(), other.state());
  };
  for (const int before : {0, 1, 2, 4}) {
    check(before, [](Rollouts<>& r) { r.cost.setConstant(1e200); });
    check(before, [](Rollouts<>& r) { r.cost(1, 2) = 1e160; });
    check(before, [](Rollouts<>& r) { r.cost.row(0).setConstant(-1e308); });
    check(before, [](Rollouts<>& r) { r.x[4](0, 3) = 1e160; });
  }
}

// The same while it waits for its first data.
TEST(Ddpg, AFailureBeforeLearningBeginsLeavesAllAsItWas) {
  DdpgOptions options = small_ddpg_options();
  options.start_steps = 60;
  Ddpg ddpg = small_ddpg(options);
  ASSERT_TRUE(update_with(ddpg, random_rollouts(1), 0).ok());
  const DdpgState before = ddpg.state();
  Rollouts<> large = random_rollouts(2);
  large.cost(3, 1) = 1e160;
  EXPECT_EQ(update_with(ddpg, large, 1).failure.kind, FailureKind::non_finite_update);
  EXPECT_EQ(ddpg.state(), before);
  ASSERT_TRUE(update_with(ddpg, random_rollouts(3), 1).ok());
  EXPECT_EQ(update_with(ddpg, random_rollouts(4), 2).updates, 20);
  EXPECT_LT(ddpg.state().cost_scale, 10.0);
}

// A failure in the middle of the updates, where some have been made.
TEST(Ddpg, AnUpdateThatFailsHalfwayLeavesAllAsItWas) {
  Ddpg ddpg = small_ddpg();
  for (std::uint32_t n = 0; n < 3; ++n) ASSERT_TRUE(update_with(ddpg, random_rollouts(n), n).ok());
  DdpgState state = ddpg.state();
  state.cost_scale = 1e-160;  // rewards of those that are there already
  ddpg.restore(state);
  Rollouts<> rollouts = random_rollouts(5);
  rollouts.cost.setConstant(state.cost_mean);
  const DdpgReport report = update_with(ddpg, rollouts, 3);
  EXPECT_EQ(report.failure.kind, FailureKind::non_finite_update) << report.failure.message();
  EXPECT_GE(report.updates, 1);
  EXPECT_EQ(ddpg.state(), state);
}

TEST(Ddpg, RepeatsBitByBitFromACopy) {
  Ddpg a = small_ddpg();
  ASSERT_TRUE(update_with(a, random_rollouts(1), 0).ok());
  Ddpg b = small_ddpg();
  b.restore(a.state());
  for (std::uint32_t n = 1; n < 4; ++n) {
    const DdpgReport x = update_with(a, random_rollouts(n), n);
    const DdpgReport y = update_with(b, random_rollouts(n), n);
    EXPECT_EQ(x.critic_loss, y.critic_loss);
    EXPECT_EQ(a.state(), b.state());
  }
  ASSERT_TRUE(update_with(a, random_rollouts(4), 4).ok());
  ASSERT_TRUE(update_with(b, random_rollouts(4), 5).ok());  // another stream
  EXPECT_NE(a.state().networks, b.state().networks);
}

TEST(Ddpg, RefusesOptionsRolloutsAndStates) {
  const auto refuses = [](auto change) {
    DdpgOptions options;
    change(options);
    EXPECT_THROW(small_ddpg(options), InvalidArgument);
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  refuses([](DdpgOptions& o) { o.std = 0.0; });
  refuses([](DdpgOptions& o) { o.initial_std = nan; });
  refuses([](DdpgOptions& o) { o.start_steps = 0; });
  refuses([](DdpgOptions& o) { o.updates_per_step = -1.0; });
  refuses([](DdpgOptions& o) { o.batch = 0; });
  refuses([](DdpgOptions& o) { o.capacity = 0; });
  refuses([](DdpgOptions& o) { o.discount = 1.1; });
  refuses([](DdpgOptions& o) { o.target_rate = 0.0; });
  refuses([](DdpgOptions& o) { o.policy_delay = 0; });
  refuses([](DdpgOptions& o) { o.smoothing_std = nan; });
  refuses([](DdpgOptions& o) { o.smoothing_limit = 0.0; });
  refuses([](DdpgOptions& o) { o.action_scale = VectorX::Ones(1); });
  Ddpg ddpg = small_ddpg();
  const DdpgState good = ddpg.state();
  EXPECT_THROW(update_with(ddpg, random_rollouts(1, 6)), InvalidArgument);
  EXPECT_THROW(ddpg.update({}, test::training_stream(0)), InvalidArgument);
  EXPECT_EQ(ddpg.state(), good);
  const auto refuses_state = [&](auto change) {
    DdpgState state = good;
    change(state);
    EXPECT_THROW(ddpg.restore(state), InvalidArgument);
  };
  refuses_state([](DdpgState& s) { s.networks.actor.parameters()(0) = nan; });
  refuses_state([](DdpgState& s) { s.networks.critic_adam[1].m.conservativeResize(3); });
  refuses_state([](DdpgState& s) { s.networks.critic_adam[0].v(0) = -1e-9; });
  refuses_state([](DdpgState& s) { s.networks.actor_adam.v(0) = nan; });
  refuses_state([](DdpgState& s) { s.states.points = 1e-320; });
  refuses_state([](DdpgState& s) { s.states.mean(0) = 1.0; });  // of no points
  refuses_state([](DdpgState& s) { s.steps = std::numeric_limits<long>::max(); });
  refuses_state([](DdpgState& s) { s.replay = Replay(3, 2, 51); });
  refuses_state([](DdpgState& s) { s.replay.next = 1; });
  refuses_state([](DdpgState& s) { s.cost_scale = 0.0; });
  refuses_state([](DdpgState& s) { s.updates_due = 1.0; });
  EXPECT_EQ(ddpg.state(), good);
}

}  // namespace
}  // namespace pilqr
