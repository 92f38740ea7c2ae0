/// The three optimisers as wholes: what they must be equal to, and what they do when things go
/// wrong.

#include <gtest/gtest.h>

#include "pilqr/initial_policy.hpp"
#include "pilqr/lqr_flm.hpp"
#include "pilqr/pi2.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/trainer.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

/// Linear system x' = A x + B u + a, optionally broken. nx and nu are those of A and B.
struct Linear {
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  MatrixX A, B;
  VectorX a;
  double start_spread = 1.0;
  int nan_step = -1;

  void reset(int, RandomStream& stream, VectorX& x) const {
    x.resize(A.rows());
    stream.fill_normal(x);
    x *= start_spread;
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream&, VectorX& next) const {
    next = A * x + B * u + a;
    if (t == nan_step) next(0) = std::nan("");
  }
};

/// 1/2 y'Cy + c'y + offset; with `nan_at` the value is NaN at that step.
struct Quadratic {
  MatrixX C;
  VectorX c;
  double offset = 0.0;
  int nan_at = -1;
  double nan_derivative = 0.0;

  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    if (t == nan_at) return std::nan("");
    VectorX y(x.size() + u.size());
    y << x, u;
    return 0.5 * y.dot(C * y) + c.dot(y) + offset;
  }
  void expand(int, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    VectorX y(x.size() + u.size());
    y << x, u;
    out.value += weight * (0.5 * y.dot(C * y) + c.dot(y) + offset);
    out.gradient += weight * (C * y + c);
    out.gradient.array() += nan_derivative;
    out.hessian += weight * C;
  }
};

constexpr int kNx = 3;
constexpr int kNu = 2;

Linear stable_system() {
  test::Random random(3);
  return {
      .A = 0.4 * random.matrix(kNx, kNx), .B = random.matrix(kNx, kNu), .a = random.vector(kNx)};
}
Quadratic convex_cost() {
  test::Random random(4);
  return {.C = random.positive_definite(kNx + kNu, 0.2), .c = random.vector(kNx + kNu)};
}
LinearGaussianPolicy<> start_policy(int T) {
  return test::Random(5).policy<Dynamic, Dynamic>(T, kNx, kNu, 0.1);
}
Rollouts<> rollouts_of(Linear system, const Quadratic& cost, const LinearGaussianPolicy<>& policy,
                       int samples) {
  auto batch = sample(system, cost, policy, {.samples = samples, .seed = 11});
  EXPECT_TRUE(batch.ok()) << batch.failure.message();
  return std::move(batch.rollouts);
}

double policy_distance(const LinearGaussianPolicy<>& a, const LinearGaussianPolicy<>& b) {
  return (a.K.flat() - b.K.flat()).norm() + (a.k.flat() - b.k.flat()).norm() +
         (a.L.flat() - b.L.flat()).norm();
}

// With exactly linear dynamics and a quadratic cost the residual vanishes; centred PI2 weights are
// then uniform in effect, and what is left of PILQR is LQR-FLM.
TEST(Pilqr, IsLqrFlmWhereTheModelIsExact) {
  const auto policy = start_policy(8);
  const Quadratic cost = convex_cost();
  const auto rollouts = rollouts_of(stable_system(), cost, policy, 40);
  PilqrOptions options;
  options.model.fit.ridge = 1e-12;
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
  Pilqr<> uncentered(policy, options);
  ASSERT_TRUE(uncentered.update(rollouts, cost).ok());
  EXPECT_GT(policy_distance(uncentered.policy(), lqr.policy()), 1e-2);
}

// Algorithm 1 composed by hand from the public steps, on rollouts that the model does not explain.
TEST(Pilqr, IsTheCompositionOfItsSteps) {
  const Quadratic cost = convex_cost();
  for (const bool paper : {false, true}) {
    for (const auto source : {TemperatureSource::sampled, TemperatureSource::residual}) {
      PilqrOptions options = paper ? PilqrOptions::paper() : PilqrOptions{};
      options.temperature_source = source;
      LinearGaussianPolicy<> policy = start_policy(8);
      KlStep kl_step(options.kl_step, 8);
      Pilqr<> optimizer(policy, options);
      for (int iteration = 0; iteration < 3; ++iteration) {
        auto rollouts = rollouts_of(stable_system(), cost, policy, 12);
        for (int t = 0; t < 8; ++t) {  // a discontinuous part of the cost
          rollouts.cost.col(t) -=
              9.0 * (rollouts.x[t].row(0).transpose().array() > 0.3).cast<double>().matrix();
        }
        const auto dynamics = fit_dynamics(rollouts, options.model.fit);
        const auto model = fit_cost(rollouts, cost);
        const auto predicted =
            predict_costs(dynamics.dynamics, model.cost, policy, rollouts, options.replay);
        const MatrixX residual = rollouts.cost - predicted.cost;
        if (iteration > 0) kl_step.adapt_to_residual(residual_ratio(residual, rollouts.cost));
        const VectorX temperature = optimize_temperatures(
            cost_to_go(source == TemperatureSource::residual ? residual : rollouts.cost),
            options.temperature);
        const auto lqr = lqr_flm_update(dynamics.dynamics, model.cost, policy,
                                        fit_initial_state<Dynamic>(rollouts.x[0]), kl_step.value(),
                                        options.lqr_flm);
        const auto pi2 =
            pi2_update(lqr.policy, rollouts.xi, cost_to_go(residual), temperature, options.pi2);
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
  EXPECT_EQ(o.temperature.min_temperature, 1e-3);
}

TEST(Pilqr, AConstantInTheCostChangesNothing) {
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

TEST(Pilqr, ScalingTheCostChangesNothing) {
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
    });
  }
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
  ASSERT_EQ(result.last.size(), 1U) << "condition 7 was not reached";
  EXPECT_EQ(result.last[0].condition, 4);
  EXPECT_FALSE(result.last[0].report.ok());
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
