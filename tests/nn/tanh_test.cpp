#include "tanh.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "pilqr/core/random.hpp"

namespace pilqr {
namespace {

/// Both signs, from the smallest numbers to far beyond where tanh is 1, and what is not a number.
std::vector<double> arguments() {
  RandomStream random({.seed = 1});
  std::vector<double> x;
  for (int exponent = -1074; exponent <= 7; ++exponent) {
    const int count = exponent < -60 ? 3 : 200;
    for (int i = 0; i < count; ++i) x.push_back(std::ldexp(2.0 * random.uniform() - 1.0, exponent));
  }
  for (const double v : {0.0, 20.0, 1e300, std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN()}) {
    x.push_back(v);
    x.push_back(-v);
  }
  return x;
}

TEST(Tanh, IsTheLongDoubleOneToThreeUnitsInTheLastPlace) {
  const std::vector<double> x = arguments();
  std::vector<double> y = x;
  tanh_in_place(y.data(), static_cast<long>(y.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(y[i]));
      continue;
    }
    const long double exact = std::tanh(static_cast<long double>(x[i]));
    const double rounded = std::abs(static_cast<double>(exact));
    const double unit = rounded > 0.0 ? rounded - std::nextafter(rounded, 0.0) : 0.0;
    ASSERT_LE(std::abs(static_cast<double>(y[i] - exact)), 3.0 * unit) << x[i];
    ASSERT_EQ(std::signbit(y[i]), std::signbit(x[i])) << x[i];
    ASSERT_LE(std::abs(y[i]), 1.0);
  }
}

TEST(Tanh, BitsDependNeitherOnTheKernelNorOnThePosition) {
  const std::vector<double> x = arguments();
  std::vector<double> expected = x;
  for (double& v : expected) tanh_kernels::baseline(&v, 1);
  int kernels = 0;
  for (const tanh_kernels::Kernel kernel : tanh_kernels::available().list) {
    if (kernel == nullptr) continue;
    ++kernels;
    for (const std::size_t begin : {0U, 1U, 3U}) {
      std::vector<double> y = x;
      kernel(y.data() + begin, static_cast<long>(y.size() - begin));
      for (std::size_t i = begin; i < x.size(); ++i) {
        if (std::isnan(x[i])) continue;
        ASSERT_EQ(std::bit_cast<std::uint64_t>(y[i]), std::bit_cast<std::uint64_t>(expected[i]))
            << x[i];
      }
    }
  }
  EXPECT_GE(kernels, 1);
}

TEST(Tanh, StaysWithinItsArray) {
  for (long n = 0; n < 20; ++n) {
    std::vector<double> x(22, 0.5);
    tanh_in_place(x.data() + 1, n);
    for (long i = 0; i < 22; ++i) {
      EXPECT_EQ(x[static_cast<std::size_t>(i)] == 0.5, i < 1 || i > n);
    }
  }
}

}  // namespace
}  // namespace pilqr
