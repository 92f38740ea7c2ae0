/// The three optimisers when things go wrong.

#include <gtest/gtest.h>

#include <cmath>

#include "optimizers/linear_problem.hpp"
#include "pilqr/lqr_flm.hpp"
#include "pilqr/pi2.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/trainer.hpp"

namespace pilqr {
namespace {

using test::convex_cost;
using test::Linear;
using test::policy_distance;
using test::Quadratic;
using test::rollouts_of;
using test::stable_system;
using test::start_policy;

/// Every optimiser on the same batch; each must give a finite policy or a typed failure that
/// changed nothing.
template <class Check>
void for_each_optimizer(const LinearGaussianPolicy<>& policy, const KlStepOptions& kl_step,
                        const Check& check) {
  {
    SCOPED_TRACE("pilqr");
    PilqrOptions options;
    options.kl_step = kl_step;
    Pilqr<> optimizer(policy, options);
    check(optimizer);
  }
  for (const KlConstraint constraint : {KlConstraint::per_step, KlConstraint::total}) {
    SCOPED_TRACE(constraint == KlConstraint::total ? "lqr_flm, total" : "lqr_flm");
    LqrFlm<> optimizer(policy, {.kl_step = kl_step, .lqr_flm = {.constraint = constraint}});
    check(optimizer);
  }
  {
    SCOPED_TRACE("pi2");
    Pi2<> optimizer(policy);
    check(optimizer);
  }
}

void expect_good(const LinearGaussianPolicy<>& policy) {
  EXPECT_NO_THROW(require_valid(policy, "updated policy"));
}

class Faults : public ::testing::Test {
 protected:
  void expect_good_update(const Rollouts<>& rollouts, const Quadratic& cost,
                          const LinearGaussianPolicy<>& policy, const KlStepOptions& kl_step = {}) {
    for_each_optimizer(policy, kl_step, [&](auto& optimizer) {
      for (int i = 0; i < 3; ++i) {
        const UpdateReport report = optimizer.update(rollouts, cost);
        EXPECT_TRUE(report.ok()) << report.failure.message();
        expect_good(optimizer.policy());
      }
    });
  }
  const LinearGaussianPolicy<> policy_ = start_policy(8);
};

TEST_F(Faults, FewerSamplesThanStatesAndControls) {
  expect_good_update(rollouts_of(stable_system(), convex_cost(), policy_, 3), convex_cost(),
                     policy_);
}

TEST_F(Faults, OneSample) {
  expect_good_update(rollouts_of(stable_system(), convex_cost(), policy_, 1), convex_cost(),
                     policy_);
}

TEST_F(Faults, OneStep) {
  const auto policy = start_policy(1);
  expect_good_update(rollouts_of(stable_system(), convex_cost(), policy, 10), convex_cost(),
                     policy);
}

TEST_F(Faults, IdenticalSamples) {
  auto rollouts = rollouts_of(stable_system(), convex_cost(), policy_, 6);
  for (int t = 0; t < 8; ++t) {
    rollouts.x[t] = rollouts.x[t].col(0).replicate(1, 6).eval();
    rollouts.u[t] = rollouts.u[t].col(0).replicate(1, 6).eval();
    rollouts.xi[t] = rollouts.xi[t].col(0).replicate(1, 6).eval();
    rollouts.cost.col(t).setConstant(rollouts.cost(0, t));
  }
  expect_good_update(rollouts, convex_cost(), policy_);
}

TEST_F(Faults, ZeroAndConstantCostLeaveThePolicy) {
  for (const double offset : {0.0, 5.0}) {
    const Quadratic cost{.C = MatrixX::Zero(5, 5), .c = VectorX::Zero(5), .offset = offset};
    const auto rollouts = rollouts_of(stable_system(), cost, policy_, 10);
    for_each_optimizer(policy_, {}, [&](auto& optimizer) {
      const UpdateReport report = optimizer.update(rollouts, cost);
      EXPECT_TRUE(report.ok()) << report.failure.message();
      EXPECT_LT(policy_distance(optimizer.policy(), policy_), 1e-6);
      EXPECT_TRUE(std::isnan(report.temperature_mean)) << report.temperature_mean;
    });
  }
}

TEST_F(Faults, StepsOfEqualCostAreLeftOutOfTheMeanTemperature) {
  auto rollouts = rollouts_of(stable_system(), convex_cost(), policy_, 10);
  const int told = rollouts.steps() - 3;
  rollouts.cost.rightCols(3).setZero();
  Pi2<> pi2(policy_);
  const UpdateReport report = pi2.update(rollouts, convex_cost());
  ASSERT_TRUE(report.ok()) << report.failure.message();
  const VectorX expected = optimize_temperatures(cost_to_go(rollouts.cost).leftCols(told),
                                                 Pi2AloneOptions{}.temperature);
  EXPECT_DOUBLE_EQ(report.temperature_mean, expected.mean());
}

TEST_F(Faults, NonConvexCost) {
  Quadratic cost = convex_cost();
  cost.C.diagonal().array() -= 3.0;
  const auto rollouts = rollouts_of(stable_system(), cost, policy_, 20);
  expect_good_update(rollouts, cost, policy_);
}

TEST_F(Faults, TinyAndHugeKlSteps) {
  const auto rollouts = rollouts_of(stable_system(), convex_cost(), policy_, 20);
  for (const double step : {1e-8, 1e3}) {
    expect_good_update(rollouts, convex_cost(), policy_, {.base_first = step, .base_last = step});
  }
  LqrFlm<> careful(policy_, {.kl_step = {.base_first = 1e-8, .base_last = 1e-8}});
  const UpdateReport report = careful.update(rollouts, convex_cost());
  EXPECT_NEAR(report.kl_mean, 1e-8, 1e-14);
  EXPECT_LT(policy_distance(careful.policy(), policy_), 1e-2);
}

TEST_F(Faults, ACollapsedCovarianceStaysFiniteOrFails) {
  for (const double size : {1e-8, 1e-100, 1e-160}) {
    auto collapsed = policy_;
    collapsed.L.flat() *= size;
    const auto rollouts = rollouts_of(stable_system(), convex_cost(), collapsed, 10);
    for_each_optimizer(collapsed, {}, [&](auto& optimizer) {
      for (int i = 0; i < 3; ++i) {
        const auto before = optimizer.policy();
        const UpdateReport report = optimizer.update(rollouts, convex_cost());
        expect_good(optimizer.policy());
        if (!report.ok()) {
          EXPECT_EQ(optimizer.policy(), before) << report.failure.message();
        }
      }
    });
  }
}

TEST_F(Faults, NanFromTheSystemKeepsTheLastGoodPolicy) {
  Linear system = stable_system();
  std::vector<Pilqr<>> optimizers{Pilqr<>(policy_), Pilqr<>(policy_)};
  const std::vector<Quadratic> costs{convex_cost()};
  ASSERT_TRUE(train(system, costs, optimizers, {.iterations = 2, .conditions = {4, 7}}).ok());
  const auto good = optimizers[0].policy();
  EXPECT_FALSE(good == policy_);
  system.nan_step = 3;
  const auto result = train(system, costs, optimizers,
                            {.iterations = 2, .first_iteration = 2, .conditions = {4, 7}});
  EXPECT_EQ(result.failure.kind, FailureKind::non_finite_state);
  EXPECT_EQ(result.failure.condition, 4);
  EXPECT_EQ(result.failure.step, 4);
  EXPECT_TRUE(std::isnan(result.failure.value));
  EXPECT_EQ(result.iterations, 0);
  ASSERT_EQ(result.last.size(), 2U);
  EXPECT_EQ(result.last[0].condition, 4);
  EXPECT_FALSE(result.last[0].report.ok());
  EXPECT_EQ(result.last[1].condition, 7);
  EXPECT_FALSE(result.last[1].report.ok());
  EXPECT_EQ(optimizers[0].policy(), good);
}

TEST_F(Faults, NanFromTheCostOrItsDerivativesIsNamed) {
  Linear system = stable_system();
  Quadratic cost = convex_cost();
  cost.nan_at = 5;
  std::vector<Pilqr<>> optimizers{Pilqr<>(policy_)};
  const auto result = train(system, std::vector{cost}, optimizers, {.iterations = 1});
  EXPECT_EQ(result.failure.kind, FailureKind::non_finite_cost);
  EXPECT_EQ(result.failure.step, 5);
  EXPECT_EQ(result.failure.condition, 0);
  EXPECT_EQ(optimizers[0].policy(), policy_);

  cost.nan_at = -1;
  const auto rollouts = rollouts_of(system, cost, policy_, 10);
  cost.nan_derivative = std::nan("");
  LqrFlm<> lqr(policy_);
  const UpdateReport report = lqr.update(rollouts, cost);
  EXPECT_EQ(report.failure.kind, FailureKind::non_finite_cost);
  EXPECT_EQ(report.failure.step, 0);
  EXPECT_EQ(report.failure.sample, 0);
  EXPECT_EQ(lqr.policy(), policy_);
}

TEST_F(Faults, ACostToGoThatOverflowsIsNamed) {
  auto rollouts = rollouts_of(stable_system(), convex_cost(), policy_, 5);
  rollouts.cost.row(2).setConstant(1.7e308);
  Pi2<> pi2(policy_);
  const UpdateReport report = pi2.update(rollouts, convex_cost());
  EXPECT_EQ(report.failure.kind, FailureKind::non_finite_cost);
  EXPECT_EQ(report.failure.sample, 2);
  EXPECT_EQ(pi2.policy(), policy_);
  Pilqr<> pilqr(policy_);
  EXPECT_FALSE(pilqr.update(rollouts, convex_cost()).ok());
  EXPECT_EQ(pilqr.policy(), policy_);
}

TEST_F(Faults, InvalidPoliciesAreRefused) {
  auto nan = policy_;
  nan.k[2](0) = std::nan("");
  EXPECT_THROW(Pilqr<>{nan}, InvalidArgument);
  auto singular = policy_;
  singular.L[3].setZero();
  EXPECT_THROW(LqrFlm<>{singular}, InvalidArgument);
  EXPECT_THROW(Pi2<>{LinearGaussianPolicy<>{}}, InvalidArgument);
}

}  // namespace
}  // namespace pilqr
