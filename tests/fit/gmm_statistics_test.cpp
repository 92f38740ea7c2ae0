#include "pilqr/fit/gmm_statistics.hpp"

#include <gtest/gtest.h>

#include "pilqr/fit/gmm.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;
using LongVector = Eigen::Matrix<long double, Dynamic, 1>;
using LongMatrix = Eigen::Matrix<long double, Dynamic, Dynamic>;

constexpr int D = 4;
constexpr int K = 3;

/// Clusters that overlap, so that most points belong to several.
MatrixX cloud(Random& random, int P, double offset = 0.0) {
  MatrixX points = random.matrix(D, P);
  for (int j = 0; j < P; ++j) points.col(j).array() += offset + 1.5 * (j % K);
  return points;
}

Gmm mixture_of(const MatrixX& points) {
  std::vector<int> assignment;
  for (int j = 0; j < cols(points); ++j) assignment.push_back(j % K);
  return Gmm::from_assignment(points, assignment, K, 1e-6);
}

MatrixX beside(const MatrixX& a, const MatrixX& b) {
  MatrixX both(D, a.cols() + b.cols());
  both << a, b;
  return both;
}

void expect_close(const GmmStatistics& a, const GmmStatistics& b, double tolerance) {
  EXPECT_EQ(a.points, b.points);
  EXPECT_TRUE(golden::close(a.counts, b.counts, tolerance));
  EXPECT_TRUE(golden::close(a.means, b.means, tolerance));
  EXPECT_TRUE(golden::close(a.covariances, b.covariances, tolerance, 1.0));
}

TEST(GmmStatistics, AreTheWeightedMomentsOfEachCluster) {
  Random random(1);
  for (const int P : {K, 50, 700}) {  // one batch of products, and more
    const MatrixX points = cloud(random, P, 100.0);
    const Gmm mixture = mixture_of(cloud(random, 90, 100.0));
    const GmmStatistics s = mixture.statistics(points);
    EXPECT_NO_THROW(require_valid(s, P, D, K));
    const LongMatrix r = mixture.responsibilities(points).cast<long double>();
    for (int k = 0; k < K; ++k) {
      const long double count = r.row(k).sum();
      const LongVector mean = points.cast<long double>() * r.row(k).transpose() / count;
      const LongMatrix centred = points.cast<long double>().colwise() - mean;
      const LongMatrix covariance =
          centred * r.row(k).transpose().asDiagonal() * centred.transpose() / count;
      EXPECT_NEAR(s.counts(k), static_cast<double>(count), 1e-10 * P);
      for (int j = 0, entry = 0; j < D; ++j) {
        EXPECT_NEAR(s.means(j, k), static_cast<double>(mean(j)), 1e-10);
        for (int i = j; i < D; ++i, ++entry) {
          EXPECT_NEAR(s.covariances(entry, k), static_cast<double>(covariance(i, j)), 1e-10);
        }
      }
    }
  }
}

TEST(GmmStatistics, OfTwoSetsAddUpToThoseOfTheUnion) {
  Random random(2);
  for (const double offset : {0.0, 1e6}) {
    const MatrixX a = cloud(random, 70, offset);
    const MatrixX b = cloud(random, 301, offset + 0.5);
    const MatrixX c = cloud(random, 1, offset - 1.0);
    const Gmm mixture = mixture_of(cloud(random, 90, offset));
    const GmmStatistics all = mixture.statistics(beside(beside(a, b), c));
    GmmStatistics forward;
    for (const MatrixX& points : {a, b, c}) forward.add(mixture.statistics(points));
    GmmStatistics backward;
    for (const MatrixX& points : {c, b, a}) backward.add(mixture.statistics(points));
    expect_close(forward, all, 1e-9);
    expect_close(backward, all, 1e-9);
    // The scatter between the sets is there: without it the variances would differ.
    EXPECT_FALSE(golden::close(forward.covariances, mixture.statistics(b).covariances, 1e-3));
  }
}

TEST(GmmStatistics, OfNoPointsAddNothing) {
  Random random(3);
  const MatrixX points = cloud(random, 60);
  const GmmStatistics s = mixture_of(points).statistics(points);
  GmmStatistics left = s;
  left.add({});
  EXPECT_EQ(left, s);
  GmmStatistics right;
  right.add(s);
  EXPECT_EQ(right, s);

  // A cluster that is without points in one of the sets, or in both.
  GmmStatistics other = s;
  other.counts(0) += other.counts(1) + other.counts(2);
  for (const int k : {1, 2}) {
    other.counts(k) = 0.0;
    other.means.col(k).setZero();
    other.covariances.col(k).setZero();
  }
  GmmStatistics sum = s;
  sum.add(other);
  EXPECT_EQ(sum.means.col(1), s.means.col(1));
  EXPECT_EQ(sum.covariances.col(2), s.covariances.col(2));
  GmmStatistics twice = other;
  twice.add(other);
  EXPECT_EQ(twice.counts(1), 0.0);
  EXPECT_NO_THROW(require_valid(twice, 120, D, K));
}

TEST(GmmStatistics, Misuse) {
  Random random(4);
  const MatrixX points = cloud(random, 60);
  const GmmStatistics good = mixture_of(points).statistics(points);
  GmmStatistics sum = good;
  EXPECT_THROW(
      sum.add(Gmm::from_assignment(points, std::vector<int>(60, 0), 1, 1.0).statistics(points)),
      InvalidArgument);
  EXPECT_EQ(sum, good);
  const auto refused = [&](auto change) {
    GmmStatistics bad = good;
    change(bad);
    EXPECT_THROW(require_valid(bad, 60, D, K), InvalidArgument);
  };
  EXPECT_NO_THROW(require_valid(good, 60, D, K));
  EXPECT_THROW(require_valid(good, 60, D, K + 1), InvalidArgument);
  EXPECT_THROW(require_valid(good, 60, D + 1, K), InvalidArgument);
  refused([](GmmStatistics& s) { s.points = 61; });
  refused([](GmmStatistics& s) { s.counts(0) += 1.0; });
  refused([](GmmStatistics& s) { s.counts << 70.0, -10.0, 0.0; });
  refused([](GmmStatistics& s) { s.means(0, 0) = std::nan(""); });
  refused([](GmmStatistics& s) { s.covariances(1, 0) = std::nan(""); });
  refused([](GmmStatistics& s) { s.covariances(D, 1) = -1.0; });  // the second variance
  refused([](GmmStatistics& s) { s.covariances.conservativeResize(D, K); });
}

// The E-steps of both sets are those of the same mixture: so is the M-step.
TEST(GmmStatistics, AStepBesideOthersIsOneOnTheUnion) {
  Random random(5);
  RandomStream stream({});
  GmmWorkspace workspace;
  const MatrixX a = cloud(random, 130);
  const MatrixX b = cloud(random, 400, 0.3);
  const Gmm start = mixture_of(cloud(random, 90));
  Gmm beside_b = start;
  ASSERT_TRUE(beside_b.em_step(a, start.statistics(b), {}, stream, workspace).failure.ok());
  EXPECT_EQ(workspace.statistics, start.statistics(a));
  Gmm on_both = start;
  ASSERT_TRUE(on_both.em_step(beside(a, b), {}, stream, workspace).failure.ok());
  EXPECT_EQ(beside_b.points(), 530);
  EXPECT_TRUE(
      golden::close(beside_b.parameters().log_weights, on_both.parameters().log_weights, 1e-12));
  EXPECT_TRUE(golden::close(beside_b.parameters().means, on_both.parameters().means, 1e-12));
  for (int k = 0; k < K; ++k) {
    EXPECT_TRUE(golden::close(beside_b.parameters().covariances[k],
                              on_both.parameters().covariances[k], 1e-12));
  }
}

}  // namespace
}  // namespace pilqr
