// The cost's expansion and the replay of noise: golden data, a naive replay, laws and failures.

#include "pilqr/fit/cost_fit.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "fit/fit_checks.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/region_cost.hpp"
#include "pilqr/costs/state_cost.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;
using test::Random;

constexpr ReplayOptions unlimited{.range = 1e300};

template <class S>
class CostFitGolden : public ::testing::Test {};
using AllSizes =
    ::testing::Types<test::Sizes<3, 2>, test::Sizes<6, 2>, test::Sizes<Dynamic, Dynamic>>;
TYPED_TEST_SUITE(CostFitGolden, AllSizes);

TYPED_TEST(CostFitGolden, Replay) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  for (const std::string name : {"small", "medium"}) {
    if (Nx != Dynamic && Nx != (name == "medium" ? 6 : 3)) continue;  // medium is 6x2
    const Json file = golden::load("i_approximated_cost_" + name);
    const Json& in = file.at("inputs");
    const auto dynamics = golden::dynamics<Nx, Nu>(in);
    const auto cost = golden::cost<Nx, Nu>(in, dynamics.nx());
    const auto policy = golden::policy<Nx, Nu>(in.at("policy"));
    const MatrixX starts = golden::matrix(in.at("X0")).transpose();
    Rollouts<Nx, Nu> r(policy.steps(), cols(starts), policy.nx(), policy.nu());
    r.x.set_zero();
    r.u.set_zero();
    r.xi = golden::samples<Nu>(in.at("noise"));
    r.x[0] = starts;
    const auto own = predict_costs(dynamics, cost, policy, r, unlimited);
    EXPECT_EQ(own.first_diverged_step, r.steps());
    const Json& out = file.at("outputs");
    EXPECT_TRUE(close(own.cost, golden::matrix(out.at("own_x0").at("predicted_cost")), 1e-9));
    r.x[0].colwise() = Vector<Nx>(golden::vector(in.at("x0mu")));
    const auto same = predict_costs(dynamics, cost, policy, r, unlimited);
    EXPECT_TRUE(
        close(same.cost, golden::matrix(out.at("reference_x0mu").at("predicted_cost")), 1e-9));
  }
}

/// The region of the l_eval_cost files.
RegionCost golden_region(const Json& in) {
  const Json& region = in.at("config").at("binary");
  return RegionCost({.start = in.at("state_layout_start_end").at("ee").at(0).get<int>(),
                     .center = golden::vector(region.at("target")),
                     .radius = region.at("max_distance").get<double>(),
                     .inside = region.at("inside_cost").get<double>(),
                     .outside = region.at("outside_cost").get<double>()});
}

/// The cost that the l_eval_cost files describe.
CostSum golden_cost(const Json& in) {
  const Json& config = in.at("config");
  const VectorX weights = golden::vector(config.at("weights"));
  const int ee = in.at("state_layout_start_end").at("ee").at(0).get<int>();
  CostSum sum;
  sum.add(weights(0), StateCost({.start = ee,
                                 .target = golden::vector(config.at("state_target")),
                                 .weights = golden::vector(config.at("state_wp")),
                                 .norm = {.l1 = config.at("l1").get<double>(),
                                          .l2 = config.at("l2").get<double>(),
                                          .alpha = config.at("alpha").get<double>()}}))
      .add(weights(1), ActionCost({.weights = golden::vector(config.at("wu"))}))
      .add(weights(2), golden_region(in));
  return sum;
}

template <int Nx, int Nu>
void expect_golden_expansion(const std::string& name) {
  const Json file = golden::load("l_eval_cost_" + name);
  const auto rollouts = test::golden_rollouts<Nx, Nu>(file.at("inputs"));
  const CostSum cost = golden_cost(file.at("inputs"));
  const auto fit = fit_cost(rollouts, cost);
  ASSERT_TRUE(fit.ok());
  const Json& out = file.at("outputs");
  constexpr int Ny = joint_size<Nx, Nu>;
  EXPECT_TRUE(close(fit.cost.C, golden::sequence<Ny, Ny>(out.at("Cm")), 1e-9));
  EXPECT_TRUE(close(fit.cost.c, golden::sequence<Ny>(out.at("cv")), 1e-9));
  MatrixX sampled(rollouts.samples(), rollouts.steps());
  for (int t = 0; t < rollouts.steps(); ++t) {
    for (int i = 0; i < rollouts.samples(); ++i) {
      sampled(i, t) = cost(t, rollouts.x[t].col(i), rollouts.u[t].col(i));
    }
  }
  EXPECT_TRUE(close(sampled, golden::matrix(out.at("cs")), 1e-9));
  // The file keeps the value of the region in the constant, the library leaves it out.
  const RegionCost region = golden_region(file.at("inputs"));
  const double weight = file.at("inputs").at("config").at("weights").at(2).get<double>();
  VectorX constant = golden::vector(out.at("cc"));
  for (int t = 0; t < rollouts.steps(); ++t) {
    for (int i = 0; i < rollouts.samples(); ++i) {
      constant(t) -=
          weight / rollouts.samples() * region(t, rollouts.x[t].col(i), rollouts.u[t].col(i));
    }
  }
  EXPECT_TRUE(close(fit.cost.c0, constant, 1e-9));
}

TEST(CostFit, GoldenExpansionSmall) {
  expect_golden_expansion<5, 2>("small");
}
TEST(CostFit, GoldenExpansionSmallDynamic) {
  expect_golden_expansion<Dynamic, Dynamic>("small");
}
TEST(CostFit, GoldenExpansionMedium) {
  expect_golden_expansion<10, 2>("medium");
}
TEST(CostFit, GoldenExpansionMediumDynamic) {
  expect_golden_expansion<Dynamic, Dynamic>("medium");
}

/// A QuadraticCost as a cost; on request an entry of one expansion is not finite.
struct Quadratic {
  QuadraticCost<> q;
  int bad_call = -1;  // counted over all calls
  int bad_entry = 0;  // 0 value, 1 gradient, 2 Hessian
  double bad = std::numeric_limits<double>::quiet_NaN();
  mutable int calls = 0;

  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    VectorX y(x.size() + u.size());
    y << x, u;
    return q(t, y);
  }
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    VectorX y(x.size() + u.size());
    y << x, u;
    out.value += weight * q(t, y);
    out.gradient += weight * (q.C[t] * y + q.c[t]);
    out.hessian += weight * q.C[t];
    if (calls++ != bad_call) return;
    if (bad_entry == 0) out.value = bad;
    if (bad_entry == 1) out.gradient(y.size() - 1) = bad;
    if (bad_entry == 2) out.hessian(0, y.size() - 1) = bad;
  }
};
static_assert(Cost<Quadratic>);

class CostFitLaws : public ::testing::Test {
 protected:
  static constexpr int T = 7;
  static constexpr int nx = 4;
  static constexpr int nu = 2;

  Rollouts<> simulate(int N) { return test::simulate(dynamics_, cost_, policy_, N, random_); }

  Random random_{21};
  LinearGaussianDynamics<> dynamics_ = random_.dynamics<Dynamic, Dynamic>(T, nx, nu);
  QuadraticCost<> cost_ = random_.cost<Dynamic, Dynamic>(T, nx, nu);
  LinearGaussianPolicy<> policy_ = random_.policy<Dynamic, Dynamic>(T, nx, nu);
};

TEST_F(CostFitLaws, AQuadraticCostIsItsOwnExpansionWhateverTheSamples) {
  for (const int N : {1, 3, 12}) {
    const auto fit = fit_cost(simulate(N), Quadratic{cost_});
    ASSERT_TRUE(fit.ok());
    EXPECT_TRUE(close(fit.cost.C, cost_.C, 1e-13));
    EXPECT_TRUE(close(fit.cost.c, cost_.c, 1e-12));
    EXPECT_TRUE(close(fit.cost.c0, cost_.c0, 1e-11));
    EXPECT_EQ(fit.cost.nx(), nx);
    EXPECT_EQ(fit.cost.nu(), nu);
  }
}

TEST_F(CostFitLaws, TheModelOfOneSampleTouchesTheCostThere) {
  CostSum cost;
  cost.add(2.0, StateCost({.target = VectorX::Zero(nx), .norm = {.l1 = 1.0, .l2 = 0.5}}))
      .add(1.0, ActionCost({.weights = VectorX::Ones(nu)}));
  const Rollouts<> r = simulate(1);
  const auto fit = fit_cost(r, cost);
  for (int t = 0; t < T; ++t) {
    VectorX y(nx + nu);
    y << r.x[t], r.u[t];
    EXPECT_NEAR(fit.cost(t, y), cost(t, r.x[t].col(0), r.u[t].col(0)), 1e-12);
    CostExpansion e(nx, nu);
    cost.expand(t, r.x[t].col(0), r.u[t].col(0), 1.0, e);
    EXPECT_TRUE(close(fit.cost.C[t] * y + fit.cost.c[t], e.gradient, 1e-12));
  }
}

TEST_F(CostFitLaws, NonFiniteDerivativesAreReportedWithSampleAndStep) {
  const Rollouts<> r = simulate(5);
  for (const int entry : {0, 1, 2}) {
    for (const double bad : {std::nan(""), -std::numeric_limits<double>::infinity()}) {
      const Quadratic broken{cost_, 5 * 3 + 2, entry, bad};
      const auto fit = fit_cost(r, broken);
      EXPECT_EQ(fit.failure.kind, FailureKind::non_finite_cost);
      EXPECT_EQ(fit.failure.sample, 2);
      EXPECT_EQ(fit.failure.step, 3);
    }
  }
  Rollouts<> nan = r;
  for (const int i : {4, 3, 0}) {
    nan.x[6](1, i) = std::nan("");
    const auto fit = fit_cost(nan, Quadratic{cost_});
    EXPECT_EQ(fit.failure.kind, FailureKind::non_finite_cost);
    EXPECT_EQ(fit.failure.sample, i);
    EXPECT_EQ(fit.failure.step, 6);
  }
  EXPECT_THROW((void)fit_cost(Rollouts<>(), Quadratic{cost_}), InvalidArgument);
}

TEST_F(CostFitLaws, ExactModelsLeaveNoResidual) {
  for (const int N : {1, 2, 9}) {
    const Rollouts<> r = simulate(N);
    const auto predicted = predict_costs(dynamics_, cost_, policy_, r);
    EXPECT_EQ(predicted.first_diverged_step, T);
    EXPECT_TRUE(close(predicted.cost, r.cost, 1e-12));
  }
}

/// One sample at a time, up to the horizon, from the sample's own first state.
MatrixX replay(const LinearGaussianDynamics<>& dynamics, const QuadraticCost<>& cost,
               const LinearGaussianPolicy<>& policy, const Rollouts<>& r,
               std::vector<MatrixX>& states) {
  MatrixX predicted(r.samples(), r.steps());
  states.assign(static_cast<std::size_t>(r.steps()), MatrixX(r.nx(), r.samples()));
  for (int i = 0; i < r.samples(); ++i) {
    VectorX x = r.x[0].col(i);
    for (int t = 0; t < r.steps(); ++t) {
      states[static_cast<std::size_t>(t)].col(i) = x;
      VectorX y(r.nx() + r.nu());
      y << x, policy.K[t] * x + policy.k[t] + policy.L[t] * r.xi[t].col(i);
      predicted(i, t) = cost(t, y);
      if (t + 1 < r.steps()) x = dynamics.F[t] * y + dynamics.f[t];
    }
  }
  return predicted;
}

TEST_F(CostFitLaws, EachSampleIsReplayedFromItsOwnStart) {
  const Rollouts<> r = simulate(6);
  const auto other = random_.dynamics<Dynamic, Dynamic>(T, nx, nu);  // a wrong model
  std::vector<MatrixX> states;
  const MatrixX expected = replay(other, cost_, policy_, r, states);
  const auto predicted = predict_costs(other, cost_, policy_, r, unlimited);
  EXPECT_TRUE(close(predicted.cost, expected, 1e-12));

  const std::vector<int> order{3, 5, 0, 1, 4, 2};
  const auto moved = predict_costs(other, cost_, policy_, test::permuted(r, order), unlimited);
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(close(moved.cost.row(i), expected.row(order[static_cast<std::size_t>(i)]), 1e-12));
  }
}

TEST_F(CostFitLaws, AnUnstableReplayIsCutWhereItLeavesTheData) {
  const Rollouts<> r = simulate(6);
  LinearGaussianDynamics<> unstable = dynamics_;
  for (int t = 0; t + 1 < T; ++t) unstable.F[t].leftCols(nx) *= 6.0;
  std::vector<MatrixX> states;
  const MatrixX expected = replay(unstable, cost_, policy_, r, states);
  VectorX low = VectorX::Constant(nx, 1e300);
  VectorX high = -low;
  for (int t = 0; t < T; ++t) {
    low = low.cwiseMin(r.x[t].rowwise().minCoeff());
    high = high.cwiseMax(r.x[t].rowwise().maxCoeff());
  }
  int seen = 0;
  for (const double range : {1.0, 10.0, 100.0, 1e300}) {
    int first = 0;
    for (; first < T; ++first) {
      const auto& x = states[static_cast<std::size_t>(first)];
      const VectorX margin = 0.5 * range * (high - low);
      if (((x.colwise() - (high + margin)).array() > 0.0).any() ||
          ((x.colwise() - (low - margin)).array() < 0.0).any()) {
        break;
      }
    }
    const auto predicted = predict_costs(unstable, cost_, policy_, r, {.range = range});
    EXPECT_EQ(predicted.first_diverged_step, first) << "range " << range;
    ASSERT_GT(first, 0);
    EXPECT_TRUE(close(predicted.cost.leftCols(first), expected.leftCols(first), 1e-12));
    EXPECT_TRUE(predicted.cost.rightCols(T - first).isZero(0.0));
    if (first < T) ++seen;
  }
  EXPECT_GE(seen, 2);
}

TEST_F(CostFitLaws, AReplayThatIsNotFiniteHasDiverged) {
  const Rollouts<> r = simulate(4);
  LinearGaussianDynamics<> overflow = dynamics_;
  overflow.F[1].setConstant(1e200);
  overflow.F[2].setConstant(1e200);
  EXPECT_EQ(predict_costs(overflow, cost_, policy_, r, unlimited).first_diverged_step, 2);
  LinearGaussianDynamics<> nan = dynamics_;
  nan.f[3](2) = std::nan("");
  EXPECT_EQ(predict_costs(nan, cost_, policy_, r).first_diverged_step, 4);
  for (const int t : {0, 4, T - 1}) {
    QuadraticCost<> cost = cost_;
    cost.c0(t) = std::nan("");
    LinearGaussianPolicy<> policy = policy_;
    policy.k[t](0) = std::nan("");
    for (const auto& predicted :
         {predict_costs(dynamics_, cost, policy_, r), predict_costs(dynamics_, cost_, policy, r)}) {
      EXPECT_EQ(predicted.first_diverged_step, t);
      EXPECT_TRUE(predicted.cost.allFinite());
      EXPECT_TRUE(predicted.cost.rightCols(T - t).isZero(0.0));
      if (t > 0) {
        EXPECT_TRUE(close(predicted.cost.leftCols(t), r.cost.leftCols(t), 1e-12));
      }
    }
  }
}

TEST_F(CostFitLaws, ADimensionThatNeverMovesMayRound) {
  // The third state is 1e5 throughout; the model returns it with a relative error of 1e-9.
  Rollouts<> r(3, 2, 3, 1);
  LinearGaussianDynamics<> dynamics(3, 3, 1);
  LinearGaussianPolicy<> policy(3, 3, 1);
  dynamics.F.set_zero();
  dynamics.f.set_zero();
  policy.K.set_zero();
  policy.k.set_zero();
  policy.L.flat().setOnes();
  QuadraticCost<> cost(3, 3, 1);
  cost.C.set_zero();
  cost.c.set_zero();
  r.xi.set_zero();
  r.u.set_zero();
  for (int t = 0; t < 3; ++t) r.x[t] << 0.0, 1.0, 0.0, 1.0, 1e5, 1e5;
  for (int t = 0; t < 2; ++t) {
    dynamics.F[t](0, 0) = dynamics.F[t](1, 1) = 1.0;
    dynamics.f[t](2) = 1e5 * (1.0 + 1e-9);
  }
  EXPECT_EQ(predict_costs(dynamics, cost, policy, r).first_diverged_step, 3);
  dynamics.f[1](2) = 1.1e5;
  EXPECT_EQ(predict_costs(dynamics, cost, policy, r).first_diverged_step, 2);
}

TEST(Replay, RangeIsCountedInHalfWidths) {
  // The data lie in [0, 1]; a range of 10 reaches from -5 to 6.
  Rollouts<> r(2, 2, 1, 1);
  LinearGaussianDynamics<> dynamics(2, 1, 1);
  LinearGaussianPolicy<> policy(2, 1, 1);
  QuadraticCost<> cost(2, 1, 1);
  for (int t = 0; t < 2; ++t) r.x[t] << 0.0, 1.0;
  for (auto zero : {r.u.flat(), r.xi.flat(), dynamics.F.flat(), policy.K.flat(), policy.k.flat(),
                    cost.C.flat(), cost.c.flat()})
    zero.setZero();
  policy.L.flat().setOnes();
  for (const auto& [next, first_diverged] :
       {std::pair{-4.99, 2}, {-5.01, 1}, {5.99, 2}, {6.01, 1}}) {
    dynamics.f[0](0) = next;
    EXPECT_EQ(predict_costs(dynamics, cost, policy, r, {.range = 10.0}).first_diverged_step,
              first_diverged)
        << next;
  }
}

TEST_F(CostFitLaws, OneStepNeedsNoDynamics) {
  Random random(2);
  const auto policy = random.policy<Dynamic, Dynamic>(1, nx, nu);
  const auto cost = random.cost<Dynamic, Dynamic>(1, nx, nu);
  const Rollouts<> r = test::simulate(LinearGaussianDynamics<>(1, nx, nu), cost, policy, 3, random);
  const auto predicted = predict_costs(LinearGaussianDynamics<>(), cost, policy, r);
  EXPECT_EQ(predicted.first_diverged_step, 1);
  EXPECT_TRUE(close(predicted.cost, r.cost, 1e-12));
}

TEST_F(CostFitLaws, ReplayMisuseThrows) {
  const Rollouts<> r = simulate(3);
  for (const double range : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW((void)predict_costs(dynamics_, cost_, policy_, r, {.range = range}),
                 InvalidArgument);
  }
  const auto policy = [&](int steps, int n, int m) {
    return random_.policy<Dynamic, Dynamic>(steps, n, m);
  };
  EXPECT_THROW((void)predict_costs(dynamics_, cost_, policy(T + 1, nx, nu), r), InvalidArgument);
  EXPECT_THROW((void)predict_costs(dynamics_, cost_, policy(T, nx + 1, nu), r), InvalidArgument);
  EXPECT_THROW((void)predict_costs(dynamics_, cost_, policy(T, nx, nu + 1), r), InvalidArgument);
  EXPECT_THROW((void)predict_costs(dynamics_, QuadraticCost<>(T, nu, nx), policy_, r),
               InvalidArgument);
  EXPECT_THROW((void)predict_costs(LinearGaussianDynamics<>(T, nx + 1, nu), cost_, policy_, r),
               InvalidArgument);
  Rollouts<> bad = r;
  bad.xi[T - 1](1, 2) = std::nan("");
  EXPECT_THROW((void)predict_costs(dynamics_, cost_, policy_, bad), InvalidArgument);
  bad = r;
  bad.x[2](0, 0) = std::nan("");
  EXPECT_THROW((void)predict_costs(dynamics_, cost_, policy_, bad), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
