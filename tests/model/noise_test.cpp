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

// The filter as a T x T matrix: weights of the Gaussian, the sequence d c b a | a b c d | d c b a.
MatrixX smoothed_by_matrix(double width, const MatrixX& noise) {
  const int T = cols(noise);
  const int radius = static_cast<int>(std::lround(4.0 * width));
  MatrixX filter = MatrixX::Zero(T, T);
  double sum = 0.0;
  for (int j = -radius; j <= radius; ++j) sum += std::exp(-0.5 * j * j / (width * width));
  for (int t = 0; t < T; ++t) {
    for (int j = -radius; j <= radius; ++j) {
      int from = t + j;
      while (from < 0 || from >= T) from = from < 0 ? -1 - from : 2 * T - 1 - from;
      filter(from, t) += std::exp(-0.5 * j * j / (width * width)) / sum;
    }
  }
  MatrixX out = noise * filter;
  for (int d = 0; d < rows(out); ++d) {
    const double mean = out.row(d).mean();
    const double variance = (out.row(d).array() - mean).square().mean();
    for (int t = 0; t < T; ++t) {
      out(d, t) /= T > 4.0 * width && variance > 0.0 ? std::sqrt(variance) : filter.col(t).norm();
    }
  }
  return out;
}

TEST(Noise, FilterIsThatOfTheMatrix) {
  RandomStream stream({.seed = 9});
  for (const double width : {0.1, 0.5, 1.0, 3.0, 7.3, 40.0}) {
    for (const int T : {1, 2, 3, 12, 13, 30, 100}) {
      MatrixX noise(3, T);
      stream.fill_normal(noise);
      const MatrixX expected = smoothed_by_matrix(width, noise);
      smooth_noise(width, noise);
      EXPECT_LT((noise - expected).cwiseAbs().maxCoeff(), 1e-13)
          << "width " << width << ", T = " << T;
    }
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
