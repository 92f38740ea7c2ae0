// The distribution of the normals of RandomStream. Bounds are 5 standard deviations of the
// statistic unless said otherwise; the keys are fixed, so a test that passes always passes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "pilqr/core/random.hpp"

namespace pilqr {
namespace {

VectorX normals_of(const StreamKey& key, int n) {
  RandomStream stream(key);
  VectorX z(n);
  stream.fill_normal(z);
  return z;
}

TEST(NormalDistribution, Moments) {
  constexpr int n = 1 << 20;
  const auto z = normals_of({.seed = 20}, n).array().eval();
  EXPECT_NEAR(z.mean(), 0.0, 5.0 * std::sqrt(1.0 / n));
  EXPECT_NEAR(z.square().mean(), 1.0, 5.0 * std::sqrt(2.0 / n));
  EXPECT_NEAR(z.cube().mean(), 0.0, 5.0 * std::sqrt(15.0 / n));
  EXPECT_NEAR(z.square().square().mean(), 3.0, 5.0 * std::sqrt(96.0 / n));
  EXPECT_NEAR(z.cube().square().mean(), 15.0, 5.0 * std::sqrt((10395.0 - 225.0) / n));
}

// The largest distance between the distribution functions, in units of its scale: above 2.2 with
// probability 1.3e-4 (Kolmogorov's distribution).
TEST(NormalDistribution, KolmogorovSmirnov) {
  constexpr int n = 100000;
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    VectorX z = normals_of({.seed = seed}, n);
    std::sort(z.begin(), z.end());
    double largest = 0.0;
    for (int i = 0; i < n; ++i) {
      const double below = 0.5 * std::erfc(-z(i) / std::sqrt(2.0));
      largest = std::max(
          {largest, below - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - below});
    }
    EXPECT_LT(std::sqrt(n) * largest, 2.2) << "seed " << seed;
    EXPECT_GT(std::sqrt(n) * largest, 0.3) << "seed " << seed;  // nor too even to be random
  }
}

TEST(NormalDistribution, Tails) {
  constexpr int n = 1 << 20;
  const VectorX z = normals_of({.seed = 30}, n);
  for (const double bound : {1.0, 2.0, 3.0, 4.0}) {
    const double expected = n * 0.5 * std::erfc(bound / std::sqrt(2.0));
    double above = 0.0;
    double below = 0.0;
    for (const double v : z) {
      above += v > bound ? 1.0 : 0.0;
      below += v < -bound ? 1.0 : 0.0;
    }
    EXPECT_NEAR(above, expected, 5.0 * std::sqrt(expected));
    EXPECT_NEAR(below, expected, 5.0 * std::sqrt(expected));
  }
  EXPECT_GT(z.lpNorm<Eigen::Infinity>(), 4.0);   // smaller with probability 1e-29
  EXPECT_LT(z.lpNorm<Eigen::Infinity>(), 8.58);  // what 53 bits can give
}

/// Correlation of two rows of numbers, and of their squares, in standard deviations.
void expect_uncorrelated(const VectorX& a, const VectorX& b, int which) {
  const double root = std::sqrt(static_cast<double>(a.size()));
  EXPECT_LT(std::abs(a.dot(b)) / root, 5.0) << which;
  const auto x = a.array().square() - 1.0;
  const auto y = b.array().square() - 1.0;
  EXPECT_LT(std::abs((x * y).sum()) / (2.0 * root), 5.0) << which;
}

// Cosine and sine of one block, neighbouring blocks, neighbouring groups.
TEST(NormalDistribution, NeighboursAreIndependent) {
  constexpr int n = 1 << 18;
  const VectorX z = normals_of({.seed = 40}, n + 300);
  for (const int lag : {1, 2, 3, 4, 8, 14, 15, 16, 17, 32, 64, 128, 256}) {
    expect_uncorrelated(z.head(n), z.segment(lag, n), lag);
  }
}

TEST(NormalDistribution, NeighbouringStreamsAreIndependent) {
  constexpr int n = 1 << 16;
  const StreamKey key{.seed = 50};
  const StreamKey others[] = {
      {.seed = 51},
      {.seed = 50 + (1ULL << 32U)},
      {.seed = 50, .iteration = 1},
      {.seed = 50, .condition = 1},
      {.seed = 50, .sample = 1},
      {.seed = 50, .purpose = StreamPurpose::system},
  };
  const VectorX z = normals_of(key, n);
  int which = 0;
  for (const StreamKey& other : others) expect_uncorrelated(z, normals_of(other, n), which++);
}

}  // namespace
}  // namespace pilqr
