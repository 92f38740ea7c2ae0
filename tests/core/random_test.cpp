#include "pilqr/core/random.hpp"

#include <gtest/gtest.h>

#include <set>

namespace pilqr {
namespace {

// Philox4x32-10, counter 0 and key 0: the known answer that Random123 ships (kat_vectors).
TEST(RandomStream, KnownAnswer) {
  RandomStream stream(StreamKey{});
  EXPECT_EQ(stream(), 0x6627e8d5U);
  EXPECT_EQ(stream(), 0xe169c58dU);
  EXPECT_EQ(stream(), 0xbc57ac4cU);
  EXPECT_EQ(stream(), 0x9b00dbd8U);
}

TEST(RandomStream, EveryPartOfTheKeyChangesTheNumbers) {
  std::set<std::uint32_t> first;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32U}) {
    for (const std::uint32_t iteration : {0U, 1U}) {
      for (const std::uint32_t condition : {0U, 1U}) {
        for (const std::uint32_t sample : {0U, 1U}) {
          for (const auto purpose : {StreamPurpose::exploration, StreamPurpose::system}) {
            RandomStream stream({seed, iteration, condition, sample, purpose});
            first.insert(stream());
          }
        }
      }
    }
  }
  EXPECT_EQ(first.size(), 3U * 2U * 2U * 2U * 2U);
}

TEST(RandomStream, MomentsOfNormals) {
  RandomStream stream({.seed = 7});
  constexpr int n = 400000;
  double sum = 0.0;
  double square = 0.0;
  double fourth = 0.0;
  double lagged = 0.0;
  double previous = 0.0;
  for (int i = 0; i < n; ++i) {
    const double z = stream.normal();
    sum += z;
    square += z * z;
    fourth += z * z * z * z;
    lagged += z * previous;
    previous = z;
  }
  EXPECT_NEAR(sum / n, 0.0, 5.0 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1.0, 5.0 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3.0, 5.0 * std::sqrt(96.0 / n));
  EXPECT_NEAR(lagged / n, 0.0, 5.0 / std::sqrt(n));
}

TEST(RandomStream, UniformsAreInTheOpenInterval) {
  RandomStream stream({.seed = 8});
  double smallest = 1.0;
  double largest = 0.0;
  for (int i = 0; i < 100000; ++i) {
    const double v = stream.uniform();
    smallest = std::min(smallest, v);
    largest = std::max(largest, v);
  }
  EXPECT_GT(smallest, 0.0);
  EXPECT_LT(smallest, 1e-3);
  EXPECT_LT(largest, 1.0);
  EXPECT_GT(largest, 1.0 - 1e-3);
}

}  // namespace
}  // namespace pilqr
