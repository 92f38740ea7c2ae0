#include "pilqr/model/noise.hpp"

#include <gtest/gtest.h>

#include "support/golden.hpp"

namespace pilqr {
namespace {

TEST(Noise, Golden) {
  const auto file = golden::load("p_noise_smoothing");
  for (const auto& [key, input] : file.at("inputs").items()) {
    MatrixX noise = golden::matrix(input.at("raw")).transpose();
    smooth_noise(input.at("smooth_noise_var").get<double>(), noise);
    const MatrixX expected = golden::matrix(file.at("outputs").at(key).at("noise")).transpose();
    EXPECT_TRUE(golden::close(noise, expected, 1e-12)) << key;
  }
}

TEST(Noise, AntitheticPairsAreOpposite) {
  const NoiseOptions options{.width = 3.0, .antithetic = true};
  const MatrixX a = draw_noise(options, {.seed = 5}, 6, 50, 2);
  const MatrixX b = draw_noise(options, {.seed = 5}, 7, 50, 2);
  EXPECT_EQ(a, -b);
  EXPECT_NE(a, draw_noise(options, {.seed = 5}, 8, 50, 2));
}

TEST(Noise, ShortHorizonsHaveUnitVarianceOverTheDistribution) {
  for (const int T : {1, 2, 5}) {
    const NoiseOptions options{.width = 3.0, .antithetic = false};
    double square = 0.0;
    constexpr int n = 20000;
    for (int i = 0; i < n; ++i) square += draw_noise(options, {}, i, T, 1).squaredNorm() / T;
    EXPECT_NEAR(square / n, 1.0, 0.05) << "T = " << T;
  }
}

TEST(Noise, WidthZeroIsWhite) {
  RandomStream stream({.seed = 3});
  MatrixX expected(2, 30);
  stream.fill_normal(expected);
  EXPECT_EQ(draw_noise({.width = 0.0, .antithetic = false}, {.seed = 3}, 0, 30, 2), expected);
}

TEST(Noise, RefusesBadWidths) {
  EXPECT_THROW(require_valid({.width = -1.0}), InvalidArgument);
  EXPECT_THROW(require_valid({.width = std::nan("")}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
