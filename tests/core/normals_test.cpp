// The normals of RandomStream: their bits, their accuracy, the order in which they are drawn.
#include "normals.hpp"

#include <Random123/philox.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "pilqr/core/random.hpp"

namespace pilqr {
namespace {

using r123::Philox4x32;

Philox4x32::ctr_type block_of(const StreamKey& key, std::uint32_t block) {
  return Philox4x32{}(
      {{block, key.sample, key.condition | (static_cast<std::uint32_t>(key.purpose) << 24U),
        key.iteration}},
      {{static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32U)}});
}

struct Expected {
  StreamKey key;
  struct {
    int block;
    double cosine, sine;
  } pairs[6];
};

// Another implementation, in Python: the blocks in integers, the transform one double operation at
// a time; within 3.3 x 2^-53 of the exact transform (mpmath, 200 bits) in 40000 numbers.
const Expected table[] = {
    {{},
     {
         {0, -0x1.f1bcd549837c3p-4, -0x1.599bbd8a9eda7p+0},
         {1, -0x1.4f5b54df97ef4p-4, -0x1.c81bafe55414cp-3},
         {7, -0x1.5d9c213a64c08p-3, -0x1.cb5e39b96793ap-1},
         {8, 0x1.8d8ab1e807816p+0, -0x1.36a4090dd5385p-1},
         {63, 0x1.3b0bb2be45491p+1, 0x1.694d61d842571p-1},
         {64, 0x1.3a416e678186bp+0, 0x1.8c26aba2b931cp+0},
     }},
    {{.seed = 1, .iteration = 2, .condition = 3, .sample = 4, .purpose = StreamPurpose::system},
     {
         {0, 0x1.5e642dca513d9p+1, -0x1.1103f51467f4dp-2},
         {5, 0x1.2c7a441ec42ffp-1, 0x1.1980a76d4c41ep-3},
         {9, -0x1.311e4c3042d78p+0, 0x1.559c8579e7f44p-3},
         {40, -0x1.158f6ae906907p+0, -0x1.dde74d93b05d7p-1},
         {1000, 0x1.65ede4b8c707ap+1, 0x1.817b06ddde09ap-2},
         {65535, -0x1.9651513c8c5a3p-2, -0x1.8ca2b31585816p-4},
     }},
    {{.seed = 0x0123456789abcdef,
      .iteration = 0xffffffff,
      .condition = 0xffffff,
      .sample = 0xffffffff,
      .purpose = StreamPurpose::evaluation_system},
     {
         {0, 0x1.ae88c18a96a54p+0, -0x1.ffaabc4630275p+0},
         {3, -0x1.d6bdd560e3f61p-3, -0x1.5fd42159ff753p-1},
         {100, -0x1.254222fc29921p+0, -0x1.2f53a171ed337p+0},
         {127, 0x1.16faec7cf15d5p-2, 0x1.306bfd94f895dp-1},
         {4095, 0x1.40886ebd4836bp+0, 0x1.37ca1c3e69f5dp-2},
         {99999, 0x1.4d6bd0a0b0249p-2, 0x1.01d06d6257b99p-5},
     }},
};

TEST(Normals, HaveTheSameBitsOnEveryMachine) {
  for (const Expected& expected : table) {
    RandomStream stream(expected.key);
    std::vector<double> z(200000);
    stream.fill_normal(z.data(), 200000);
    for (const auto& [block, cosine, sine] : expected.pairs) {
      const auto i = static_cast<std::size_t>(2 * block);
      EXPECT_EQ(z[i], cosine) << "block " << block;
      EXPECT_EQ(z[i + 1], sine) << "block " << block;
    }
  }
}

TEST(Normals, AllInstructionSetsAgree) {
  const auto kernels = normals::available();
  ASSERT_NE(kernels.list[0], nullptr);
  const std::uint32_t key[] = {0x01234567U, 0x89abcdefU};
  for (const std::uint32_t first : {0U, 5U, 0xffffffffU - 20U}) {  // the last one wraps around
    const std::uint32_t counter[] = {first, 7U, 8U, 9U};
    for (int groups = 1; groups <= 19; ++groups) {
      const auto n = static_cast<std::size_t>(groups * normals::group_size);
      std::vector<double> expected(n + 1, -1.0);
      kernels.list[0](counter, key, groups, expected.data());
      EXPECT_EQ(expected[n], -1.0);
      for (const normals::Kernel kernel : kernels.list) {
        if (kernel == nullptr) continue;
        std::vector<double> z(n + 1, -1.0);
        kernel(counter, key, groups, z.data());
        EXPECT_EQ(z, expected) << groups << " groups from block " << first;
      }
    }
  }
}

// The counter counts modulo 2^32, and the words are those of Random123.
TEST(Normals, AreBoxMullerOfRandom123) {
  const StreamKey keys[] = {{}, {.seed = 99, .iteration = 7, .condition = 5, .sample = 3}};
  for (const StreamKey& key : keys) {
    RandomStream stream(key);
    for (std::uint32_t block = 0; block < 20000; ++block) {
      const auto words = block_of(key, block);
      const std::uint64_t first = ((std::uint64_t{words[0]} << 32U) | words[1]) >> 12U;
      const std::uint64_t second = ((std::uint64_t{words[2]} << 32U) | words[3]) >> 12U;
      const long double u1 = (static_cast<long double>(first) + 0.5L) * 0x1p-52L;
      // Reduced to a quarter turn before pi comes in: close to its zeros, too, the sine is exact.
      const long double turns = (static_cast<long double>(second) + 0.5L) * 0x1p-50L;
      const long double quarter = std::round(turns);
      const long double angle = (turns - quarter) * std::numbers::pi_v<long double> / 2;
      const long double radius = std::sqrt(-2 * std::log(u1));
      const long double cosines[] = {std::cos(angle), -std::sin(angle), -std::cos(angle),
                                     std::sin(angle)};
      const int q = static_cast<int>(quarter);
      const auto cosine = static_cast<double>(radius * cosines[q % 4]);
      const auto sine = static_cast<double>(radius * cosines[(q + 3) % 4]);
      const double z = stream.normal();
      EXPECT_NEAR(z, cosine, 6e-16 * std::abs(cosine)) << "block " << block;
      const double next = stream.normal();
      EXPECT_NEAR(next, sine, 6e-16 * std::abs(sine)) << "block " << block;
    }
  }
}

TEST(Normals, FillingIsRepeatedDrawing) {
  for (int n = 0; n <= 70; ++n) {
    for (const int before : {0, 1, 15, 16, 17}) {
      RandomStream one({.seed = 3});
      RandomStream all({.seed = 3});
      for (int i = 0; i < before; ++i) EXPECT_EQ(one.normal(), all.normal());
      std::vector<double> z(static_cast<std::size_t>(n) + 1, -1.0);
      all.fill_normal(z.data(), n);
      for (int i = 0; i < n; ++i) EXPECT_EQ(z[static_cast<std::size_t>(i)], one.normal());
      EXPECT_EQ(z.back(), -1.0);
      EXPECT_EQ(one.uniform(), all.uniform());
      EXPECT_EQ(one.normal(), all.normal());
    }
  }
}

TEST(Normals, FillingIsRepeatedDrawingBetweenOtherDraws) {
  RandomStream choice({.seed = 1});
  RandomStream one({.seed = 2});
  RandomStream all({.seed = 2});
  double z[64];
  for (int round = 0; round < 3000; ++round) {
    switch (choice() % 3) {
      case 0:
        EXPECT_EQ(one(), all());
        break;
      case 1:
        EXPECT_EQ(one.uniform(), all.uniform());
        break;
      default: {
        const int n = static_cast<int>(choice() % 64);
        all.fill_normal(z, n);
        for (int i = 0; i < n; ++i) EXPECT_EQ(z[i], one.normal());
      }
    }
  }
}

// Normals take eight whole blocks; words of a block that was begun are not lost.
TEST(Normals, LeaveTheOtherNumbersTheirBlocks) {
  const StreamKey key{.seed = 11};
  RandomStream stream(key);
  EXPECT_EQ(stream(), block_of(key, 0)[0]);
  const double first = stream.normal();  // blocks 1 to 8
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(stream(), block_of(key, 0)[i]);
  EXPECT_EQ(stream(), block_of(key, 9)[0]);
  RandomStream other(key);
  for (int i = 0; i < 4; ++i) (void)other();
  EXPECT_EQ(other.normal(), first);
}

TEST(Normals, FillMatricesInTheOrderOfTheirMemory) {
  RandomStream a({.seed = 4});
  RandomStream b({.seed = 4});
  Eigen::Matrix<double, 3, 7> columns;
  Eigen::Matrix<double, 3, 7, Eigen::RowMajor> rows;
  a.fill_normal(columns);
  b.fill_normal(rows);
  RandomStream c({.seed = 4});
  for (int i = 0; i < 21; ++i) {
    const double z = c.normal();
    EXPECT_EQ(columns(i % 3, i / 3), z);
    EXPECT_EQ(rows(i / 7, i % 7), z);
  }
}

}  // namespace
}  // namespace pilqr
