// The E-step handles points in blocks and entries in groups, and leaves clusters that are far from
// a whole block: an EM step against the same in long double, point by point, for sizes around
// those.
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <numbers>

#include "pilqr/fit/gmm.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;
using LongMatrix = Eigen::Matrix<long double, Dynamic, Dynamic>;
using LongVector = Eigen::Matrix<long double, Dynamic, 1>;

GmmParameters random_parameters(Random& random, int D, int K, double distance) {
  GmmParameters p;
  p.log_weights = VectorX(K);
  for (double& w : p.log_weights) w = random.uniform(0.1, 1.0);
  p.log_weights = (p.log_weights / p.log_weights.sum()).array().log();
  p.means = distance * random.matrix(D, K);
  p.covariances.resize(K, D, D);
  for (int k = 0; k < K; ++k) p.covariances[k] = random.positive_definite(D, 0.2);
  p.points = 100;
  return p;
}

/// Points around the means, in runs of one cluster each.
MatrixX points_in_runs(Random& random, const GmmParameters& p, int P, int run) {
  MatrixX points = random.matrix(rows(p.means), P);
  for (int j = 0; j < P; ++j) points.col(j) += p.means.col((j / run) % cols(p.means));
  return points;
}

struct Step {
  MatrixX responsibilities;  // K x P
  double log_likelihood = 0.0;
  VectorX weights;
  MatrixX means;
  std::vector<MatrixX> covariances;
};

Step reference_step(const GmmParameters& p, const MatrixX& points, double ridge) {
  const int D = rows(p.means);
  const int K = cols(p.means);
  const int P = cols(points);
  LongMatrix r(K, P);
  for (int k = 0; k < K; ++k) {
    const Eigen::LLT<LongMatrix> llt(p.covariances[k].cast<long double>());
    const LongMatrix L = llt.matrixL();
    for (int j = 0; j < P; ++j) {
      const LongVector d = (points.col(j) - p.means.col(k)).cast<long double>();
      const LongVector white = L.triangularView<Eigen::Lower>().solve(d);
      r(k, j) = p.log_weights(k) - 0.5L * white.squaredNorm() - L.diagonal().array().log().sum() -
                0.5L * D * std::log(2 * std::numbers::pi_v<long double>);
    }
  }
  Step step;
  for (int j = 0; j < P; ++j) {
    const long double largest = r.col(j).maxCoeff();
    r.col(j) = (r.col(j).array() - largest).exp();
    step.log_likelihood += static_cast<double>(largest + std::log(r.col(j).sum()));
    r.col(j) /= r.col(j).sum();
  }
  step.responsibilities = r.cast<double>();
  const LongVector counts = r.rowwise().sum();
  step.weights = (counts / P).cast<double>();
  step.means.resize(D, K);
  for (int k = 0; k < K; ++k) {
    const LongMatrix z = points.cast<long double>();
    const LongVector mean = z * r.row(k).transpose() / counts(k);
    const LongMatrix centred = z.colwise() - mean;
    LongMatrix S = centred * r.row(k).transpose().asDiagonal() * centred.transpose() / counts(k);
    S.diagonal().array() += ridge;
    step.means.col(k) = mean.cast<double>();
    step.covariances.emplace_back(S.cast<double>());
  }
  return step;
}

class GmmBlocks : public ::testing::TestWithParam<int> {};

TEST_P(GmmBlocks, OneEmStep) {
  const int D = GetParam();
  Random random(static_cast<std::uint64_t>(D));
  for (const int K : {1, 2, 5}) {
    for (const int P : {1, 47, 48, 49, 130, 300}) {
      for (const double distance : {0.5, 3.0, 30.0}) {
        const GmmParameters p = random_parameters(random, D, K, distance);
        const MatrixX points = points_in_runs(random, p, P, P % 2 == 0 ? 50 : 1);
        const Step expected = reference_step(p, points, 1e-6);
        const Gmm before(p);
        EXPECT_TRUE(
            golden::close(before.responsibilities(points), expected.responsibilities, 1e-11));
        EXPECT_TRUE(golden::close(before.average_responsibilities(points),
                                  expected.responsibilities.rowwise().mean(), 1e-11));
        Gmm mixture = before;
        RandomStream stream({});
        GmmWorkspace workspace;
        const EmStep step =
            mixture.em_step(points, {.ridge = 1e-6, .empty_share = 0.0}, stream, workspace);
        ASSERT_TRUE(step.failure.ok());
        EXPECT_TRUE(golden::close(step.log_likelihood, expected.log_likelihood, 1e-11));
        const GmmParameters& after = mixture.parameters();
        EXPECT_TRUE(
            golden::close(after.log_weights.array().exp().matrix(), expected.weights, 1e-11));
        for (int k = 0; k < K; ++k) {
          if (expected.weights(k) < 1e-9) continue;  // next to nothing of which there are moments
          EXPECT_TRUE(golden::close(MatrixX(after.means.col(k)), expected.means.col(k), 1e-10));
          EXPECT_TRUE(golden::close(MatrixX(after.covariances[k]),
                                    expected.covariances[static_cast<std::size_t>(k)], 1e-10));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dimensions, GmmBlocks, ::testing::Values(1, 2, 7, 8, 9, 16, 17, 25));

// What a workspace held before, and the rest of a block, have no influence.
TEST(GmmWorkspace, ServesMixturesOfOtherSizes) {
  Random random(3);
  RandomStream stream({});
  GmmWorkspace shared;
  for (const int D : {9, 3, 17}) {
    const Gmm before(random_parameters(random, D, 3, 2.0));
    const MatrixX points = random.matrix(D, 50 + D);
    Gmm a = before;
    Gmm b = before;
    GmmWorkspace fresh;
    EXPECT_EQ(a.em_step(points, {}, stream, shared).log_likelihood,
              b.em_step(points, {}, stream, fresh).log_likelihood);
    EXPECT_EQ(a.parameters().means, b.parameters().means);
    EXPECT_EQ(a.parameters().covariances, b.parameters().covariances);
  }
}

}  // namespace
}  // namespace pilqr
