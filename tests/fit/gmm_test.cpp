#include "pilqr/fit/gmm.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <numbers>

#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

Gmm golden_mixture(const golden::Json& in) {
  GmmParameters p;
  p.log_weights = golden::vector(in.at("mass")).array().log();
  p.means = golden::matrix(in.at("mu")).transpose();
  p.covariances = golden::sequence<Dynamic, Dynamic>(in.at("sigma"));
  p.points = in.at("gmm_N").get<int>();
  return Gmm(p);
}

void expect_golden_parameters(const Gmm& mixture, const golden::Json& expected) {
  const GmmParameters& p = mixture.parameters();
  EXPECT_TRUE(golden::close(p.means, golden::matrix(expected.at("mu")).transpose(), 1e-9));
  EXPECT_TRUE(
      golden::close(p.covariances, golden::sequence<Dynamic, Dynamic>(expected.at("sigma")), 1e-9));
  EXPECT_TRUE(golden::close(p.log_weights.array().exp().matrix(),
                            golden::vector(expected.at("mass")), 1e-9));
}

GmmParameters random_parameters(Random& random, int D, int K) {
  GmmParameters p;
  p.log_weights = VectorX(K);
  for (double& w : p.log_weights) w = random.uniform(0.1, 1.0);
  p.log_weights = (p.log_weights / p.log_weights.sum()).array().log();
  p.means = 3.0 * random.matrix(D, K);
  p.covariances.resize(K, D, D);
  for (int k = 0; k < K; ++k) p.covariances[k] = random.positive_definite(D, 0.2);
  p.points = 100;
  return p;
}

class GmmGolden : public ::testing::Test {
 protected:
  const golden::Json json = golden::load("c_gmm_small");
  const golden::Json& in = json.at("inputs");
  const golden::Json& out = json.at("outputs");
  const MatrixX points = golden::matrix(in.at("pts")).transpose();
  const MatrixX data = golden::matrix(in.at("data")).transpose();
};

TEST_F(GmmGolden, EvaluationAndMoments) {
  const Gmm mixture = golden_mixture(in);
  EXPECT_TRUE(golden::close(mixture.log_densities(points),
                            golden::matrix(out.at("logobs_pts")).transpose(), 1e-9));
  EXPECT_TRUE(
      golden::close(mixture.log_likelihoods(points), golden::vector(out.at("loglik_pts")), 1e-9));
  const MatrixX responsibilities = mixture.responsibilities(points);
  const MatrixX expected = golden::matrix(out.at("resp_pts")).transpose();
  EXPECT_TRUE(golden::close(responsibilities, expected, 1e-9));
  // Relative to each entry, however small.
  EXPECT_LT((responsibilities.array() / expected.array() - 1.0).abs().maxCoeff(), 1e-9);
  const VectorX weights = responsibilities.rowwise().mean();
  EXPECT_TRUE(golden::close(weights, golden::vector(out.at("cluster_wts_pts")), 1e-9));
  const NormalInverseWishart prior = mixture.moment_matched(weights);
  EXPECT_TRUE(golden::close(prior.mu0, golden::vector(out.at("inference_mu0")), 1e-9));
  EXPECT_TRUE(golden::close(prior.Phi, golden::matrix(out.at("inference_Phi")), 1e-9));
  EXPECT_TRUE(golden::close(prior.m, out.at("inference_m").get<double>(), 1e-12));
  EXPECT_TRUE(golden::close(prior.n0, out.at("inference_n0").get<double>(), 1e-12));
}

TEST_F(GmmGolden, TenEmSteps) {
  Gmm mixture = golden_mixture(in);
  EXPECT_TRUE(golden::close(mixture.responsibilities(data),
                            golden::matrix(out.at("em1").at("resp_data")).transpose(), 1e-9));
  RandomStream stream({.seed = 1});
  GmmWorkspace workspace;
  const VectorX after = golden::vector(out.at("em10").at("loglik_after_each"));
  double before = out.at("em1").at("loglik_before").get<double>();
  for (int i = 0; i < 10; ++i) {
    const EmStep step = mixture.em_step(data, {}, stream, workspace);
    ASSERT_TRUE(step.failure.ok());
    EXPECT_EQ(step.reseeded, 0);
    EXPECT_TRUE(golden::close(step.log_likelihood, before, 1e-9)) << i;
    EXPECT_TRUE(golden::close(mixture.log_likelihood(data), after(i), 1e-9)) << i;
    before = after(i);
    if (i == 0) expect_golden_parameters(mixture, out.at("em1"));
  }
  expect_golden_parameters(mixture, out.at("em10"));
}

TEST_F(GmmGolden, InitialClusterScatterIsDividedByTheClustersPoints) {
  const auto assignment = in.at("cidx").get<std::vector<int>>();
  expect_golden_parameters(Gmm::from_assignment(data, assignment, 3, 2e-6),
                           out.at("init_from_cidx"));
}

TEST(Gmm, ResponsibilitiesAgreeWithBruteForceInLongDouble) {
  Random random(1);
  for (const int D : {1, 2, 4}) {
    const int K = 3;
    const GmmParameters p = random_parameters(random, D, K);
    const Gmm mixture(p);
    const MatrixX points = 4.0 * random.matrix(D, 50);
    const MatrixX responsibilities = mixture.responsibilities(points);
    const VectorX log_likelihoods = mixture.log_likelihoods(points);
    using Long = Eigen::Matrix<long double, Dynamic, Dynamic>;
    for (int j = 0; j < 50; ++j) {
      Long density(K, 1);
      for (int k = 0; k < K; ++k) {
        const Long S = p.covariances[k].cast<long double>();
        const Long d = (points.col(j) - p.means.col(k)).cast<long double>();
        const long double distance = (d.transpose() * S.fullPivLu().inverse() * d)(0, 0);
        density(k) = std::exp(static_cast<long double>(p.log_weights(k)) - 0.5L * distance) /
                     std::sqrt(std::pow(2.0L * std::numbers::pi_v<long double>, D) *
                               S.fullPivLu().determinant());
      }
      const long double sum = density.sum();
      for (int k = 0; k < K; ++k) {
        EXPECT_NEAR(responsibilities(k, j), static_cast<double>(density(k) / sum), 1e-12);
      }
      EXPECT_NEAR(log_likelihoods(j), static_cast<double>(std::log(sum)), 1e-11);
    }
    EXPECT_TRUE(golden::close(responsibilities.colwise().sum(), MatrixX::Ones(1, 50), 1e-14));
  }
}

TEST(Gmm, DensityIntegratesToOne) {
  Random random(2);
  const Gmm mixture(random_parameters(random, 2, 3));
  constexpr double step = 0.1;
  constexpr int n = 300;
  MatrixX grid(2, n * n);
  for (int i = 0; i < n * n; ++i) grid.col(i) << (i % n - n / 2) * step, (i / n - n / 2) * step;
  EXPECT_NEAR(mixture.log_likelihoods(grid).array().exp().sum() * step * step, 1.0, 1e-9);
}

TEST(Gmm, FarPointsKeepFiniteLikelihoodsAndResponsibilities) {
  Random random(3);
  const Gmm mixture(random_parameters(random, 3, 4));
  MatrixX points = random.matrix(3, 3);
  points.col(1) *= 1e6;
  points.col(2) *= 1e200;  // the squared distance is not a double
  const MatrixX responsibilities = mixture.responsibilities(points);
  EXPECT_TRUE(responsibilities.allFinite());
  EXPECT_TRUE(golden::close(responsibilities.colwise().sum(), MatrixX::Ones(1, 3), 1e-14));
  const VectorX log_likelihoods = mixture.log_likelihoods(points);
  EXPECT_LT(log_likelihoods(1), -1e10);
  EXPECT_TRUE(std::isfinite(log_likelihoods(1)));
  EXPECT_EQ(log_likelihoods(2), -std::numeric_limits<double>::infinity());
}

TEST(Gmm, MomentsAgreeWithMonteCarlo) {
  Random random(4);
  const int D = 3;
  const int K = 4;
  const GmmParameters p = random_parameters(random, D, K);
  const Gmm mixture(p);
  const VectorX weights = p.log_weights.array().exp();
  constexpr int n = 200000;
  MatrixX points(D, n);
  for (int j = 0; j < n; ++j) {
    int k = 0;
    for (double rest = random.uniform() - weights(0); rest > 0.0 && k + 1 < K;)
      rest -= weights(++k);
    const MatrixX L = mixture.factor(k).triangularView<Eigen::Lower>();
    points.col(j) = p.means.col(k) + L * random.vector(D);
  }
  VectorX mean;
  MatrixX covariance;
  MatrixX work;
  moments(points, mean, covariance, work);
  const NormalInverseWishart prior = mixture.moment_matched(weights);
  const double sigma = std::sqrt(covariance.diagonal().maxCoeff());
  EXPECT_LT((prior.mu0 - mean).cwiseAbs().maxCoeff(), 5.0 * sigma / std::sqrt(n));
  EXPECT_TRUE(golden::close(prior.Phi, covariance, 0.02));
  EXPECT_EQ(prior.Phi, prior.Phi.transpose());
}

TEST(Gmm, PriorCountIsClampedWhereThePointsAreFewerThanTheDimensions) {
  Random random(5);
  GmmParameters p = random_parameters(random, 4, 2);
  const VectorX half = VectorX::Constant(2, 0.5);
  for (const auto& [points, n0] : {std::pair{1, 0.0}, {6, 0.0}, {7, 1.0 / 7.0}, {600, 0.99}}) {
    p.points = points;
    EXPECT_DOUBLE_EQ(Gmm(p).moment_matched(half).n0, n0) << points;
  }
  EXPECT_THROW((void)Gmm(p).moment_matched(VectorX::Ones(2)), InvalidArgument);
  EXPECT_THROW((void)Gmm(p).moment_matched(VectorX::Ones(1)), InvalidArgument);
  EXPECT_THROW((void)Gmm(p).moment_matched(Vector<2>(1.5, -0.5)), InvalidArgument);
}

TEST(Gmm, RefusesBadParametersAndPoints) {
  Random random(6);
  const GmmParameters good = random_parameters(random, 3, 2);
  const auto expect_refused = [&](auto&& change) {
    GmmParameters bad = good;
    change(bad);
    EXPECT_THROW(Gmm{bad}, InvalidArgument);
  };
  expect_refused([](auto& p) { p.log_weights.setZero(); });
  expect_refused([](auto& p) { p.log_weights.resize(1); });
  expect_refused([](auto& p) { p.means(0, 0) = std::nan(""); });
  expect_refused([](auto& p) { p.means.resize(2, 2); });
  expect_refused([](auto& p) { p.covariances[1](2, 2) = -1.0; });
  expect_refused([](auto& p) { p.covariances[1](0, 2) = std::nan(""); });
  expect_refused([](auto& p) { p.points = 0; });
  EXPECT_THROW(Gmm{GmmParameters{}}, InvalidArgument);
  const Gmm mixture(good);
  EXPECT_THROW((void)mixture.log_likelihood(MatrixX::Zero(2, 5)), InvalidArgument);
  EXPECT_THROW((void)mixture.responsibilities(MatrixX::Constant(3, 1, std::nan(""))),
               InvalidArgument);
  EXPECT_THROW((void)Gmm{}.log_likelihood(MatrixX::Zero(2, 5)), InvalidArgument);
  const MatrixX points = random.matrix(3, 4);
  EXPECT_THROW((void)Gmm::from_assignment(points, {0, 0, 2, 2}, 3, 1e-6), InvalidArgument);
  EXPECT_THROW((void)Gmm::from_assignment(points, {0, 1, 2, 3}, 3, 1e-6), InvalidArgument);
  EXPECT_THROW((void)Gmm::from_assignment(points, {0, 1}, 2, 1e-6), InvalidArgument);
}

TEST(GmmOptions, AreValidated) {
  EXPECT_NO_THROW(require_valid(GmmOptions{}));
  EXPECT_THROW(require_valid(GmmOptions{.max_iterations = -1}), InvalidArgument);
  EXPECT_THROW(require_valid(GmmOptions{.tolerance = -1e-3}), InvalidArgument);
  EXPECT_THROW(require_valid(GmmOptions{.ridge = 0.0}), InvalidArgument);
  EXPECT_THROW(require_valid(GmmOptions{.ridge = std::nan("")}), InvalidArgument);
  EXPECT_THROW(require_valid(GmmOptions{.empty_share = 1.0}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
