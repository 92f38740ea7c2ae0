// Supervision: the targets by hand, weighted least squares by another route, weights of collapsed
// covariances, failures.

#include "pilqr/mdgps/s_step.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "pilqr/nn/network_policy.hpp"
#include "support/golden.hpp"
#include "support/linear_global_policy.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::LinearGlobalPolicy;
using test::Random;

constexpr int nx = 3;
constexpr int nu = 2;

/// Two conditions of different horizons and numbers of samples.
class SStep : public ::testing::Test {
 protected:
  SStep() {
    Random random(5);
    const std::pair<int, int> sizes[] = {{4, 6}, {3, 2}};  // T, N
    for (const auto& [T, N] : sizes) {
      policies.push_back(random.policy<Dynamic, Dynamic>(T, nx, nu));
      rollouts.emplace_back(T, N, nx, nu);
      for (int t = 0; t < T; ++t) rollouts.back().x[t] = random.matrix(nx, N);
    }
  }
  [[nodiscard]] std::vector<Lesson> lessons() const {
    return {{policies[0], rollouts[0]}, {policies[1], rollouts[1]}};
  }
  [[nodiscard]] SupervisionReport teach(LinearGlobalPolicy& global,
                                        const SupervisionOptions& options = {}) const {
    return s_step(global, lessons(), options, RandomStream({.seed = 1}));
  }

  std::vector<LinearGaussianPolicy<>> policies;
  std::vector<Rollouts<>> rollouts;
};

TEST_F(SStep, TargetsAreWhatTheLocalPoliciesDo) {
  const double floor = 0.1;
  const auto made = policy_targets(lessons(), {.variance_floor = floor});
  ASSERT_TRUE(made.ok()) << made.failure.message();
  const PolicyTargets& targets = made.targets;
  require_valid(targets);
  ASSERT_EQ(targets.x.cols(), 4 * 6 + 3 * 2);
  ASSERT_EQ(targets.precision.steps(), 4 + 3);
  VectorX variance = VectorX::Zero(nu);
  for (const auto& policy : policies) {
    for (int t = 0; t < policy.steps(); ++t) variance += policy.Sigma(t).diagonal() / 7.0;
  }
  int point = 0;
  int group = 0;
  for (std::size_t m = 0; m < 2; ++m) {
    for (int t = 0; t < policies[m].steps(); ++t, ++group) {
      MatrixX covariance = policies[m].Sigma(t);
      covariance.diagonal() += floor * variance;
      EXPECT_TRUE(close(targets.precision[group] * covariance, MatrixX::Identity(nu, nu), 1e-12));
      for (int i = 0; i < rollouts[m].samples(); ++i, ++point) {
        const VectorX x = rollouts[m].x[t].col(i);
        VectorX u(nu);
        policies[m].mean(t, x, u);
        EXPECT_EQ(targets.x.col(point), x);
        EXPECT_TRUE(close(targets.u.col(point), u, 1e-14));
        EXPECT_EQ(targets.group[static_cast<std::size_t>(point)], group);
      }
    }
  }
}

TEST_F(SStep, TheStatesOfTheTargetsAreWhatTheGlobalPolicySees) {
  Random random(7);
  std::vector<Lesson> seen = lessons();
  for (Lesson& lesson : seen) lesson.observation = {random.matrix(2, nx), random.vector(2)};
  seen[1].observation.H = {};
  const PolicyTargets targets = policy_targets(seen, {}).targets;
  const PolicyTargets plain = policy_targets(lessons(), {}).targets;
  ASSERT_EQ(targets.x.rows(), nx + 2);
  EXPECT_EQ(targets.x.topRows(nx), plain.x);
  EXPECT_EQ(targets.u, plain.u);
  for (int j = 0; j < targets.x.cols(); ++j) {
    const Observation& o = seen[j < 4 * 6 ? 0 : 1].observation;
    VectorX expected = o.h;
    if (o.H.size() > 0) expected += o.H * plain.x.col(j);
    EXPECT_TRUE(close(targets.x.col(j).tail(2), expected, 1e-15)) << j;
  }
}

/// All targets and the weighted least squares of them, densely, from the policies themselves.
struct Dense {
  MatrixX x, u;                    // nx x 30, nu x 30
  std::vector<MatrixX> precision;  // nu x nu, of each target
  MatrixX mean_precision = MatrixX::Zero(nu, nu);
  MatrixX theta;  // [A b]

  Dense(const std::vector<LinearGaussianPolicy<>>& policies,
        const std::vector<Rollouts<>>& rollouts)
      : x(nx, 30), u(nu, 30) {
    for (std::size_t m = 0; m < 2; ++m) {
      for (int t = 0; t < policies[m].steps(); ++t) {
        for (int i = 0; i < rollouts[m].samples(); ++i) {
          const auto j = static_cast<Eigen::Index>(precision.size());
          x.col(j) = rollouts[m].x[t].col(i);
          u.col(j) = policies[m].K[t] * x.col(j) + policies[m].k[t];
          precision.push_back(policies[m].Sigma(t).inverse());
          mean_precision += precision.back() / 30.0;
        }
      }
    }
    theta = test::dense_least_squares(x, u, precision);
  }
};

TEST_F(SStep, IsWeightedLeastSquares) {
  LinearGlobalPolicy global(nx, nu);
  const auto report = teach(global, {.variance_floor = 0.0});
  ASSERT_TRUE(report.ok()) << report.failure.message();
  const Dense dense(policies, rollouts);
  EXPECT_TRUE(close(global.A, dense.theta.leftCols(nx), 1e-10));
  EXPECT_TRUE(close(global.b, dense.theta.col(nx), 1e-10));
  EXPECT_TRUE(close(global.covariance() * dense.mean_precision, MatrixX::Identity(nu, nu), 1e-12));

  EXPECT_EQ(report.points, 30);
  double loss = 0.0;
  double before = 0.0;
  double squares = 0.0;
  for (Eigen::Index j = 0; j < 30; ++j) {
    const MatrixX& P = dense.precision[static_cast<std::size_t>(j)];
    const auto u = dense.u.col(j);
    const VectorX d = dense.theta.leftCols(nx) * dense.x.col(j) + dense.theta.col(nx) - u;
    loss += 0.5 * d.dot(P * d) / 30.0;
    before += 0.5 * u.dot(P * u) / 30.0;  // it began as zero
    squares += d.squaredNorm() / 60.0;
  }
  EXPECT_NEAR(report.loss, loss, 1e-10 * loss);
  EXPECT_NEAR(report.loss_before, before, 1e-10 * before);
  EXPECT_NEAR(report.error, std::sqrt(squares), 1e-10);
  EXPECT_LT(report.loss, report.loss_before);
}

// The same of a network without hidden layers, by Adam on all targets at once.
TEST_F(SStep, OfALinearNetworkIsWeightedLeastSquares) {
  NetworkTraining training{.steps = 20000, .batch = 30, .last_rate = 1e-8};
  training.adam = {.learning_rate = 0.03};
  RandomStream stream({.seed = 2});
  NetworkPolicy global({nx, {}, nu}, stream, training);
  const auto report = s_step(global, lessons(), {.variance_floor = 0.0}, RandomStream({.seed = 1}));
  ASSERT_TRUE(report.ok()) << report.failure.message();
  const Dense dense(policies, rollouts);
  MatrixX mean;
  global.mean(MatrixX::Zero(nx, 1), mean);
  const VectorX b = mean;
  global.mean(MatrixX::Identity(nx, nx), mean);
  EXPECT_TRUE(close(b, dense.theta.col(nx), 1e-7));
  EXPECT_TRUE(close(mean.colwise() - b, dense.theta.leftCols(nx), 1e-7));
  EXPECT_TRUE(close(global.covariance() * dense.mean_precision, MatrixX::Identity(nu, nu), 1e-12));
}

// Where all local policies are one, it is learnt exactly, and again training changes nothing.
TEST_F(SStep, LearnsOneLinearPolicyExactly) {
  for (auto& policy : policies) {
    for (int t = 0; t < policy.steps(); ++t) {
      policy.K[t] = policies[0].K[0];
      policy.k[t] = policies[0].k[0];
    }
  }
  LinearGlobalPolicy global(nx, nu);
  ASSERT_TRUE(teach(global).ok());
  EXPECT_TRUE(close(global.A, policies[0].K[0], 1e-11));
  EXPECT_TRUE(close(global.b, policies[0].k[0], 1e-11));
  const auto again = teach(global);
  EXPECT_LT(again.loss_before, 1e-20);
  EXPECT_LT(again.error, 1e-10);
}

// The unit of a control changes nothing but the unit of the result.
TEST_F(SStep, TheFloorDoesNotDependOnUnits) {
  LinearGlobalPolicy global(nx, nu);
  ASSERT_TRUE(teach(global).ok());
  const VectorX unit = (VectorX(nu) << 1000.0, 0.01).finished();
  for (auto& policy : policies) {
    for (int t = 0; t < policy.steps(); ++t) {
      policy.K[t] = (unit.asDiagonal() * policy.K[t]).eval();
      policy.k[t] = (unit.asDiagonal() * policy.k[t]).eval();
      policy.L[t] = (unit.asDiagonal() * policy.L[t]).eval();
    }
  }
  LinearGlobalPolicy scaled(nx, nu);
  ASSERT_TRUE(teach(scaled).ok());
  EXPECT_TRUE(close(scaled.A, unit.asDiagonal() * global.A, 1e-10));
  EXPECT_TRUE(close(scaled.covariance(),
                    unit.asDiagonal() * global.covariance() * unit.asDiagonal(), 1e-10));
}

// A covariance that has collapsed has a large weight, but a bounded one.
TEST_F(SStep, ACollapsedCovarianceHasABoundedWeight) {
  policies[1].L[2] *= 1e-150;
  const auto made = policy_targets(lessons(), {.variance_floor = 0.01});
  ASSERT_TRUE(made.ok());
  VectorX variance = VectorX::Zero(nu);
  for (const auto& policy : policies) {
    for (int t = 0; t < policy.steps(); ++t) variance += policy.Sigma(t).diagonal() / 7.0;
  }
  EXPECT_TRUE(close(made.targets.precision[6] * (0.01 * variance).asDiagonal(),
                    MatrixX::Identity(nu, nu), 1e-10));
  // Without the floor the weight is not a number.
  policies[1].L[2] *= 1e-150;
  const auto none = policy_targets(lessons(), {.variance_floor = 0.0});
  EXPECT_EQ(none.failure.kind, FailureKind::singular_covariance);
  EXPECT_EQ(none.failure.condition, 1);
  EXPECT_EQ(none.failure.step, 2);
  policies[1].L[2].diagonal().setConstant(1e-155);
  EXPECT_EQ(policy_targets(lessons(), {.variance_floor = 0.0}).failure.kind,
            FailureKind::non_finite_update);
}

TEST_F(SStep, FailuresLeaveTheGlobalPolicyAsItWas) {
  LinearGlobalPolicy global(nx, nu);
  ASSERT_TRUE(teach(global).ok());
  const MatrixX A = global.A;
  global.fail_at = 1;
  EXPECT_EQ(teach(global).failure.detail, "asked to fail");
  EXPECT_EQ(global.A, A);
  EXPECT_EQ(global.calls, 1);
  policies[0].k[1](0) = 1e308;
  policies[0].K[1].setConstant(1e308);
  const auto overflow = teach(global);
  EXPECT_EQ(overflow.failure.kind, FailureKind::non_finite_update);
  EXPECT_EQ(overflow.failure.condition, 0);
  EXPECT_EQ(overflow.failure.step, 1);
  EXPECT_EQ(overflow.points, 0);
  EXPECT_EQ(global.A, A);
}

/// Claims success with a covariance that is NaN.
struct Liar : LinearGlobalPolicy {
  using LinearGlobalPolicy::LinearGlobalPolicy;
  Failure train(const PolicyTargets& targets, RandomStream& stream) {
    const Failure failure = LinearGlobalPolicy::train(targets, stream);
    set_covariance(MatrixX::Constant(nu(), nu(), std::numeric_limits<double>::quiet_NaN()));
    return failure;
  }
};

TEST_F(SStep, NaNIsAFailureWhateverThePolicySays) {
  Liar global(nx, nu);
  const auto report = s_step(global, lessons(), {}, RandomStream({.seed = 1}));
  EXPECT_EQ(report.failure.kind, FailureKind::non_finite_update);
  EXPECT_EQ(global.A.norm(), 0.0);
  EXPECT_TRUE(global.covariance().allFinite());
}

TEST_F(SStep, MisuseThrows) {
  EXPECT_THROW((void)policy_targets({}, {}), InvalidArgument);
  for (const double bad : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THROW((void)policy_targets(lessons(), {.variance_floor = bad}), InvalidArgument);
  }
  EXPECT_THROW((void)policy_targets({{policies[0], rollouts[1]}}, {}), InvalidArgument);
  std::vector<Lesson> seen = lessons();
  seen[1].observation.h = VectorX::Ones(1);
  EXPECT_THROW((void)policy_targets(seen, {}), InvalidArgument);
  const auto wider = Random(6).policy<Dynamic, Dynamic>(3, nx, nu + 1);
  const Rollouts<> of_wider(3, 2, nx, nu + 1);
  EXPECT_THROW((void)policy_targets({{policies[0], rollouts[0]}, {wider, of_wider}}, {}),
               InvalidArgument);
}

}  // namespace
}  // namespace pilqr
