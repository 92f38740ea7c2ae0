// Guided policy search as a whole: one iteration against a dense solution, its composition,
// failures.

#include "pilqr/train/mdgps.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/golden.hpp"
#include "support/lqr_problem.hpp"
#include "train/mdgps_support.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::guided;
using test::kNu;
using test::kNx;
using test::LinearGlobalPolicy;
using test::regulator_cost;
using test::Starts;

constexpr int T = 6;

template <class M>
MdgpsReport iterate(M& mdgps, const TrainOptions& options, int iteration, Starts system = {}) {
  SerialExecutor serial;
  return mdgps.iterate(system, std::vector{regulator_cost()}, options, iteration, serial);
}

/// [A b] of the targets (x, K x + k) of all conditions, weighted by Sigma^-1, and the inverse of
/// the mean precision: densely, from the policies.
struct DenseGlobal {
  MatrixX theta;
  MatrixX covariance;

  DenseGlobal(const std::vector<LinearGaussianPolicy<>>& policies,
              const std::vector<Rollouts<>>& rollouts) {
    const int N = rollouts.front().samples();
    const Eigen::Index points = static_cast<Eigen::Index>(policies.size()) * T * N;
    MatrixX x(kNx, points);
    MatrixX u(kNu, points);
    std::vector<MatrixX> precision;
    MatrixX mean = MatrixX::Zero(kNu, kNu);
    for (std::size_t m = 0; m < policies.size(); ++m) {
      for (int t = 0; t < T; ++t) {
        const MatrixX P = policies[m].Sigma(t).inverse();
        for (int i = 0; i < N; ++i) {
          const auto j = static_cast<Eigen::Index>(precision.size());
          x.col(j) = rollouts[m].x[t].col(i);
          u.col(j) = policies[m].K[t] * x.col(j) + policies[m].k[t];
          precision.push_back(P);
          mean += P / static_cast<double>(points);
        }
      }
    }
    theta = test::dense_least_squares(x, u, precision);
    covariance = mean.inverse();
  }
  [[nodiscard]] MatrixX A() const { return theta.leftCols(kNx); }
  [[nodiscard]] VectorX b() const { return theta.col(kNx); }
};

/// The policy at step t of
///   min E[cost] + dual KL(p || N(A x + b, covariance)), summed over the steps, x' = F y + f,
/// by one dense quadratic in the controls from t on: with the dynamics known and without noise the
/// optimal p is exp(-1/2 U'HU - ..), so its first control has the mean of the minimiser and the
/// first block of H^-1 as covariance. No recursion over values.
struct DenseStep {
  MatrixX K, Sigma;
  VectorX k;

  DenseStep(int t, double dual, const DenseGlobal& reference, const test::Linear& system,
            const test::Quadratic& cost) {
    const int steps = T - t;
    const int n = steps * kNu;
    // Of the trajectory from x_t: x_s = X U + M x_t + c with U all controls.
    MatrixX X = MatrixX::Zero(kNx, n);
    MatrixX M = MatrixX::Identity(kNx, kNx);
    VectorX c = VectorX::Zero(kNx);
    MatrixX H = MatrixX::Zero(n, n);
    MatrixX G = MatrixX::Zero(n, kNx);  // gradient at U = 0: G x_t + g
    VectorX g = VectorX::Zero(n);
    const MatrixX P = reference.covariance.inverse();
    MatrixX residual(kNu, kNx + kNu);  // u - A x
    residual << -reference.A(), MatrixX::Identity(kNu, kNu);
    const MatrixX C = cost.C / dual + residual.transpose() * P * residual;
    const VectorX linear = cost.c / dual - residual.transpose() * P * reference.b();
    for (int s = 0; s < steps; ++s) {
      MatrixX Y = MatrixX::Zero(kNx + kNu, n);  // y_s = Y U + Ym x_t + yc
      Y.topRows(kNx) = X;
      Y.block(kNx, s * kNu, kNu, kNu).setIdentity();
      MatrixX Ym = MatrixX::Zero(kNx + kNu, kNx);
      Ym.topRows(kNx) = M;
      VectorX yc = VectorX::Zero(kNx + kNu);
      yc.head(kNx) = c;
      H += Y.transpose() * C * Y;
      G += Y.transpose() * C * Ym;
      g += Y.transpose() * (C * yc + linear);
      X = (system.A * X + system.B * Y.bottomRows(kNu)).eval();
      M = (system.A * M).eval();
      c = (system.A * c + system.a).eval();
    }
    const MatrixX inverse = H.inverse();
    K = -(inverse * G).topRows(kNu);
    k = -(inverse * g).head(kNu);
    Sigma = inverse.topLeftCorner(kNu, kNu);
  }
};

// Initial S-step, linearisation, C-step under the total constraint and S-step, all densely. The
// dual is the one that the C-step found; that it is the right one, the divergence tells.
TEST(Mdgps, OneIterationIsTheDenseSolution) {
  const PolicyFitOptions no_ridge{.ridge = 0.0, .ridge_first_step = 0.0};
  LqrFlmAloneOptions local;
  local.model.fit.ridge = 1e-13;
  local.lqr_flm.constraint = KlConstraint::total;
  local.lqr_flm.tolerance = 1e-11;
  auto mdgps = guided<LqrFlm<>>(
      T, {.linearize = {.fit = no_ridge}, .supervision = {.variance_floor = 0.0}}, local);
  std::vector<LinearGaussianPolicy<>> policies;
  for (const auto& optimizer : mdgps.locals()) policies.push_back(optimizer.policy());

  const MdgpsReport report = iterate(mdgps, {.samples = 30, .seed = 3}, 0);
  ASSERT_TRUE(report.failure().ok()) << report.failure().message();
  const DenseGlobal initial(policies, mdgps.rollouts());
  for (std::size_t m = 0; m < 3; ++m) {
    const LqrFlm<>& optimizer = mdgps.locals()[m];
    const double dual = optimizer.state().lqr_dual;
    for (int t = 0; t < T; ++t) {
      const DenseStep dense(t, dual, initial, Starts{}.linear, regulator_cost());
      EXPECT_TRUE(close(optimizer.policy().K[t], dense.K, 1e-7)) << m << " " << t;
      EXPECT_TRUE(close(optimizer.policy().k[t], dense.k, 1e-7)) << m << " " << t;
      EXPECT_TRUE(close(optimizer.policy().Sigma(t), dense.Sigma, 1e-7)) << m << " " << t;
    }
    policies[m] = optimizer.policy();
    // The divergence from the global policy, over the states that the new policy visits.
    test::LqrProblem<> problem(1, T, kNx, kNu);
    const MatrixX& start = mdgps.rollouts()[m].x[0];
    problem.start.mu = start.rowwise().mean();
    problem.start.Sigma = (start.colwise() - problem.start.mu)
                              .array()
                              .square()
                              .rowwise()
                              .mean()
                              .matrix()
                              .asDiagonal();
    for (int t = 0; t < T; ++t) {
      problem.reference.K[t] = initial.A();
      problem.reference.k[t] = initial.b();
      problem.reference.L[t] = initial.covariance.llt().matrixL();
      if (t + 1 == T) break;
      problem.dynamics.F[t] << Starts{}.linear.A, Starts{}.linear.B;
      problem.dynamics.f[t] = Starts{}.linear.a;
      problem.dynamics.W[t].setZero();
    }
    const double allowed = T * local.kl_step.base_first;
    EXPECT_NEAR(test::totals(problem, optimizer.policy()).kl, allowed, 1e-5 * allowed) << m;
  }
  const DenseGlobal last(policies, mdgps.rollouts());
  EXPECT_TRUE(close(mdgps.global().A, last.A(), 1e-8));
  EXPECT_TRUE(close(mdgps.global().b, last.b(), 1e-8));
  EXPECT_TRUE(close(mdgps.global().covariance(), last.covariance, 1e-8));
}

// The iteration composed by hand from the public steps, sampled by either policy.
TEST(Mdgps, IsTheCompositionOfItsSteps) {
  for (const SampleWith who : {SampleWith::local_policy, SampleWith::global_policy}) {
    auto mdgps = guided<Pilqr<>>(T, {.sample_with = who});
    std::vector<Pilqr<>> locals = mdgps.locals();
    LinearGlobalPolicy global = mdgps.global();
    const auto cost = regulator_cost();
    const TrainOptions options{.samples = 8, .seed = 3, .conditions = {2, 0, 1}};
    for (int iteration = 0; iteration < 3; ++iteration) {
      const auto key = [&](StreamPurpose purpose, int condition, std::uint32_t which) {
        return RandomStream({.seed = 3,
                             .iteration = static_cast<std::uint32_t>(iteration),
                             .condition = static_cast<std::uint32_t>(condition),
                             .sample = which,
                             .purpose = purpose});
      };
      Starts system;
      std::vector<Rollouts<>> rollouts;
      std::vector<Lesson> lessons;
      for (std::size_t m = 0; m < 3; ++m) {
        const SampleOptions which{
            .samples = 8, .seed = 3, .iteration = iteration, .condition = options.conditions[m]};
        rollouts.push_back(who == SampleWith::global_policy && iteration > 0
                               ? sample(system, cost, GlobalController(global, T), which).rollouts
                               : sample(system, cost, locals[m].policy(), which).rollouts);
      }
      const auto teach = [&](std::uint32_t which) {
        lessons.clear();
        for (std::size_t m = 0; m < 3; ++m) lessons.push_back({locals[m].policy(), rollouts[m]});
        return s_step(global, lessons, {}, key(StreamPurpose::policy_training, 0, which));
      };
      if (iteration == 0) {
        ASSERT_TRUE(teach(0).ok());
      }
      for (std::size_t m = 0; m < 3; ++m) {
        std::optional<GmmPrior> none;
        const int id = options.conditions[m];
        const auto reference = linearize<Dynamic, Dynamic>(global, rollouts[m].x, {}, {}, none,
                                                           key(StreamPurpose::policy_fit, id, 0));
        ASSERT_TRUE(
            c_step(locals[m], reference.policy, rollouts[m], cost, key(StreamPurpose::fit, id, 0))
                .ok());
      }
      const SupervisionReport taught = teach(1);
      const MdgpsReport report = iterate(mdgps, options, iteration);
      ASSERT_TRUE(report.failure().ok()) << report.failure().message();
      EXPECT_EQ(report.supervision.loss, taught.loss);
      EXPECT_EQ(report.initial.points, iteration == 0 ? 3 * T * 8 : 0);
      EXPECT_EQ(mdgps.global().A, global.A);
      EXPECT_EQ(mdgps.global().covariance(), global.covariance());
      for (std::size_t m = 0; m < 3; ++m) {
        EXPECT_TRUE(mdgps.locals()[m].policy() == locals[m].policy());
        EXPECT_TRUE(mdgps.rollouts()[m].x == rollouts[m].x);
        EXPECT_EQ(report.conditions[m].condition, options.conditions[m]);
        EXPECT_EQ(report.conditions[m].report.cost_mean, rollouts[m].total_cost().mean());
      }
    }
  }
}

TEST(Mdgps, AFailedConditionKeepsItsPolicyAndTeachesNothing) {
  const TrainOptions options{.samples = 10, .seed = 4};
  auto mdgps = guided<LqrFlm<>>(T);
  ASSERT_TRUE(iterate(mdgps, options, 0).failure().ok());
  const auto before = mdgps;
  const MdgpsReport report = iterate(mdgps, options, 1, {.bad_condition = 1});
  EXPECT_EQ(report.failure().kind, FailureKind::system_error);
  EXPECT_EQ(report.failure().condition, 1);
  EXPECT_EQ(report.failure().step, 2);
  EXPECT_TRUE(report.conditions[0].report.ok() && report.conditions[2].report.ok());
  EXPECT_TRUE(mdgps.locals()[1].policy() == before.locals()[1].policy());
  EXPECT_FALSE(mdgps.locals()[0].policy() == before.locals()[0].policy());
  EXPECT_EQ(report.supervision.points, 2 * T * 10);
  // The global policy has learnt from the other two.
  LinearGlobalPolicy global = before.global();
  ASSERT_TRUE(s_step(global,
                     {{mdgps.locals()[0].policy(), mdgps.rollouts()[0]},
                      {mdgps.locals()[2].policy(), mdgps.rollouts()[2]}},
                     {}, RandomStream({.seed = 0}))
                  .ok());
  EXPECT_EQ(mdgps.global().A, global.A);
  // It goes on.
  EXPECT_TRUE(iterate(mdgps, options, 2).failure().ok());
}

TEST(Mdgps, WithAFailureInTheFirstIterationTheOthersBegin) {
  auto mdgps = guided<LqrFlm<>>(T);
  const MdgpsReport report = iterate(mdgps, {.samples = 10}, 0, {.bad_condition = 0});
  EXPECT_EQ(report.failure().condition, 0);
  EXPECT_EQ(report.initial.points, 2 * T * 10);
  EXPECT_EQ(report.supervision.points, 2 * T * 10);
  EXPECT_TRUE(mdgps.trained());
}

TEST(Mdgps, WhereAllConditionsFailNothingChanges) {
  std::vector<LqrFlm<>> one{guided<LqrFlm<>>(T).locals()[0]};
  Mdgps mdgps(one, LinearGlobalPolicy(kNx, kNu));
  const MdgpsReport report = iterate(mdgps, {.samples = 10}, 0, {.bad_condition = 0});
  EXPECT_EQ(report.failure().kind, FailureKind::system_error);
  EXPECT_EQ(report.supervision.points, 0);
  EXPECT_FALSE(mdgps.trained());
  EXPECT_TRUE(mdgps.locals()[0].policy() == one[0].policy());
  EXPECT_EQ(mdgps.global().calls, 0);
}

TEST(Mdgps, AFailedSupervisionKeepsTheGlobalPolicy) {
  auto all = guided<LqrFlm<>>(T);
  LinearGlobalPolicy moody(kNx, kNu);
  moody.fail_at = 2;  // after the initial one and that of the first iteration
  Mdgps mdgps(all.locals(), moody);
  Starts system;
  SerialExecutor serial;
  std::vector<int> seen;
  MatrixX A;
  int updates = 0;
  MdgpsCallbacks<> callbacks;
  callbacks.on_report = [&](int iteration, const MdgpsReport& report) {
    seen.push_back(iteration);
    if (iteration == 0) A = mdgps.global().A;
    EXPECT_EQ(report.failure().ok(), iteration == 0);
    EXPECT_EQ(updates, 3 * iteration);
  };
  callbacks.on_update = [&](const IterationRecord& record, const Rollouts<>& rollouts) {
    EXPECT_EQ(record.condition, updates++ % 3);
    EXPECT_EQ(rollouts.samples(), 10);
  };
  const auto result =
      train(system, std::vector{regulator_cost()}, mdgps,
            {.iterations = 5, .samples = 10, .stop = {.failed_updates = 1}}, callbacks, serial);
  EXPECT_EQ(updates, 6);
  EXPECT_EQ(result.failure.detail, "asked to fail");
  EXPECT_EQ(result.failure.condition, -1);
  EXPECT_EQ(result.iterations, 1);
  EXPECT_EQ(seen, (std::vector{0, 1}));
  EXPECT_EQ(mdgps.global().A, A);
  EXPECT_TRUE(result.last.conditions[1].report.ok()) << "the C-steps were made";
}

TEST(Mdgps, WithoutAFirstSupervisionThereIsNoCStep) {
  auto all = guided<LqrFlm<>>(T);
  LinearGlobalPolicy moody(kNx, kNu);
  moody.fail_at = 0;
  Mdgps mdgps(all.locals(), moody);
  const MdgpsReport report = iterate(mdgps, {.samples = 10}, 0);
  EXPECT_EQ(report.failure().detail, "asked to fail");
  EXPECT_FALSE(report.conditions[2].report.ok());
  EXPECT_FALSE(mdgps.trained());
  for (std::size_t m = 0; m < 3; ++m) {
    EXPECT_TRUE(mdgps.locals()[m].policy() == all.locals()[m].policy());
  }
}

TEST(Mdgps, CallbacksCanStop) {
  auto mdgps = guided<Pi2<>>(T);
  Starts system;
  SerialExecutor serial;
  const auto result =
      train(system, std::vector{regulator_cost()}, mdgps,
            {.iterations = 5, .samples = 4, .first_iteration = 7},
            {{.on_iteration = [](int iteration) { return iteration < 8; }}, {}}, serial);
  EXPECT_TRUE(result.ok() && result.stopped);
  EXPECT_EQ(result.iterations, 2);
  EXPECT_EQ(result.last.conditions[0].iteration, 8);
}

TEST(Mdgps, MisuseThrows) {
  using M = Mdgps<Pi2<>, LinearGlobalPolicy>;
  const auto locals = guided<Pi2<>>(T).locals();
  EXPECT_THROW(M({}, LinearGlobalPolicy(kNx, kNu)), InvalidArgument);
  EXPECT_THROW(M(locals, LinearGlobalPolicy(kNx + 1, kNu)), InvalidArgument);
  EXPECT_THROW(
      M(locals, LinearGlobalPolicy(kNx, kNu), {}, {.supervision = {.variance_floor = -1.0}}),
      InvalidArgument);
  const Observation one{.h = VectorX::Ones(1)};
  EXPECT_NO_THROW(M(locals, LinearGlobalPolicy(kNx + 1, kNu), {one, one, one}));
  EXPECT_THROW(M(locals, LinearGlobalPolicy(kNx + 1, kNu), {one, one}), InvalidArgument);
  EXPECT_THROW(M(locals, LinearGlobalPolicy(kNx + 1, kNu), {one, {}, one}), InvalidArgument);
  const Observation wide{.H = MatrixX::Zero(1, kNx + 1), .h = VectorX::Ones(1)};
  EXPECT_THROW(M(locals, LinearGlobalPolicy(kNx + 1, kNu), {one, wide, one}), InvalidArgument);
  const Observation infinite{.h = VectorX::Constant(1, INFINITY)};
  EXPECT_THROW(M(locals, LinearGlobalPolicy(kNx + 1, kNu), {one, one, infinite}), InvalidArgument);
  M mdgps(locals, LinearGlobalPolicy(kNx, kNu));
  EXPECT_THROW(iterate(mdgps, {.samples = 0}, 0), InvalidArgument);
  EXPECT_THROW(iterate(mdgps, {.conditions = {1}}, 0), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
