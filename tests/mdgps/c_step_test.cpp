// Rollouts in the noise of another policy, and the C-step of every optimiser around a reference.

#include "pilqr/mdgps/c_step.hpp"

#include <gtest/gtest.h>

#include "optimizers/linear_problem.hpp"
#include "pilqr/lqr_flm.hpp"
#include "pilqr/pi2.hpp"
#include "pilqr/pilqr.hpp"
#include "support/golden.hpp"
#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::convex_cost;
using test::kNu;
using test::kNx;
using test::policy_distance;
using test::Quadratic;
using test::Random;
using test::rollouts_of;
using test::stable_system;
using test::start_policy;

constexpr int T = 7;
constexpr int N = 12;

class CStep : public ::testing::Test {
 protected:
  const LinearGaussianPolicy<> local = start_policy(T);
  const LinearGaussianPolicy<> reference = Random(21).policy<Dynamic, Dynamic>(T, kNx, kNu, 0.2);
  const Quadratic cost = convex_cost();
  const Rollouts<> rollouts = rollouts_of(stable_system(), cost, local, N);
};

TEST_F(CStep, ReexpressedNoiseReproducesTheControls) {
  const Rollouts<> other = reexpress(rollouts, reference);
  EXPECT_TRUE(other.x == rollouts.x);
  EXPECT_TRUE(other.u == rollouts.u);
  EXPECT_EQ(other.cost, rollouts.cost);
  VectorX u(kNu);
  for (int t = 0; t < T; ++t) {
    for (int i = 0; i < N; ++i) {
      reference.act(t, other.x[t].col(i), other.xi[t].col(i), u);
      EXPECT_TRUE(close(u, rollouts.u[t].col(i), 1e-13));
    }
  }
  EXPECT_GT((other.xi.flat() - rollouts.xi.flat()).norm(), 1.0);
}

TEST_F(CStep, ReexpressedInTheirOwnPolicyRolloutsStay) {
  const Rollouts<> same = reexpress(rollouts, local);
  EXPECT_TRUE(close(same.xi, rollouts.xi, 1e-12));
  // There and back.
  EXPECT_TRUE(close(reexpress(reexpress(rollouts, reference), local).xi, rollouts.xi, 1e-11));
}

TEST_F(CStep, WhereTheReferenceIsTheLocalPolicyItIsAnOrdinaryUpdate) {
  const auto check = [&](auto optimizer) {
    auto alone = optimizer;
    const auto a = c_step(optimizer, local, rollouts, cost, RandomStream({.seed = 1}));
    const auto b = alone.update(rollouts, cost, RandomStream({.seed = 1}));
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_GT(policy_distance(alone.policy(), local), 0.01);
    EXPECT_LT(policy_distance(optimizer.policy(), alone.policy()), 1e-9);
  };
  check(Pilqr<>(local));
  check(LqrFlm<>(local));
  check(Pi2<>(local));
}

// What MDGPS is about: the divergence is bounded from the reference, wherever the local policy is.
TEST_F(CStep, LqrFlmStaysCloseToTheReference) {
  LqrFlmAloneOptions options;
  options.model.neighbours.reset();
  options.kl_step = {.base_first = 0.05, .base_last = 0.05};
  LqrFlm<> optimizer(local, options);
  const auto batch = rollouts_of(stable_system(), cost, local, 40);
  ASSERT_TRUE(c_step(optimizer, reference, batch, cost, RandomStream({.seed = 1})).ok());
  const auto& model = optimizer.model();
  test::LqrProblem<> problem(1, T, kNx, kNu);
  problem.dynamics = model.dynamics;
  problem.start = model.start;
  const test::StateMarginals states(problem, reference);
  for (int t = 0; t < T; ++t) {
    const auto at = static_cast<std::size_t>(t);
    const double kl =
        test::expected_kl(test::step_of(optimizer.policy(), t), test::step_of(reference, t),
                          states.mu[at], states.Omega[at]);
    EXPECT_LT(kl, 0.05 * (1.0 + 1e-6)) << t;
    EXPECT_GT(test::expected_kl(test::step_of(local, t), test::step_of(reference, t), states.mu[at],
                                states.Omega[at]),
              0.1)
        << "the local policy is far away";
  }
}

// By the improvement rule the KL step shrinks if the reference is worse than the last C-step
// promised (ML16, step size): expected costs of references, not of local policies.
TEST_F(CStep, TheStepAdjustsToTheReferencesCost) {
  LqrFlm<> optimizer(local);
  LqrFlm<> worse(local);
  const RandomStream stream({.seed = 1});
  ASSERT_TRUE(c_step(optimizer, local, rollouts, cost, stream).ok());
  worse = optimizer;
  const auto promised = optimizer.policy();
  const auto next = rollouts_of(stable_system(), cost, promised, N);
  // A supervision that reached the local policy, and one that lost it.
  auto lost = promised;
  lost.k.flat().array() += 3.0;
  ASSERT_TRUE(c_step(optimizer, promised, next, cost, stream).ok());
  ASSERT_TRUE(c_step(worse, lost, next, cost, stream).ok());
  EXPECT_GT(optimizer.state().kl_step.multiplier()(0), 1.0);
  EXPECT_LT(worse.state().kl_step.multiplier()(0), 0.5);
}

// By the residual rule it is the share of the cost that the model leaves unexplained, replayed in
// the reference's own noise: nothing of a linear system's, whoever sampled.
TEST_F(CStep, TheStepAdjustsToTheResidual) {
  LqrFlmAloneOptions options;
  options.kl_rule = KlRule::residual;
  LqrFlm<> optimizer(local, options);
  const RandomStream stream({.seed = 1});
  const auto expect_multiplier = [&](double expected) {
    EXPECT_EQ(optimizer.state().kl_step.multiplier(), VectorX::Constant(T, expected));
  };
  ASSERT_TRUE(c_step(optimizer, reference, rollouts, cost, stream).ok());
  expect_multiplier(1.0);  // from the second iteration on
  ASSERT_TRUE(c_step(optimizer, reference, rollouts, cost, stream).ok());
  expect_multiplier(2.0);
  Rollouts<> unexplained = rollouts;
  unexplained.cost *= 2.0;  // not what the cost's expansion says
  ASSERT_TRUE(c_step(optimizer, reference, unexplained, cost, stream).ok());
  expect_multiplier(1.0);
}

TEST_F(CStep, Pi2KeepsTheGainOfTheReference) {
  Pi2<> optimizer(local);
  ASSERT_TRUE(c_step(optimizer, reference, rollouts, cost, RandomStream({.seed = 1})).ok());
  EXPECT_TRUE(optimizer.policy().K == reference.K);
  EXPECT_GT((optimizer.policy().k.flat() - reference.k.flat()).norm(), 0.01);
}

// PI2 without centring is the weighted mean of the controls that were taken, u_i - K x_i, whatever
// the reference's own k.
TEST_F(CStep, Pi2WeighsTheControlsThatWereTaken) {
  Pi2AloneOptions options;
  options.pi2.centered = false;
  Pi2<> optimizer(local, options);
  ASSERT_TRUE(c_step(optimizer, reference, rollouts, cost, RandomStream({.seed = 1})).ok());
  const MatrixX S = cost_to_go(rollouts.cost);
  const VectorX temperature = optimize_temperatures(S, options.temperature);
  for (int t = 0; t < T; ++t) {
    VectorX w = (-(S.col(t).array() - S.col(t).minCoeff()) / temperature(t)).exp();
    w /= w.sum();
    const VectorX k = (rollouts.u[t] - reference.K[t] * rollouts.x[t]) * w;
    EXPECT_TRUE(close(optimizer.policy().k[t], k, 1e-10)) << t;
  }
}

TEST_F(CStep, AFailureLeavesTheOptimiserAsItWas) {
  const auto check = [&](auto optimizer) {
    const auto before = optimizer;
    Rollouts<> bad = rollouts;
    bad.cost.col(2).setConstant(1e308);
    bad.cost.col(3).setConstant(1e308);
    auto report = c_step(optimizer, reference, bad, cost, RandomStream({.seed = 1}));
    EXPECT_FALSE(report.ok());
    EXPECT_TRUE(optimizer.policy() == before.policy());
    bad = rollouts;
    bad.u[3](0, 1) = 1e308;
    auto tiny = reference;
    tiny.L[3] *= 1e-10;
    report = c_step(optimizer, tiny, bad, cost, RandomStream({.seed = 1}));
    EXPECT_EQ(report.failure.kind, FailureKind::non_finite_update);
    EXPECT_EQ(report.failure.step, 3);
    EXPECT_EQ(report.cost_mean, bad.total_cost().mean()) << "what was sampled is known";
    EXPECT_TRUE(optimizer.policy() == before.policy());
    // It goes on as if nothing had been.
    auto fresh = before;
    ASSERT_TRUE(c_step(optimizer, reference, rollouts, cost, RandomStream({.seed = 1})).ok());
    ASSERT_TRUE(c_step(fresh, reference, rollouts, cost, RandomStream({.seed = 1})).ok());
    EXPECT_TRUE(optimizer.policy() == fresh.policy());
  };
  check(Pilqr<>(local));
  check(Pi2<>(local));
}

TEST_F(CStep, SetPolicyKeepsWhatIsCarriedAndChecks) {
  Pilqr<> optimizer(local);
  ASSERT_TRUE(optimizer.update(rollouts, cost).ok());
  const double predicted = optimizer.state().predicted_cost;
  const VectorX multiplier = optimizer.state().kl_step.multiplier();
  optimizer.set_policy(reference);
  EXPECT_TRUE(optimizer.policy() == reference);
  EXPECT_EQ(optimizer.state().predicted_cost, predicted);
  EXPECT_EQ(optimizer.state().kl_step.multiplier(), multiplier);
  EXPECT_TRUE(optimizer.state().adapt);

  auto bad = reference;
  bad.L[2](0, 0) = -1.0;
  const auto check = [&](auto any) {
    EXPECT_THROW(any.set_policy(bad), InvalidArgument);
    EXPECT_THROW(any.set_policy(start_policy(T + 1)), InvalidArgument);
    EXPECT_TRUE(any.policy() == local);
  };
  check(Pilqr<>(local));
  check(LqrFlm<>(local));
  check(Pi2<>(local));
  EXPECT_THROW((void)reexpress(rollouts, start_policy(T + 1)), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
