// Eigen reports a forbidden allocation through its assertion, which must also work with NDEBUG.
#include <stdexcept>
#define EIGEN_RUNTIME_NO_MALLOC
#define eigen_assert(condition) \
  if (!(condition)) throw std::logic_error("Eigen assertion: " #condition)
#include <gtest/gtest.h>

#include <Eigen/LU>
#include <array>
#include <numbers>
#include <tuple>

#include "pilqr/core/gaussian.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

NormalInverseWishart random_prior(Random& random, int D) {
  return {random.vector(D), random.positive_definite(D, 0.1), random.uniform(0.0, 3.0),
          random.uniform(0.0, 3.0)};
}

struct Regression {
  MatrixX F;
  VectorX f;
  MatrixX W;
};

TEST(Gaussian, GoldenRegressionWithPrior) {
  for (const char* file : {"b_gauss_fit_joint_prior_small", "b_gauss_fit_joint_prior_medium"}) {
    const auto json = golden::load(file);
    const auto& in = json.at("inputs");
    const MatrixX points = golden::matrix(in.at("pts")).transpose();
    const NormalInverseWishart prior{golden::vector(in.at("mu0")), golden::matrix(in.at("Phi")),
                                     in.at("m").get<double>(), in.at("n0").get<double>()};
    const int n1 = in.at("d1").get<int>();
    const int N = cols(points);
    for (const char* name : {"diag", "diag_weighted", "diag_map_mean"}) {
      const auto& expected = json.at("outputs").at(name);
      const std::string variant = name;
      VectorX mean;
      MatrixX covariance;
      MatrixX work;
      if (variant == "diag_weighted") {
        weighted_moments(points, golden::vector(in.at("dwts2")), mean, covariance, work);
      } else {
        moments(points, mean, covariance, work);
      }
      posterior_covariance_in_place(prior, N, mean, covariance);
      covariance.diagonal().head(n1).array() += in.at("regularization").get<double>();
      if (variant == "diag_map_mean") {
        mean = posterior_mean(prior, N, mean);
        EXPECT_TRUE(golden::close(mean, golden::vector(expected.at("mu")), 1e-9));
        EXPECT_TRUE(golden::close(covariance, golden::matrix(expected.at("sigma")), 1e-9));
      }
      Regression r;
      ASSERT_TRUE(condition(mean, covariance, n1, r.F, r.f, r.W));
      EXPECT_TRUE(golden::close(r.F, golden::matrix(expected.at("F")), 1e-9)) << file << variant;
      EXPECT_TRUE(golden::close(r.f, golden::vector(expected.at("f")), 1e-9)) << file << variant;
      EXPECT_TRUE(golden::close(r.W, golden::matrix(expected.at("covar")), 1e-9))
          << file << variant;
    }
  }
}

TEST(Moments, AgreeWithSumsInLongDouble) {
  Random random(1);
  for (const int D : {1, 2, 7, 40}) {
    for (const int N : {1, 2, 5, 300}) {
      const double offset = 1e6;
      MatrixX points = random.matrix(D, N);
      points.array() += offset;
      VectorX weights(N);
      for (double& w : weights) w = random.uniform();
      VectorX mean;
      MatrixX covariance;
      MatrixX work;
      for (const bool weighted : {false, true}) {
        if (weighted) {
          weighted_moments(points, weights, mean, covariance, work);
        } else {
          moments(points, mean, covariance, work);
        }
        using Long = Eigen::Matrix<long double, Dynamic, Dynamic>;
        Long w = (weighted ? weights : VectorX(VectorX::Ones(N))).cast<long double>();
        w /= w.sum();
        const Long z = points.cast<long double>();
        const Long mu = z * w;
        const Long c = z.colwise() - mu.col(0);
        const Long S = c * w.asDiagonal() * c.transpose();
        EXPECT_LT((mean - mu.cast<double>()).norm(), 1e-15 * offset * std::sqrt(D * 300.0));
        EXPECT_LT((covariance - S.cast<double>()).norm(), 1e-9 * D) << D << " " << N << weighted;
        EXPECT_EQ(covariance, covariance.transpose());
      }
    }
  }
}

TEST(Moments, EqualWeightsOfAnySizeAreNoWeights) {
  Random random(2);
  const MatrixX points = random.matrix(5, 12);
  VectorX mean;
  VectorX weighted_mean;
  MatrixX covariance;
  MatrixX weighted_covariance;
  MatrixX work;
  moments(points, mean, covariance, work);
  weighted_moments(points, VectorX::Constant(12, 7.0), weighted_mean, weighted_covariance, work);
  EXPECT_TRUE(golden::close(weighted_mean, mean, 1e-14));
  EXPECT_TRUE(golden::close(weighted_covariance, covariance, 1e-14));
}

TEST(Moments, RefuseMisuse) {
  VectorX mean;
  MatrixX covariance;
  MatrixX work;
  EXPECT_THROW(moments(MatrixX(3, 0), mean, covariance, work), InvalidArgument);
  const MatrixX points = MatrixX::Ones(2, 3);
  for (const VectorX& weights :
       {VectorX(VectorX::Zero(3)), VectorX(VectorX::Ones(2)), VectorX(Vector<3>(1.0, -0.1, 1.0)),
        VectorX(Vector<3>(1.0, std::nan(""), 1.0))}) {
    EXPECT_THROW(weighted_moments(points, weights, mean, covariance, work), InvalidArgument);
  }
}

TEST(PosteriorCovariance, IsTheScatterOfThePointsAndThePriorsPoints) {
  // A prior made of m points, n0 = m, is the same as adding those points to the sample.
  Random random(3);
  for (const int D : {1, 4, 9}) {
    const MatrixX all = random.matrix(D, 17);
    VectorX mean;
    MatrixX expected;
    MatrixX work;
    moments(all, mean, expected, work);
    NormalInverseWishart prior;
    moments(all.leftCols(6), prior.mu0, prior.Phi, work);
    prior.Phi *= 6.0;
    prior.m = prior.n0 = 6.0;
    MatrixX covariance;
    VectorX own;
    moments(all.rightCols(11), own, covariance, work);
    posterior_covariance_in_place(prior, 11.0, own, covariance);
    EXPECT_TRUE(golden::close(covariance, expected, 1e-13));
    EXPECT_TRUE(golden::close(posterior_mean(prior, 11.0, own), mean, 1e-13));
  }
}

TEST(PosteriorCovariance, WithoutPriorIsTheCovariance) {
  Random random(4);
  const MatrixX S = random.positive_definite(5, 0.1);
  MatrixX posterior = S;
  const NormalInverseWishart none{VectorX::Zero(5), MatrixX::Zero(5, 5)};
  posterior_covariance_in_place(none, 3.0, random.vector(5), posterior);
  EXPECT_TRUE(golden::close(posterior, S, 1e-15));
  MatrixX wrong(4, 4);
  EXPECT_THROW(posterior_covariance_in_place(none, 3.0, random.vector(5), wrong), InvalidArgument);
  EXPECT_THROW(posterior_covariance_in_place(none, 0.0, random.vector(5), posterior),
               InvalidArgument);
}

TEST(Condition, AgreesWithTheInverseOfTheBlock) {
  Random random(5);
  for (const auto& [n1, n2] : {std::pair{1, 1}, {1, 5}, {5, 1}, {7, 3}, {33, 26}, {80, 64}}) {
    const MatrixX S = random.positive_definite(n1 + n2, 0.3);
    const VectorX mean = random.vector(n1 + n2);
    Regression r;
    ASSERT_TRUE(condition(mean, S, n1, r.F, r.f, r.W));
    const MatrixX F = S.bottomLeftCorner(n2, n1) * S.topLeftCorner(n1, n1).inverse();
    EXPECT_TRUE(golden::close(r.F, F, 1e-11));
    EXPECT_TRUE(golden::close(r.f, mean.tail(n2) - F * mean.head(n1), 1e-11));
    // The conditional precision is the block of the joint precision.
    EXPECT_TRUE(golden::close(r.W, S.inverse().bottomRightCorner(n2, n2).inverse(), 1e-10));
    EXPECT_EQ(r.W, r.W.transpose());
  }
}

TEST(Condition, RecoversALinearMapExactly) {
  Random random(6);
  const MatrixX A = random.matrix(3, 4);
  MatrixX points(7, 30);
  points.topRows(4) = random.matrix(4, 30);
  points.bottomRows(3) = (A * points.topRows(4)).colwise() + Vector<3>(1.0, -2.0, 3.0);
  Vector<7> mean;
  Matrix<7, 7> covariance;
  MatrixX work;
  moments(points, mean, covariance, work);
  Matrix<3, 4> F;
  Vector<3> f;
  Matrix<3, 3> W;
  ASSERT_TRUE(condition(mean, covariance, 4, F, f, W));
  EXPECT_TRUE(golden::close(F, A, 1e-13));
  EXPECT_TRUE(golden::close(f, Vector<3>(1.0, -2.0, 3.0), 1e-13));
  EXPECT_LT(W.cwiseAbs().maxCoeff(), 1e-13);
}

TEST(Condition, ReadsOnlyTheLowerTriangleAndFailsOnBadOnes) {
  Random random(7);
  const VectorX mean = random.vector(6);
  MatrixX S = random.positive_definite(6, 0.3);
  Regression expected;
  ASSERT_TRUE(condition(mean, S, 4, expected.F, expected.f, expected.W));
  MatrixX lower = S;
  lower.triangularView<Eigen::StrictlyUpper>().setConstant(std::nan(""));
  Regression r;
  ASSERT_TRUE(condition(mean, lower, 4, r.F, r.f, r.W));
  EXPECT_EQ(r.F, expected.F);
  EXPECT_EQ(r.W, expected.W);
  for (int j = 0; j < 6; ++j) {
    for (int i = j; i < 6; ++i) {
      for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
        MatrixX broken = S;
        broken(i, j) = bad;
        EXPECT_FALSE(condition(mean, broken, 4, r.F, r.f, r.W)) << i << " " << j;
      }
    }
  }
  VectorX bad_mean = mean;
  bad_mean(5) = std::nan("");
  EXPECT_FALSE(condition(bad_mean, S, 4, r.F, r.f, r.W));
  S.row(2).setZero();
  S.col(2).setZero();
  EXPECT_FALSE(condition(mean, S, 4, r.F, r.f, r.W));
  EXPECT_THROW((void)condition(mean, S, 6, r.F, r.f, r.W), InvalidArgument);
  EXPECT_THROW((void)condition(mean, S, 0, r.F, r.f, r.W), InvalidArgument);
}

TEST(Cholesky, BlockedAgreesWithUnblocked) {
  Random random(8);
  for (int n = 1; n <= 80; n += 13) {
    const MatrixX A = random.positive_definite(n, 0.1);
    MatrixX L = A;
    ASSERT_TRUE(cholesky_in_place(L));
    MatrixX blocked = A;
    ASSERT_TRUE(blocked_cholesky_in_place(blocked));
    const MatrixX lower = blocked.triangularView<Eigen::Lower>();
    EXPECT_TRUE(golden::close(lower, L, 1e-12));
    for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity(), -1.0, 0.0}) {
      MatrixX broken = A;
      broken(n - 1, n - 1) = bad;
      EXPECT_FALSE(blocked_cholesky_in_place(broken)) << n << " " << bad;
    }
    if (n == 1) continue;
    MatrixX broken = A;
    broken(n - 1, 0) = std::nan("");
    EXPECT_FALSE(blocked_cholesky_in_place(broken));
  }
}

TEST(KlDivergence, AgreesWithNumericalIntegration) {
  const auto density = [](double z, double mean, double sigma) {
    const double d = (z - mean) / sigma;
    return std::exp(-0.5 * d * d) / (sigma * std::sqrt(2.0 * std::numbers::pi));
  };
  for (const auto& [mp, sp, mq, sq] :
       {std::array{0.0, 1.0, 0.5, 1.5}, {1.0, 0.5, -0.3, 2.0}, {0.0, 1.0, 0.0, 0.7}}) {
    double integral = 0.0;
    constexpr double step = 1e-3;
    for (double z = mp - 12.0 * sp; z < mp + 12.0 * sp; z += step) {
      const double p = density(z, mp, sp);
      if (p > 0.0) integral += step * p * std::log(p / density(z, mq, sq));
    }
    const double kl =
        kl_divergence(Vector<1>(mp), Matrix<1, 1>(sp), Vector<1>(mq), Matrix<1, 1>(sq));
    EXPECT_NEAR(kl, integral, 1e-8);
  }
}

TEST(KlDivergence, AgreesWithTheTextbookFormula) {
  Random random(9);
  for (const int D : {1, 3, 20}) {
    const MatrixX P = random.positive_definite(D, 0.2);
    const MatrixX Q = random.positive_definite(D, 0.2);
    const VectorX p = random.vector(D);
    const VectorX q = random.vector(D);
    MatrixX L_p = P;
    MatrixX L_q = Q;
    ASSERT_TRUE(cholesky_in_place(L_p) && cholesky_in_place(L_q));
    const double expected = 0.5 * ((Q.inverse() * P).trace() + (p - q).dot(Q.inverse() * (p - q)) -
                                   D + std::log(Q.determinant() / P.determinant()));
    EXPECT_NEAR(kl_divergence(p, L_p, q, L_q), expected, 1e-10 * std::max(1.0, expected));
    EXPECT_LT(kl_divergence(p, L_p, p, L_p), 1e-28);
    // Invariant under an affine map of the space.
    MatrixX map = random.positive_definite(D, 0.5);
    ASSERT_TRUE(cholesky_in_place(map));
    EXPECT_NEAR(kl_divergence(map * p, map * L_p, map * q, map * L_q), expected,
                1e-9 * std::max(1.0, expected));
  }
}

TEST(KlDivergence, IsAccurateForCloseGaussians) {
  // KL = e^2 + O(e^3) for a standard deviation 1 + e against 1.
  const double e = 1e-9;
  const double kl =
      kl_divergence(Vector<1>(0.0), Matrix<1, 1>(1.0 + e), Vector<1>(0.0), Matrix<1, 1>(1.0));
  EXPECT_NEAR(kl, e * e, 1e-4 * e * e);
}

TEST(Gaussian, NothingAllocatesOnceSized) {
  Random random(10);
  for (const auto& [nx, nu, samples] : {std::tuple{26, 7, 20}, {64, 16, 20}, {2, 1, 5}}) {
    const int D = 2 * nx + nu;
    const int n1 = nx + nu;
    const int N = samples;
    const MatrixX points = random.matrix(D, N);
    const VectorX weights = VectorX::Ones(N);
    const NormalInverseWishart prior = random_prior(random, D);
    VectorX mean;
    MatrixX covariance;
    MatrixX work;
    Regression r;
    const auto fit = [&] {
      weighted_moments(points, weights, mean, covariance, work);
      moments(points, mean, covariance, work);
      posterior_covariance_in_place(prior, N, mean, covariance);
      return condition_in_place(mean, covariance, n1, r.F, r.f, r.W);
    };
    ASSERT_TRUE(fit());
    Eigen::internal::set_is_malloc_allowed(false);
    EXPECT_NO_THROW(EXPECT_TRUE(fit()));
    EXPECT_THROW(VectorX(2 * D).setZero(), std::logic_error);  // the guard works
    Eigen::internal::set_is_malloc_allowed(true);
  }
}

}  // namespace
}  // namespace pilqr
