#include <gtest/gtest.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "pilqr/fit/gmm.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// P points around K well separated centres, all of one covariance; point j belongs to j % K.
struct Blobs {
  MatrixX centres;
  MatrixX points;
};

Blobs blobs(Random& random, int D, int K, int P, double spread = 1.0) {
  Blobs b{20.0 * random.matrix(D, K), random.matrix(D, P)};
  b.points *= spread;
  for (int j = 0; j < P; ++j) b.points.col(j) += b.centres.col(j % K);
  return b;
}

bool same(const Gmm& a, const Gmm& b) {
  return a.parameters().means == b.parameters().means &&
         a.parameters().log_weights == b.parameters().log_weights &&
         a.parameters().covariances == b.parameters().covariances && a.points() == b.points();
}

TEST(LikelihoodConvergence, IsRelativeAndWorksForNegativeLikelihoods) {
  EXPECT_TRUE(likelihood_converged(-1000.0, -999.0, 1e-2));
  EXPECT_FALSE(likelihood_converged(-1000.0, -900.0, 1e-2));
  EXPECT_TRUE(likelihood_converged(999.0, 1000.0, 1e-2));
  EXPECT_FALSE(likelihood_converged(900.0, 1000.0, 1e-2));
  EXPECT_FALSE(likelihood_converged(-1000.0, -1100.0, 1e-2));
  EXPECT_TRUE(likelihood_converged(0.0, 0.0, 0.0));
  EXPECT_FALSE(likelihood_converged(0.0, std::nan(""), 1e-2));
}

TEST(GmmFit, RecoversAKnownMixture) {
  Random random(1);
  for (const int K : {2, 5}) {
    const int P = 1000 * K;
    const Blobs b = blobs(random, 4, K, P);
    Gmm mixture;
    RandomStream stream({.seed = 7, .purpose = StreamPurpose::fit});
    const GmmFit fit = mixture.fit(b.points, K, {}, stream);
    ASSERT_TRUE(fit.ok()) << fit.failure.message();
    EXPECT_EQ(fit.status, GmmStatus::converged);
    EXPECT_EQ(static_cast<int>(fit.log_likelihoods.size()), fit.iterations + 1);
    for (int k = 0; k < K; ++k) {
      Eigen::Index nearest = 0;
      const double error = (mixture.parameters().means.colwise() - b.centres.col(k))
                               .colwise()
                               .norm()
                               .minCoeff(&nearest);
      EXPECT_LT(error, 0.25);
      EXPECT_NEAR(std::exp(mixture.parameters().log_weights(nearest)), 1.0 / K, 0.01);
      EXPECT_TRUE(golden::close(mixture.parameters().covariances[static_cast<int>(nearest)],
                                MatrixX::Identity(4, 4), 0.2));
    }
  }
}

TEST(GmmFit, LikelihoodNeverFalls) {
  // Random problems, also badly scaled; the ridge is far below every variance.
  Random random(2);
  int checked = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const int D = 1 + trial % 6;
    const int K = 1 + trial % 5;
    const int P = 40 * K + 20 * D;
    MatrixX points = blobs(random, D, K, P, 8.0).points;
    if (trial % 3 == 1) {
      for (int i = 0; i < D; ++i) points.row(i) *= std::pow(10.0, random.uniform(-4.0, 4.0));
    }
    if (trial % 3 == 2) points.array() += 1e5;
    Gmm mixture;
    RandomStream stream({.seed = 3, .sample = static_cast<std::uint32_t>(trial)});
    const GmmFit fit =
        mixture.fit(points, K, {.max_iterations = 50, .tolerance = 0.0, .ridge = 1e-16}, stream);
    ASSERT_TRUE(fit.ok()) << fit.failure.message();
    if (fit.reseeded > 0) continue;
    ++checked;
    for (std::size_t i = 1; i < fit.log_likelihoods.size(); ++i) {
      EXPECT_GE(fit.log_likelihoods[i],
                fit.log_likelihoods[i - 1] - 1e-7 * std::abs(fit.log_likelihoods[i]))
          << "trial " << trial << " iteration " << i;
    }
    EXPECT_NEAR(mixture.log_likelihood(points), fit.log_likelihoods.back(),
                1e-9 * std::abs(fit.log_likelihoods.back()));
  }
  EXPECT_GE(checked, 50);
}

TEST(GmmFit, EmStepDoesNotDependOnTheOrderOfPoints) {
  Random random(3);
  const MatrixX points = blobs(random, 3, 3, 600, 6.0).points;  // more than one block
  std::vector<int> assignment(600);
  for (int j = 0; j < 600; ++j) assignment[static_cast<std::size_t>(j)] = j % 3;
  Gmm forward = Gmm::from_assignment(points, assignment, 3, 1e-6);
  Gmm backward = forward;
  const MatrixX reversed = points.rowwise().reverse();
  RandomStream stream({});
  GmmWorkspace workspace;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(forward.em_step(points, {}, stream, workspace).failure.ok());
    ASSERT_TRUE(backward.em_step(reversed, {}, stream, workspace).failure.ok());
  }
  EXPECT_TRUE(golden::close(backward.parameters().means, forward.parameters().means, 1e-11));
  EXPECT_TRUE(
      golden::close(backward.parameters().covariances, forward.parameters().covariances, 1e-11));
}

TEST(GmmFit, EmStepAgreesWithWeightedMoments) {
  Random random(4);
  for (const int P : {3, 255, 256, 257, 513}) {  // around the size of a block
    const MatrixX points = blobs(random, 2, 2, P, 10.0).points;
    std::vector<int> assignment(static_cast<std::size_t>(P));
    for (int j = 0; j < P; ++j) assignment[static_cast<std::size_t>(j)] = j % 2;
    Gmm mixture = Gmm::from_assignment(points, assignment, 2, 1e-6);
    const MatrixX r = mixture.responsibilities(points);
    RandomStream stream({});
    GmmWorkspace workspace;
    ASSERT_TRUE(mixture.em_step(points, {.ridge = 1e-3}, stream, workspace).failure.ok());
    for (int k = 0; k < 2; ++k) {
      VectorX mean;
      MatrixX covariance;
      MatrixX work;
      weighted_moments(points, r.row(k).transpose(), mean, covariance, work);
      covariance.diagonal().array() += 1e-3;
      EXPECT_TRUE(golden::close(mixture.parameters().means.col(k), mean, 1e-12)) << P;
      EXPECT_TRUE(golden::close(mixture.parameters().covariances[k], covariance, 1e-12)) << P;
      EXPECT_NEAR(std::exp(mixture.parameters().log_weights(k)), r.row(k).mean(), 1e-13) << P;
    }
  }
}

TEST(GmmFit, OneClusterIsTheMomentsOfThePoints) {
  Random random(5);
  const MatrixX points = random.matrix(6, 50);
  Gmm mixture;
  RandomStream stream({});
  ASSERT_TRUE(mixture.fit(points, 1, {.ridge = 1e-6}, stream).ok());
  VectorX mean;
  MatrixX covariance;
  MatrixX work;
  moments(points, mean, covariance, work);
  covariance.diagonal().array() += 1e-6;
  EXPECT_TRUE(golden::close(mixture.parameters().means.col(0), mean, 1e-13));
  EXPECT_TRUE(golden::close(mixture.parameters().covariances[0], covariance, 1e-13));
  EXPECT_NEAR(mixture.parameters().log_weights(0), 0.0, 1e-14);
  const NormalInverseWishart prior = mixture.moment_matched(Vector<1>(1.0));
  EXPECT_TRUE(golden::close(prior.Phi, covariance, 1e-13));
  EXPECT_DOUBLE_EQ(prior.n0, 42.0 / 50.0);
}

TEST(GmmFit, IdenticalPointsGiveOneClusterOfTheRidge) {
  for (const int P : {1, 2, 50}) {
    const MatrixX points = MatrixX::Constant(4, P, 1e3 / 3.0);
    Gmm mixture;
    RandomStream stream({});
    const GmmFit fit = mixture.fit(points, 5, {.ridge = 1e-4}, stream);
    ASSERT_TRUE(fit.ok()) << fit.failure.message();
    EXPECT_EQ(mixture.clusters(), 1);
    EXPECT_TRUE(golden::close(mixture.parameters().means, points.leftCols(1), 1e-14));
    EXPECT_TRUE(
        golden::close(mixture.parameters().covariances[0], 1e-4 * MatrixX::Identity(4, 4), 1e-9));
  }
}

TEST(GmmFit, FewerPointsThanClustersOrDimensions) {
  Random random(6);
  for (const auto& [D, P, K] :
       {std::tuple{3, 2, 5}, {59, 20, 2}, {59, 20, 10}, {30, 31, 4}, {1, 1, 1}, {2, 1, 20}}) {
    for (const double scale : {1e-8, 1.0, 1e8}) {
      const MatrixX points = scale * random.matrix(D, P);
      Gmm mixture;
      RandomStream stream({.seed = 4});
      const GmmFit fit = mixture.fit(points, K, {}, stream);
      ASSERT_TRUE(fit.ok()) << fit.failure.message();
      EXPECT_LE(mixture.clusters(), std::min(P, K));
      EXPECT_TRUE(mixture.parameters().covariances.all_finite());
      EXPECT_TRUE(std::isfinite(mixture.log_likelihood(points)));
      EXPECT_NEAR(mixture.parameters().log_weights.array().exp().sum(), 1.0, 1e-12);
    }
  }
}

TEST(GmmFit, NoClusterStartsAsASpike) {
  Random random(12);
  const MatrixX points = random.matrix(4, 40);  // ten clusters: most have at most four points
  for (std::uint32_t i = 0; i < 20; ++i) {
    Gmm mixture;
    RandomStream stream({.seed = 4, .sample = i});
    ASSERT_TRUE(mixture.fit(points, 10, {.max_iterations = 0}, stream).ok());
    ASSERT_EQ(mixture.clusters(), 10);
    for (int k = 0; k < 10; ++k) {
      EXPECT_GT(MatrixX(mixture.parameters().covariances[k]).determinant(), 1e-8) << k;
    }
  }
}

TEST(GmmFit, HandlesEntriesOfVeryDifferentScales) {
  Random random(7);
  MatrixX points = random.matrix(10, 8);  // singular: fewer points than entries
  for (int i = 0; i < 10; ++i) points.row(i) *= std::pow(10.0, 2.0 * i - 10.0);
  Gmm mixture;
  RandomStream stream({});
  const GmmFit fit = mixture.fit(points, 2, {.ridge = 1e-300}, stream);
  ASSERT_TRUE(fit.ok()) << fit.failure.message();
  EXPECT_TRUE(std::isfinite(mixture.log_likelihood(points)));
}

TEST(GmmFit, EmptyClusterMovesToOneOfTheWorstExplainedPoints) {
  Random random(8);
  const MatrixX near = random.matrix(2, 95);
  MatrixX points(2, 100);
  points << near, random.matrix(2, 5).array() + 30.0;
  GmmParameters p;
  p.log_weights = VectorX::Constant(2, -std::log(2.0));
  p.means = MatrixX::Zero(2, 2);
  p.means.col(1).setConstant(-1e4);  // explains no point
  p.covariances.resize(2, 2, 2);
  p.covariances[0].setIdentity();
  p.covariances[1].setIdentity();
  p.points = 100;
  Gmm mixture(p);
  RandomStream stream({.seed = 5});
  GmmWorkspace workspace;
  const EmStep step = mixture.em_step(points, {}, stream, workspace);
  ASSERT_TRUE(step.failure.ok());
  EXPECT_EQ(step.reseeded, 1);
  EXPECT_TRUE(mixture.parameters().means.allFinite());
  EXPECT_LT((points.rightCols(5).colwise() - mixture.parameters().means.col(1))
                .colwise()
                .norm()
                .minCoeff(),
            1e-12);
  EXPECT_NEAR(mixture.parameters().log_weights.array().exp().sum(), 1.0, 1e-12);

  Gmm first(p);
  Gmm second(p);
  RandomStream a({.seed = 6});
  RandomStream b({.seed = 6});
  const GmmFit fit = first.fit(points, 2, {}, a);
  ASSERT_TRUE(fit.ok());
  EXPECT_TRUE(fit.warm_started);
  EXPECT_EQ(fit.reseeded, 1);
  EXPECT_NEAR(std::exp(first.parameters().log_weights.minCoeff()), 0.05, 1e-3);
  ASSERT_TRUE(second.fit(points, 2, {}, b).ok());
  EXPECT_TRUE(same(first, second));
}

TEST(GmmFit, MoreEmptyClustersThanPointsStayFinite) {
  GmmParameters p;
  p.log_weights = VectorX::Constant(6, -std::log(6.0));
  p.means = 1e5 * MatrixX::Ones(3, 6);
  p.means.col(0).setZero();
  p.covariances.resize(6, 3, 3);
  for (int k = 0; k < 6; ++k) p.covariances[k].setIdentity();
  p.points = 100;
  Gmm mixture(p);
  RandomStream stream({});
  const MatrixX points = MatrixX::Ones(3, 2);
  const GmmFit fit = mixture.fit(points, 6, {}, stream);
  ASSERT_TRUE(fit.ok()) << fit.failure.message();
  EXPECT_LE(fit.iterations, 100);
  EXPECT_TRUE(mixture.parameters().log_weights.allFinite());
  EXPECT_TRUE(mixture.responsibilities(points).allFinite());
  EXPECT_TRUE(
      mixture.moment_matched(mixture.responsibilities(points).rowwise().mean()).Phi.allFinite());
}

TEST(GmmFit, WarmStartKeepsThePointCountCurrentAndContinues) {
  Random random(9);
  const MatrixX points = blobs(random, 3, 3, 300).points;
  Gmm mixture;
  RandomStream stream({.seed = 1});
  ASSERT_TRUE(mixture.fit(points.leftCols(90), 3, {}, stream).ok());
  EXPECT_EQ(mixture.points(), 90);
  GmmFit fit = mixture.fit(points, 3, {}, stream);
  EXPECT_TRUE(fit.warm_started);
  EXPECT_EQ(mixture.points(), 300);
  fit = mixture.fit(points.leftCols(30), 3, {.max_iterations = 0}, stream);
  EXPECT_EQ(fit.iterations, 0);
  EXPECT_EQ(mixture.points(), 30);
  fit = mixture.fit(points, 3, {.tolerance = 1e-3}, stream);
  EXPECT_LE(fit.iterations, 2);  // it was there already
  EXPECT_FALSE(mixture.fit(points, 4, {}, stream).warm_started);
  EXPECT_FALSE(mixture.fit(points.topRows(2), 4, {}, stream).warm_started);
  EXPECT_EQ(mixture.dim(), 2);
}

TEST(GmmFit, ARestoredMixtureContinuesBitForBit) {
  Random random(10);
  const MatrixX points = blobs(random, 5, 4, 400, 9.0).points;
  Gmm mixture;
  RandomStream stream({.seed = 1});
  ASSERT_TRUE(mixture.fit(points, 4, {.max_iterations = 3}, stream).ok());
  Gmm restored(mixture.parameters());
  EXPECT_EQ(restored.responsibilities(points), mixture.responsibilities(points));
  RandomStream copy = stream;
  ASSERT_TRUE(mixture.fit(points, 4, {.max_iterations = 5}, stream).ok());
  ASSERT_TRUE(restored.fit(points, 4, {.max_iterations = 5}, copy).ok());
  EXPECT_TRUE(same(mixture, restored));
}

TEST(GmmFit, FailuresLeaveTheMixtureAsItWas) {
  Random random(11);
  MatrixX points = blobs(random, 3, 2, 60).points;
  Gmm mixture;
  RandomStream stream({});
  ASSERT_TRUE(mixture.fit(points, 2, {}, stream).ok());
  const Gmm before = mixture;
  GmmWorkspace workspace;
  for (const double bad : {std::nan(""), infinity, -infinity, 1e300}) {
    MatrixX broken = points;
    broken(1, 17) = bad;
    for (const int K : {2, 3}) {  // warm and cold
      const GmmFit fit = mixture.fit(broken, K, {}, stream);
      EXPECT_FALSE(fit.ok()) << bad;
      EXPECT_EQ(fit.status, GmmStatus::failed);
      EXPECT_TRUE(same(mixture, before));
      if (bad != 1e300) continue;
      // Its square overflows: the message names the cluster and its smallest variance.
      EXPECT_EQ(fit.failure.kind, FailureKind::singular_fit);
      EXPECT_NE(fit.failure.detail.find(fmt::format("of {}, whose covariance", K)),
                std::string::npos)
          << fit.failure.message();
      EXPECT_FALSE(std::isnan(fit.failure.value)) << fit.failure.message();
    }
    EXPECT_FALSE(mixture.em_step(broken, {}, stream, workspace).failure.ok());
    EXPECT_TRUE(same(mixture, before));
  }
  EXPECT_THROW((void)mixture.fit(MatrixX(3, 0), 2, {}, stream), InvalidArgument);
  EXPECT_THROW((void)mixture.fit(points, 0, {}, stream), InvalidArgument);
  EXPECT_THROW((void)mixture.em_step(points.topRows(2), {}, stream, workspace), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
