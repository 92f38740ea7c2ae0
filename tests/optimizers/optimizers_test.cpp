/// The three optimisers as wholes: what they must be equal to.

#include <gtest/gtest.h>

#include "optimizers/linear_problem.hpp"
#include "pilqr/lqr_flm.hpp"
#include "pilqr/pi2.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/trainer.hpp"

namespace pilqr {
namespace {

using test::convex_cost;
using test::kNu;
using test::kNx;
using test::Linear;
using test::policy_distance;
using test::Quadratic;
using test::rollouts_of;
using test::stable_system;
using test::start_policy;

// With exactly linear dynamics and a quadratic cost the residual vanishes; centred PI2 weights by
// the residual are then uniform in effect, and what is left of PILQR is LQR-FLM.
TEST(Pilqr, IsLqrFlmWhereTheModelIsExact) {
  const auto policy = start_policy(8);
  const Quadratic cost = convex_cost();
  const auto rollouts = rollouts_of(stable_system(), cost, policy, 40);
  PilqrOptions options;
  options.model.fit.ridge = 1e-12;
  options.weight_source = CostSource::residual;
  options.dual_floor = 0.0;
  Pilqr<> pilqr(policy, options);
  const UpdateReport report = pilqr.update(rollouts, cost);
  ASSERT_TRUE(report.ok()) << report.failure.message();
  EXPECT_LT(report.residual_ratio, 1e-8);
  LqrFlm<> lqr(policy,
               {.model = options.model, .kl_step = options.kl_step, .lqr_flm = options.lqr_flm});
  ASSERT_TRUE(lqr.update(rollouts, cost).ok());
  EXPECT_GT(policy_distance(lqr.policy(), policy), 0.1) << "both moved";
  EXPECT_LT(policy_distance(pilqr.policy(), lqr.policy()), 1e-7);
  // Uncentred weights leak the mean of the noise; the difference is why centring is the default.
  options.pi2.centered = false;
  options.controls = SampleControls::replayed;
  Pilqr<> uncentered(policy, options);
  ASSERT_TRUE(uncentered.update(rollouts, cost).ok());
  EXPECT_GT(policy_distance(uncentered.policy(), lqr.policy()), 1e-2);
}

// Algorithm 1 composed by hand from the public steps, on rollouts that the model does not explain.
TEST(Pilqr, IsTheCompositionOfItsSteps) {
  const Quadratic cost = convex_cost();
  for (const bool paper : {false, true}) {
    for (const auto source : {CostSource::sampled, CostSource::residual}) {
      PilqrOptions options = paper ? PilqrOptions::paper() : PilqrOptions{};
      options.temperature_source = source;
      LinearGaussianPolicy<> policy = start_policy(8);
      KlStep kl_step(options.kl_step, 8);
      Pilqr<> optimizer(policy, options);
      double last_expected = 0.0;
      double last_predicted = 0.0;
      for (int iteration = 0; iteration < 3; ++iteration) {
        auto rollouts = rollouts_of(stable_system(), cost, policy, 12);
        for (int t = 0; t < 8; ++t) {  // a discontinuous part of the cost
          rollouts.cost.col(t) -=
              9.0 * (rollouts.x[t].row(0).transpose().array() > 0.3).cast<double>().matrix();
        }
        const auto dynamics =
            paper ? fit_dynamics(rollouts, options.model.fit)
                  : fit_dynamics(rollouts, options.model.fit, NeighbourPrior(rollouts, {}));
        const auto model = fit_cost(rollouts, cost);
        const InitialState<> start = fit_initial_state(rollouts.x[0]);
        const auto predicted =
            predict_costs(dynamics.dynamics, model.cost, policy, rollouts, options.replay);
        const MatrixX residual = rollouts.cost - predicted.cost;
        const auto expect = [&](const LinearGaussianPolicy<>& p) {
          const auto y = forward_marginals(dynamics.dynamics, p, start);
          double sum = 0.0;
          for (int t = 0; t < p.steps(); ++t) {
            const VectorX mu = y.mu[t];
            sum += model.cost(t, mu) + 0.5 * (model.cost.C[t] * y.Sigma[t]).trace();
          }
          return sum;
        };
        const double expected = expect(policy);
        if (iteration > 0 && paper) {
          kl_step.adapt_to_residual(residual_ratio(residual, rollouts.cost));
        } else if (iteration > 0) {
          kl_step.adapt_to_improvement(last_expected - last_predicted, last_expected - expected);
        }
        const VectorX temperature = optimize_temperatures(
            cost_to_go(source == CostSource::residual ? residual : rollouts.cost),
            options.temperature);
        LqrFlmWorkspace<> workspace;
        const auto lqr =
            lqr_flm_update(dynamics.dynamics, model.cost, policy,
                           state_marginals(dynamics.dynamics, policy, start), kl_step.value(),
                           options.lqr_flm, 1.0, workspace, (paper ? 0.0 : 0.01) * temperature);
        last_expected = expected;
        last_predicted = expect(lqr.policy);
        auto pi2 = pi2_update(lqr.policy, rollouts.xi, cost_to_go(paper ? residual : rollouts.cost),
                              temperature, options.pi2);
        if (!paper) {
          ASSERT_TRUE(carry_over(rollouts, pi2.weights, lqr.policy, pi2.policy).ok());
        }
        ASSERT_TRUE(dynamics.ok() && model.ok() && lqr.ok() && pi2.ok());

        const UpdateReport report = optimizer.update(rollouts, cost);
        ASSERT_TRUE(report.ok()) << report.failure.message();
        EXPECT_GT(report.residual_ratio, 0.01);
        EXPECT_EQ(report.kl_step_mean, kl_step.value().mean());
        EXPECT_EQ(report.temperature_mean, temperature.mean());
        EXPECT_LT(policy_distance(optimizer.policy(), pi2.policy), 1e-12);
        policy = pi2.policy;
      }
    }
  }
}

// Where all samples cost the same their temperature is no price: the model-based step is as free
// as alone.
TEST(Pilqr, EqualCostsDoNotHoldTheModelBack) {
  const auto policy = start_policy(8);
  const Quadratic cost = convex_cost();
  auto rollouts = rollouts_of(stable_system(), cost, policy, 12);
  rollouts.cost.setConstant(2.0);
  Pilqr<> pilqr(policy);
  ASSERT_TRUE(pilqr.update(rollouts, cost).ok());
  const PilqrOptions options;
  LqrFlm<> lqr(policy, {.kl_step = options.kl_step});
  ASSERT_TRUE(lqr.update(rollouts, cost).ok());
  EXPECT_GT(policy_distance(lqr.policy(), policy), 0.1);
  EXPECT_LT(policy_distance(pilqr.policy(), lqr.policy()), 1e-12);
}

TEST(Pilqr, ThePaperPresetHasTheAuthorsNumbers) {
  const PilqrOptions o = PilqrOptions::paper();
  const KlStep step(o.kl_step, 100);
  EXPECT_DOUBLE_EQ(step.value()(0), 0.4);
  EXPECT_DOUBLE_EQ(step.value()(99), 0.2);
  EXPECT_EQ(o.kl_step.min_multiplier_first, 0.01);
  EXPECT_EQ(o.kl_step.min_multiplier_last, 0.5);
  EXPECT_EQ(o.kl_step.max_multiplier_first, 10.0);
  EXPECT_EQ(o.kl_step.max_multiplier_last, 5.0);
  EXPECT_EQ(o.kl_step.ratio_to_increase, 0.05);
  EXPECT_EQ(o.kl_step.ratio_to_decrease, 0.2);
  EXPECT_EQ(o.lqr_flm.min_variance_ratio, 0.0);
  EXPECT_EQ(o.pi2.covariance_damping, 2.0);
  EXPECT_FALSE(o.pi2.centered);
  EXPECT_EQ(o.temperature.kl_step, 1.0);
  EXPECT_EQ(o.temperature.kl_share, 1.0);
  EXPECT_EQ(o.temperature.min_temperature, 1e-3);
  EXPECT_EQ(o.kl_rule, KlRule::residual);
  EXPECT_EQ(o.dual_floor, 0.0);
  EXPECT_EQ(o.weight_source, CostSource::residual);
  EXPECT_EQ(o.controls, SampleControls::replayed);
  EXPECT_FALSE(o.model.neighbours.has_value());
}

// The paper's rule for the KL step looks at a ratio from the second on, which an offset changes.
TEST(Pilqr, AConstantInTheCostChangesNothingInTheFirstUpdate) {
  const auto policy = start_policy(8);
  Quadratic cost = convex_cost();
  const auto rollouts = rollouts_of(stable_system(), cost, policy, 12);
  Pilqr<> plain(policy);
  ASSERT_TRUE(plain.update(rollouts, cost).ok());
  cost.offset = 1000.0;
  auto shifted_rollouts = rollouts;
  shifted_rollouts.cost.array() += 1000.0;
  Pilqr<> shifted(policy);
  ASSERT_TRUE(shifted.update(shifted_rollouts, cost).ok());
  EXPECT_LT(policy_distance(plain.policy(), shifted.policy()), 1e-6);
}

// Later ones divide by an improvement of at least 1e-4 in cost units.
TEST(Pilqr, ScalingTheCostChangesNothingInTheFirstUpdate) {
  const auto policy = start_policy(8);
  Quadratic cost = convex_cost();
  auto rollouts = rollouts_of(stable_system(), cost, policy, 12);
  rollouts.cost.array() += rollouts.x[3].row(0).transpose().array().abs().replicate(1, 8);
  Pilqr<> plain(policy);
  ASSERT_TRUE(plain.update(rollouts, cost).ok());
  for (const double scale : {1e-6, 1e6}) {
    Quadratic scaled_cost = cost;
    scaled_cost.C *= scale;
    scaled_cost.c *= scale;
    auto scaled_rollouts = rollouts;
    scaled_rollouts.cost *= scale;
    Pilqr<> scaled(policy);
    ASSERT_TRUE(scaled.update(scaled_rollouts, scaled_cost).ok());
    EXPECT_LT(policy_distance(plain.policy(), scaled.policy()), 1e-6) << scale;
  }
}

TEST(Pilqr, LowersTheCostOfALinearQuadraticProblemToItsOptimum) {
  Linear system = stable_system();
  system.start_spread = 0.1;
  const Quadratic cost = convex_cost();
  std::vector<Pilqr<>> optimizers{Pilqr<>(start_policy(8))};
  const auto result =
      train(system, std::vector{cost}, optimizers, {.iterations = 40, .samples = 20});
  ASSERT_TRUE(result.ok()) << result.failure.message();

  // The optimum by plain LQR on the true model.
  LinearGaussianDynamics<> dynamics(8, kNx, kNu);
  QuadraticCost<> model(8, kNx, kNu);
  for (int t = 0; t < 8; ++t) {
    model.C[t] = cost.C;
    model.c[t] = cost.c;
    if (t == 7) break;
    dynamics.F[t] << system.A, system.B;
    dynamics.f[t] = system.a;
    dynamics.W[t].setZero();
  }
  LinearGaussianPolicy<> optimum(8, kNx, kNu);
  SweepWorkspace<> ws(kNx, kNu);
  ASSERT_TRUE(backward_max_entropy(dynamics, model, optimum, 0.0, 1.0, ws, optimum).ok());
  const auto mean_cost = [&](const LinearGaussianPolicy<>& policy) {
    const auto batch =
        sample(system, cost, policy, {.samples = 200, .seed = 99, .noiseless = true});
    return batch.rollouts.total_cost().mean();
  };
  const double best = mean_cost(optimum);
  const double before = mean_cost(start_policy(8));
  EXPECT_LT(mean_cost(optimizers[0].policy()) - best, 1e-3 * (before - best));
}

/// The same system with sizes known at compile time.
struct FixedLinear {
  static constexpr int Nx = kNx;
  static constexpr int Nu = kNu;
  Linear linear;
  void reset(int condition, RandomStream& stream, Vector<kNx>& x) const {
    VectorX first;
    linear.reset(condition, stream, first);
    x = first;
  }
  void step(int t, const Vector<kNx>& x, const Vector<kNu>& u, RandomStream& stream,
            Vector<kNx>& next) const {
    VectorX successor;
    linear.step(t, x, u, stream, successor);
    next = successor;
  }
};

TEST(Train, FixedAndDynamicSizesLearnTheSame) {
  Linear dynamic_system = stable_system();
  FixedLinear fixed_system{stable_system()};
  std::vector<Pilqr<>> a{Pilqr<>(start_policy(6))};
  std::vector<Pilqr<kNx, kNu>> b{Pilqr<kNx, kNu>(to_fixed<kNx, kNu>(start_policy(6)))};
  const std::vector<Quadratic> costs{convex_cost()};
  ASSERT_TRUE(train(dynamic_system, costs, a, {.iterations = 3}).ok());
  ASSERT_TRUE(train(fixed_system, costs, b, {.iterations = 3}).ok());
  EXPECT_LT(policy_distance(a[0].policy(), to_dynamic(b[0].policy())), 1e-8);
}

TEST(Train, CallbacksSeeEveryUpdateAndCanStop) {
  Linear system = stable_system();
  std::vector<Pi2<>> optimizers(2, Pi2<>(start_policy(5)));
  SerialExecutor serial;
  int updates = 0;
  const TrainCallbacks<> callbacks{
      .on_update =
          [&](const IterationRecord& record, const Rollouts<>& rollouts) {
            EXPECT_EQ(record.iteration, updates / 2);
            EXPECT_EQ(record.condition, updates % 2);
            EXPECT_DOUBLE_EQ(record.report.cost_mean, rollouts.total_cost().mean());
            ++updates;
          },
      .on_iteration = [](int iteration) { return iteration < 2; }};
  const auto result = train(system, std::vector<Quadratic>{convex_cost()}, optimizers,
                            {.iterations = 10, .samples = 4}, callbacks, serial);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.iterations, 3);
  EXPECT_EQ(updates, 6);
}

}  // namespace
}  // namespace pilqr
