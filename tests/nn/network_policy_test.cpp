#include "pilqr/nn/network_policy.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

static_assert(GlobalPolicy<NetworkPolicy>);

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

RandomStream stream_of(std::uint32_t sample) {
  return RandomStream({.seed = 9, .sample = sample, .purpose = StreamPurpose::fit});
}

NetworkPolicy make_policy(const MlpShape& shape, const NetworkTraining& options = {}) {
  RandomStream stream = stream_of(0);
  return NetworkPolicy(shape, stream, options);
}

/// Noisy nonlinear targets with precisions that are far from diagonal and from each other.
PolicyTargets make_targets(int nx, int nu, int points, int groups, std::uint64_t seed = 1) {
  Random random(seed);
  PolicyTargets targets{random.matrix(nx, points),
                        random.matrix(nu, points),
                        Sequence<Dynamic, Dynamic>(groups, nu, nu),
                        {}};
  targets.x.row(0).array() += 3.0;
  for (int g = 0; g < groups; ++g) {
    targets.precision[g] = (g + 1) * random.positive_definite(nu, 0.05);
  }
  for (int j = 0; j < points; ++j) targets.group.push_back(j % groups);
  return targets;
}

MatrixX mean_of(const NetworkPolicy& policy, const MatrixX& x) {
  MatrixX u;
  policy.mean(x, u);
  return u;
}

/// Weighted least squares u ~ M [x; 1] by its normal equations in the entries of M.
MatrixX least_squares(const PolicyTargets& targets) {
  const int nx = rows(targets.x);
  const int nu = rows(targets.u);
  const int n = nu * (nx + 1);
  MatrixX A = MatrixX::Zero(n, n);
  VectorX b = VectorX::Zero(n);
  for (int j = 0; j < cols(targets.x); ++j) {
    MatrixX J = MatrixX::Zero(nu, n);  // u = J vec(M)
    for (int i = 0; i <= nx; ++i) {
      J.middleCols(i * nu, nu).diagonal().setConstant(i < nx ? targets.x(i, j) : 1.0);
    }
    const MatrixX P = targets.precision[targets.group[static_cast<std::size_t>(j)]];
    A += J.transpose() * P * J;
    b += J.transpose() * P * targets.u.col(j);
  }
  return A.ldlt().solve(b).reshaped(nu, nx + 1);
}

TEST(NetworkPolicy, MeanWithAWorkspaceIsTheSame) {
  Random random(21);
  const NetworkPolicy policy = make_policy({5, {7, 6}, 3});
  const NetworkPolicy wider = make_policy({8, {3}, 2});
  NetworkPolicy::Workspace workspace;
  MatrixX u;
  for (const int points : {3, 1, 600, 256, 257, 1, 2}) {
    for (const NetworkPolicy* p : {&policy, &wider}) {  // and other sizes in between
      const MatrixX x = random.matrix(p->nx(), points);
      p->mean(x, u, workspace);
      EXPECT_EQ(u, mean_of(*p, x)) << points << " points";
    }
  }
  EXPECT_THROW(policy.mean(MatrixX::Zero(4, 2), u, workspace), InvalidArgument);
  EXPECT_THROW(policy.mean(MatrixX::Zero(5, 0), u, workspace), InvalidArgument);
}

// With all points in every batch and a learning rate that decays to nothing.
TEST(NetworkPolicy, ALinearNetworkLearnsTheWeightedLeastSquaresSolution) {
  NetworkTraining options{.steps = 12000, .batch = 1000, .last_rate = 1e-8};
  options.adam = {.learning_rate = 0.03};        // without decay
  for (const double scale : {1.0, 1e-6, 1e8}) {  // of all precisions: changes nothing
    PolicyTargets targets = make_targets(3, 2, 60, 2);
    // Very different precisions along directions that are no axis: a diagonal would be far off.
    const MatrixX turn = Eigen::Rotation2Dd(0.6).toRotationMatrix();
    targets.precision[0] =
        scale * turn * VectorX(Eigen::Vector2d(10.0, 0.2)).asDiagonal() * turn.transpose();
    targets.precision[1] = scale * (MatrixX(2, 2) << 2.0, 1.2, 1.2, 1.0).finished();
    const MatrixX M = least_squares(targets);
    NetworkPolicy policy = make_policy({3, {}, 2}, options);
    RandomStream stream = stream_of(1);
    ASSERT_TRUE(policy.train(targets, stream).ok());
    const MatrixX expected = (M.leftCols(3) * targets.x).colwise() + M.col(3);
    EXPECT_LE((mean_of(policy, targets.x) - expected).cwiseAbs().maxCoeff(), 1e-7) << scale;

    // The oracle itself depends on what is off the diagonals, so the equality above says something.
    PolicyTargets diagonal = targets;
    for (int g = 0; g < 2; ++g) {
      diagonal.precision[g] = VectorX(targets.precision[g].diagonal()).asDiagonal();
    }
    EXPECT_GT((least_squares(diagonal) - M).norm(), 0.01);
  }
}

TEST(NetworkPolicy, CovarianceIsTheInverseOfTheMeanPrecision) {
  for (const int nu : {1, 2, 7}) {
    const PolicyTargets targets = make_targets(2, nu, 10, 3);  // groups of 4, 3 and 3 points
    MatrixX mean = MatrixX::Zero(nu, nu);
    for (const int group : targets.group) mean += targets.precision[group] / 10.0;
    const MatrixX expected = mean.inverse();
    NetworkPolicy policy = make_policy({2, {3}, nu}, {.steps = 1});
    EXPECT_EQ(policy.covariance(), MatrixX::Identity(nu, nu));
    RandomStream stream = stream_of(1);
    ASSERT_TRUE(policy.train(targets, stream).ok());
    EXPECT_LE((policy.covariance() - expected).norm(), 1e-12 * expected.norm());
    EXPECT_TRUE(policy.covariance_factor().isLowerTriangular(0.0));
    EXPECT_GT(policy.covariance_factor().diagonal().minCoeff(), 0.0);
  }
}

TEST(NetworkPolicy, LearnsASine) {
  constexpr int P = 400;
  PolicyTargets targets{MatrixX(1, P), MatrixX(2, P), Sequence<Dynamic, Dynamic>(1, 2, 2),
                        std::vector<int>(P, 0)};
  targets.x.row(0).setLinSpaced(P, -3.0, 3.0);
  targets.u.row(0) = targets.x.array().sin();
  targets.u.row(1) = (2.0 * targets.x.array()).cos();
  targets.precision[0] = 1e4 * MatrixX::Identity(2, 2);
  for (const Activation activation : {Activation::tanh, Activation::relu}) {
    NetworkPolicy policy = make_policy({1, {40, 40}, 2, activation});
    EXPECT_LE(mean_of(policy, targets.x).cwiseAbs().maxCoeff(), 0.02);  // begins near zero
    policy.set_options({.adam = {.learning_rate = 3e-3}});
    RandomStream stream = stream_of(1);
    ASSERT_TRUE(policy.train(targets, stream).ok());
    EXPECT_LE((mean_of(policy, targets.x) - targets.u).cwiseAbs().maxCoeff(), 0.05);
    MatrixX between(1, 50);
    between.row(0).setLinSpaced(50, -2.9, 2.9);
    EXPECT_LE(
        (mean_of(policy, between).row(0) - MatrixX(between.array().sin())).cwiseAbs().maxCoeff(),
        0.05);
  }
}

TEST(NetworkPolicy, TrainingDependsOnTheStreamOnly) {
  const PolicyTargets targets = make_targets(3, 2, 70, 4);
  const NetworkPolicy start = make_policy({3, {8}, 2}, {.steps = 50});
  const auto trained = [&](std::uint32_t sample) {
    NetworkPolicy policy = start;
    RandomStream stream = stream_of(sample);
    EXPECT_TRUE(policy.train(targets, stream).ok());
    return policy;
  };
  EXPECT_EQ(trained(1), trained(1));
  EXPECT_FALSE(trained(1) == trained(2));
  EXPECT_EQ(start, make_policy({3, {8}, 2}));  // copies are independent
}

// Metamorphic: a common factor in the precisions is none in the mean and divides the covariance.
TEST(NetworkPolicy, AFactorInThePrecisionsOnlyDividesTheCovariance) {
  PolicyTargets targets = make_targets(3, 2, 70, 4);
  NetworkPolicy a = make_policy({3, {8}, 2}, {.steps = 50});
  NetworkPolicy b = a;
  RandomStream stream = stream_of(1);
  RandomStream same = stream_of(1);
  ASSERT_TRUE(a.train(targets, stream).ok());
  for (int g = 0; g < 4; ++g) targets.precision[g] *= 1024.0;  // exact
  ASSERT_TRUE(b.train(targets, same).ok());
  EXPECT_EQ(a.network(), b.network());
  EXPECT_LE((a.covariance() - 1024.0 * b.covariance()).norm(), 1e-13 * a.covariance().norm());
}

TEST(NetworkPolicy, NormalisationComesFromTheFirstDataAndStays) {
  const PolicyTargets first = make_targets(3, 2, 40, 1, 1);
  PolicyTargets second = make_targets(3, 2, 40, 1, 2);
  second.x.array() += 10.0;
  NetworkPolicy policy = make_policy({3, {4}, 2}, {.steps = 5});
  EXPECT_FALSE(policy.normalised());
  EXPECT_EQ(policy.normalisation(), no_normalisation(3));
  RandomStream stream = stream_of(1);
  ASSERT_TRUE(policy.train(first, stream).ok());
  EXPECT_TRUE(policy.normalised());
  EXPECT_EQ(policy.normalisation(), fit_normalisation(first.x));
  ASSERT_TRUE(policy.train(second, stream).ok());
  EXPECT_EQ(policy.normalisation(), fit_normalisation(first.x));
}

TEST(NetworkPolicy, MeanIsTheNetworkOfTheNormalisedState) {
  Random random(5);
  NetworkPolicy policy = make_policy({3, {6}, 2});
  policy.set_normalisation({random.vector(3), (VectorX(3) << 0.5, 2.0, 7.0).finished()});
  const MatrixX x = random.matrix(3, 600);  // in several blocks
  const MatrixX u = mean_of(policy, x);
  ASSERT_EQ(cols(u), 600);
  const Mlp& net = policy.network();
  for (int j = 0; j < 600; ++j) {
    const VectorX z =
        (x.col(j) - policy.normalisation().mean).cwiseQuotient(policy.normalisation().scale);
    const VectorX h = (net.weight(0) * z + net.bias(0)).array().tanh();
    EXPECT_LE((u.col(j) - net.weight(1) * h - net.bias(1)).cwiseAbs().maxCoeff(), 1e-15);
  }
}

template <int Nx, int Nu>
void check_act() {
  Random random(6);
  NetworkPolicy policy = make_policy({3, {6}, 2});
  policy.set_covariance_factor((MatrixX(2, 2) << 0.5, 0.0, -2.0, 3.0).finished());
  const Vector<Nx> x = random.vector(3);
  const Vector<Nu> xi = random.vector(2);
  Vector<Nu> u(2);
  policy.act(4, x, xi, u);
  const MatrixX mean = mean_of(policy, x);
  const VectorX expected = mean + policy.covariance_factor() * xi;
  EXPECT_LE((u - expected).cwiseAbs().maxCoeff(), 1e-15);
  EXPECT_LE((policy.covariance() - (MatrixX(2, 2) << 0.25, -1.0, -1.0, 13.0).finished()).norm(),
            1e-15);
  policy.act(0, x, Vector<Nu>(Vector<Nu>::Zero(2)), u);
  EXPECT_EQ(MatrixX(u), mean);
}

TEST(NetworkPolicy, ActsAsWritten) {
  check_act<3, 2>();
  check_act<Dynamic, Dynamic>();
  check_act<3, Dynamic>();
}

TEST(NetworkPolicy, LimitsClipControlsAndNotTheMean) {
  NetworkPolicy policy = make_policy({3, {6}, 3});
  const VectorX x = VectorX::Ones(3);
  const MatrixX mean = mean_of(policy, x);
  policy.set_limits((VectorX(3) << -1.0, -infinity, -infinity).finished(),
                    (VectorX(3) << infinity, 1.0, infinity).finished());
  EXPECT_EQ(mean_of(policy, x), mean);
  VectorX u(3);
  policy.act(0, x, VectorX::Constant(3, 5.0), u);
  EXPECT_EQ(u(1), 1.0);
  EXPECT_NEAR(u(0), mean(0) + 5.0, 1e-14);
  EXPECT_NEAR(u(2), mean(2) + 5.0, 1e-14);
  policy.act(0, x, VectorX::Constant(3, -5.0), u);
  EXPECT_EQ(u(0), -1.0);
  EXPECT_NEAR(u(1), mean(1) - 5.0, 1e-14);
  EXPECT_NEAR(u(2), mean(2) - 5.0, 1e-14);
  policy.act(0, VectorX::Constant(3, nan), VectorX::Zero(3), u);
  EXPECT_TRUE(u.array().isNaN().all());
}

TEST(NetworkPolicy, AFailureLeavesEverythingAsItWas) {
  const PolicyTargets good = make_targets(3, 2, 40, 2);
  NetworkPolicy policy = make_policy({3, {4}, 2}, {.steps = 20});
  RandomStream stream = stream_of(1);
  const auto expect_failure = [&](const PolicyTargets& targets, FailureKind kind) {
    const NetworkPolicy before = policy;
    const Failure failure = policy.train(targets, stream);
    EXPECT_EQ(failure.kind, kind) << failure.message();
    EXPECT_FALSE(failure.detail.empty());
    EXPECT_EQ(policy, before);
    EXPECT_EQ(mean_of(policy, good.x), mean_of(before, good.x));
  };
  for (int i = 0; i < 2; ++i) {  // before the first training and after it
    PolicyTargets bad = good;
    bad.precision[1](1, 1) = -1.0;
    expect_failure(bad, FailureKind::singular_covariance);
    bad = good;
    bad.precision[0].setZero();
    expect_failure(bad, FailureKind::singular_covariance);
    bad = good;
    bad.precision[0] = 1.5e308 * MatrixX::Identity(2, 2);  // finite, the trace is not
    bad.precision[1] = bad.precision[0];
    expect_failure(bad, FailureKind::singular_covariance);
    bad = good;
    bad.u(1, 7) = 1e300;  // finite, its square is not
    policy.set_options({.steps = 20, .batch = 1000});
    expect_failure(bad, FailureKind::non_finite_update);
    policy.set_options({.steps = 20, .adam = {.learning_rate = 1e200}});  // diverges
    expect_failure(good, FailureKind::non_finite_update);
    policy.set_options({.steps = 20});
    ASSERT_TRUE(policy.train(good, stream).ok());
  }
}

TEST(NetworkPolicy, FewPointsAndOneStep) {
  for (const int points : {1, 2, 25, 26}) {
    const PolicyTargets targets = make_targets(1, 1, points, 1);
    for (const int steps : {1, 30}) {
      NetworkPolicy policy = make_policy({1, {2}, 1}, {.steps = steps});
      RandomStream stream = stream_of(1);
      EXPECT_TRUE(policy.train(targets, stream).ok());
      EXPECT_FALSE(policy.network() == make_policy({1, {2}, 1}).network());
    }
  }
}

TEST(NetworkPolicy, Misuse) {
  for (const NetworkTraining& options :
       {NetworkTraining{.steps = 0}, NetworkTraining{.batch = 0}, NetworkTraining{.last_rate = 0.0},
        NetworkTraining{.last_rate = 1.5}, NetworkTraining{.last_rate = nan},
        NetworkTraining{.adam = {.learning_rate = -1.0}},
        NetworkTraining{.normalisation = {.least_scale = 0.0}}}) {
    EXPECT_THROW(make_policy({1, {}, 1}, options), InvalidArgument);
    EXPECT_THROW(make_policy({1, {}, 1}).set_options(options), InvalidArgument);
  }
  NetworkPolicy policy = make_policy({3, {4}, 2});
  const NetworkPolicy before = policy;
  RandomStream stream = stream_of(1);
  EXPECT_THROW((void)policy.train(make_targets(2, 2, 5, 1), stream), InvalidArgument);
  EXPECT_THROW((void)policy.train(make_targets(3, 1, 5, 1), stream), InvalidArgument);
  PolicyTargets bad = make_targets(3, 2, 5, 1);
  bad.x(0, 0) = nan;
  EXPECT_THROW((void)policy.train(bad, stream), InvalidArgument);
  MatrixX u;
  EXPECT_THROW(policy.mean(MatrixX::Zero(2, 4), u), InvalidArgument);
  EXPECT_THROW(policy.mean(MatrixX(3, 0), u), InvalidArgument);
  VectorX control(2);
  EXPECT_THROW(policy.act(0, VectorX(VectorX::Zero(4)), control, control), InvalidArgument);
  EXPECT_THROW(policy.set_normalisation(no_normalisation(2)), InvalidArgument);
  EXPECT_THROW(policy.set_covariance_factor(MatrixX::Identity(3, 3)), InvalidArgument);
  EXPECT_THROW(policy.set_covariance_factor(MatrixX::Ones(2, 2)), InvalidArgument);
  EXPECT_THROW(policy.set_covariance_factor(-MatrixX::Identity(2, 2)), InvalidArgument);
  EXPECT_THROW(policy.set_covariance_factor(MatrixX::Constant(2, 2, nan)), InvalidArgument);
  EXPECT_THROW(policy.set_limits(VectorX::Zero(2), VectorX::Zero(2)), InvalidArgument);
  EXPECT_THROW(policy.set_limits(VectorX::Zero(1), VectorX::Ones(1)), InvalidArgument);
  EXPECT_THROW(policy.set_limits(VectorX::Constant(2, nan), VectorX::Ones(2)), InvalidArgument);
  EXPECT_EQ(policy, before);
}

}  // namespace
}  // namespace pilqr
