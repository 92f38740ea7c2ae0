#include "pilqr/fit/gmm_prior.hpp"

#include <gtest/gtest.h>

#include <array>

#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

std::vector<int> batch_sizes(const GmmPrior& prior) {
  std::vector<int> sizes;
  for (const MatrixX& batch : prior.history()) sizes.push_back(cols(batch));
  return sizes;
}

TEST(Transitions, StandByStepAndSample) {
  Random random(1);
  Rollouts<3, Dynamic> rollouts(4, 5, 3, 2);
  for (int t = 0; t < 4; ++t) {
    rollouts.x[t] = random.matrix(3, 5);
    rollouts.u[t] = random.matrix(2, 5);
  }
  const MatrixX points = transitions(rollouts);
  ASSERT_EQ(rows(points), 8);
  ASSERT_EQ(cols(points), 15);
  for (int t = 0; t < 3; ++t) {
    for (int i = 0; i < 5; ++i) {
      VectorX z(8);
      z << rollouts.x[t].col(i), rollouts.u[t].col(i), rollouts.x[t + 1].col(i);
      EXPECT_EQ(points.col(5 * t + i), z);
    }
  }
  EXPECT_THROW((void)transitions(Rollouts<>(1, 5, 3, 2)), InvalidArgument);
  EXPECT_THROW((void)transitions(rollouts, 0), InvalidArgument);

  EXPECT_EQ(transitions(rollouts, 15), points);
  GmmPrior bounded({.max_points = 7});
  RandomStream stream({});
  ASSERT_TRUE(bounded.update(rollouts, stream).ok());
  EXPECT_EQ(batch_sizes(bounded), std::vector<int>{7});

  GmmPrior from_rollouts;
  GmmPrior from_points;
  RandomStream a({});
  RandomStream b({});
  ASSERT_TRUE(from_rollouts.update(rollouts, a).ok());
  ASSERT_TRUE(from_points.update(points, b).ok());
  EXPECT_EQ(from_rollouts.mixture().parameters().means, from_points.mixture().parameters().means);
  EXPECT_EQ(from_rollouts.history().front(), points);
}

// Every sample's x is its number, every step's u its own: each of both is there as often as any
// other, in particular even and odd samples, which antithetic noise pairs.
TEST(Transitions, ThinnedEvenly) {
  for (const auto& [T, N, most] :
       {std::array{101, 20, 100}, {101, 20, 1000}, {11, 8, 79}, {4, 5, 1}, {31, 100, 900}}) {
    Rollouts<> rollouts(T, N, 1, 1);
    for (int t = 0; t < T; ++t) {
      rollouts.x[t].row(0) = VectorX::LinSpaced(N, 0.0, N - 1.0).transpose();
      rollouts.u[t].setConstant(t);
    }
    const MatrixX points = transitions(rollouts, most);
    ASSERT_EQ(cols(points), most);
    MatrixX seen = MatrixX::Zero(N, T - 1);
    for (int p = 0; p < most; ++p) {
      seen(static_cast<int>(points(0, p)), static_cast<int>(points(1, p))) += 1.0;
    }
    EXPECT_LE(seen.maxCoeff(), 1.0);  // no transition twice
    const VectorX samples = seen.rowwise().sum();
    const VectorX steps = seen.colwise().sum();
    EXPECT_LE(samples.maxCoeff() - samples.minCoeff(), 1.0) << T << " " << N << " " << most;
    EXPECT_LE(steps.maxCoeff() - steps.minCoeff(), 1.0) << T << " " << N << " " << most;
  }
}

TEST(GmmPrior, HistoryHoldsWholeBatchesUpToTheBound) {
  Random random(2);
  GmmPrior prior({.max_points = 100});
  RandomStream stream({});
  const auto add = [&](int n) {
    const MatrixX points = random.matrix(2, n);
    EXPECT_TRUE(prior.update(points, stream).ok());
    EXPECT_EQ(prior.history().back(), points);
    int total = 0;
    for (const int size : batch_sizes(prior)) total += size;
    EXPECT_EQ(prior.mixture().points(), total);
    return batch_sizes(prior);
  };
  using Sizes = std::vector<int>;
  EXPECT_EQ(add(40), (Sizes{40}));
  EXPECT_EQ(add(30), (Sizes{40, 30}));
  EXPECT_EQ(add(30), (Sizes{40, 30, 30}));  // exactly the bound: nothing is dropped
  EXPECT_EQ(add(1), (Sizes{30, 30, 1}));    // one more: the whole oldest batch goes
  EXPECT_EQ(add(39), (Sizes{30, 30, 1, 39}));
  EXPECT_EQ(add(70), (Sizes{70}));
  EXPECT_EQ(add(100), (Sizes{100}));
  EXPECT_EQ(add(150), (Sizes{150}));  // one batch above the bound stays whole
  EXPECT_EQ(add(10), (Sizes{10}));
}

TEST(GmmPrior, HistoryOfOneBatch) {
  Random random(3);
  GmmPrior prior({.max_points = 1});
  RandomStream stream({});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(prior.update(random.matrix(3, 60), stream).ok());
    EXPECT_EQ(batch_sizes(prior), std::vector<int>{60});
  }
}

TEST(GmmPrior, ClustersFollowThePoints) {
  Random random(4);
  for (const auto& [points, clusters] :
       {std::pair{3, 2}, {79, 2}, {80, 2}, {119, 2}, {120, 3}, {240, 6}, {1000, 6}}) {
    GmmPrior prior({.max_clusters = 6});
    RandomStream stream({});
    ASSERT_TRUE(prior.update(random.matrix(2, points), stream).ok());
    EXPECT_EQ(prior.mixture().clusters(), clusters) << points;
  }
}

TEST(GmmPrior, WarmStartsWhileTheNumberOfClustersStays) {
  Random random(5);
  GmmPrior prior({.max_clusters = 3});
  RandomStream stream({});
  EXPECT_FALSE(prior.update(random.matrix(2, 80), stream).warm_started);
  EXPECT_FALSE(prior.update(random.matrix(2, 80), stream).warm_started);  // 2 -> 3 clusters
  EXPECT_TRUE(prior.update(random.matrix(2, 80), stream).warm_started);
}

TEST(GmmPrior, StrengthScalesTheGoldenPrior) {
  const auto json = golden::load("c_gmm_small");
  const auto& in = json.at("inputs");
  const auto& out = json.at("outputs");
  GmmParameters p;
  p.log_weights = golden::vector(in.at("mass")).array().log();
  p.means = golden::matrix(in.at("mu")).transpose();
  p.covariances = golden::sequence<Dynamic, Dynamic>(in.at("sigma"));
  p.points = 60;
  const MatrixX data = golden::matrix(in.at("data")).transpose();
  for (const double strength : {0.0, 0.25, 1.0, 3.0}) {
    GmmPrior prior({.strength = strength, .warm_iterations = 0});
    prior.restore({data}, Gmm(p), {});
    const auto niw = prior.at(golden::matrix(in.at("pts")).transpose());
    EXPECT_TRUE(golden::close(niw.mu0, golden::vector(out.at("inference_mu0")), 1e-9));
    EXPECT_TRUE(
        golden::close(niw.Phi, strength * golden::matrix(out.at("inference_Phi")), 1e-9, 1.0));
    EXPECT_DOUBLE_EQ(niw.m, strength);
    EXPECT_DOUBLE_EQ(niw.n0, strength * out.at("inference_n0").get<double>());
  }
}

TEST(GmmPrior, PicksTheClusterOfTheStep) {
  // Two regimes of a linear system: the prior at points of one regime is that regime's joint
  // Gaussian, so that five points of three entries give its slope.
  Random random(6);
  MatrixX points(3, 800);
  for (int j = 0; j < 800; ++j) {
    const double x = random.normal() + (j < 400 ? 0.0 : 50.0);
    const double u = random.normal();
    points.col(j) << x, u, (j < 400 ? 2.0 : -3.0) * x + u + 0.01 * random.normal();
  }
  GmmPrior prior({.max_clusters = 2, .strength = 20.0});
  RandomStream stream({});
  ASSERT_TRUE(prior.update(points, stream).ok());
  for (const auto& [first, slope] : {std::pair{0, 2.0}, {400, -3.0}}) {
    const MatrixX step = points.middleCols(first, 2);  // alone: fewer points than entries
    VectorX mean;
    MatrixX covariance;
    MatrixX work;
    moments(step, mean, covariance, work);
    posterior_covariance_in_place(prior.at(step), 2, mean, covariance);
    MatrixX F;
    VectorX f;
    MatrixX W;
    ASSERT_TRUE(condition(mean, covariance, 2, F, f, W));
    EXPECT_NEAR(F(0, 0), slope, 0.02);
    EXPECT_NEAR(F(0, 1), 1.0, 0.02);
  }
}

TEST(GmmPrior, VeryFewPointsStayUsable) {
  Random random(7);
  for (const MatrixX& points :
       {MatrixX(random.matrix(5, 1)), MatrixX(random.matrix(5, 2)), MatrixX(random.matrix(5, 4)),
        MatrixX(MatrixX::Constant(5, 30, 0.1))}) {
    GmmPrior prior;
    RandomStream stream({});
    for (int i = 0; i < 3; ++i) {  // the same points again: also with a warm start
      const GmmFit fit = prior.update(points, stream);
      ASSERT_TRUE(fit.ok()) << fit.failure.message();
    }
    const NormalInverseWishart niw = prior.at(points);
    EXPECT_NO_THROW(require_valid(niw, 5));
    MatrixX covariance = MatrixX::Zero(5, 5);
    posterior_covariance_in_place(niw, 1.0, niw.mu0, covariance);
    EXPECT_TRUE(cholesky_in_place(covariance));
  }
}

TEST(GmmPrior, RestoredContinuesBitForBit) {
  Random random(8);
  GmmPrior prior({.max_points = 500});
  RandomStream stream({.seed = 3});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(prior.update(random.matrix(3, 200), stream).ok());
  GmmPrior restored(prior.options());
  restored.restore(prior.history(), Gmm(prior.mixture().parameters()), prior.statistics());
  const MatrixX next = random.matrix(3, 200);
  RandomStream copy = stream;
  EXPECT_TRUE(prior.update(next, stream).warm_started);
  ASSERT_TRUE(restored.update(next, copy).ok());
  EXPECT_EQ(restored.statistics(), prior.statistics());
  EXPECT_EQ(prior.at(next.leftCols(7)).Phi, restored.at(next.leftCols(7)).Phi);
  const Gmm mixture(prior.mixture().parameters());
  EXPECT_THROW(restored.restore({next}, mixture, {prior.statistics()[1]}), InvalidArgument);
  EXPECT_THROW(restored.restore({MatrixX::Zero(2, 400)}, mixture, prior.statistics()),
               InvalidArgument);
}

TEST(GmmPrior, FailureChangesNothingAndMisuseThrows) {
  Random random(9);
  GmmPrior prior;
  RandomStream stream({});
  EXPECT_THROW((void)prior.at(random.matrix(3, 5)), InvalidArgument);
  ASSERT_TRUE(prior.update(random.matrix(3, 50), stream).ok());
  const MatrixX means = prior.mixture().parameters().means;
  MatrixX broken = random.matrix(3, 50);
  broken(0, 49) = std::nan("");
  EXPECT_EQ(prior.update(broken, stream).failure.kind, FailureKind::non_finite_state);
  EXPECT_EQ(batch_sizes(prior), std::vector<int>{50});
  EXPECT_EQ(prior.mixture().parameters().means, means);
  EXPECT_THROW((void)prior.update(random.matrix(4, 50), stream), InvalidArgument);
  EXPECT_THROW((void)prior.update(MatrixX(3, 0), stream), InvalidArgument);
  EXPECT_THROW((void)prior.at(MatrixX(3, 0)), InvalidArgument);
  EXPECT_THROW((void)prior.at(random.matrix(2, 5)), InvalidArgument);
  EXPECT_THROW(GmmPrior({.max_clusters = 1}), InvalidArgument);
  EXPECT_THROW(GmmPrior({.min_points_per_cluster = 0}), InvalidArgument);
  EXPECT_THROW(GmmPrior({.max_points = 0}), InvalidArgument);
  EXPECT_THROW(GmmPrior({.strength = -1.0}), InvalidArgument);
  EXPECT_THROW(GmmPrior({.em = {.tolerance = -1.0}}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
