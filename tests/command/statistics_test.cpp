#include "statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "pilqr/core/check.hpp"

namespace pilqr::command {
namespace {

/// Probability below t under Student's distribution, by Simpson's rule on its density.
double student_t_below(double t, int degrees) {
  const double n = degrees;
  const double scale =
      std::exp(std::lgamma((n + 1) / 2) - std::lgamma(n / 2)) / std::sqrt(n * std::numbers::pi);
  const auto density = [&](double x) { return scale * std::pow(1 + x * x / n, -(n + 1) / 2); };
  constexpr int intervals = 20000;
  const double h = t / intervals;
  double sum = density(0.0) + density(t);
  for (int i = 1; i < intervals; ++i) sum += (i % 2 == 1 ? 4.0 : 2.0) * density(i * h);
  return 0.5 + sum * h / 3.0;
}

TEST(Statistics, QuantilesOfStudentsDistribution) {
  for (const int degrees : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 20, 30, 50, 100, 300}) {
    EXPECT_NEAR(student_t_below(student_t_975(degrees), degrees), 0.975, 1e-5) << degrees;
  }
  EXPECT_NEAR(student_t_975(1'000'000), 1.95996, 1e-4);
  EXPECT_THROW((void)student_t_975(0), InvalidArgument);
}

TEST(Statistics, MeanDeviationAndInterval) {
  const Statistic s = describe({1.0, 2.0, 3.0, 6.0});
  EXPECT_EQ(s.mean, 3.0);
  EXPECT_DOUBLE_EQ(s.std, std::sqrt(14.0 / 3.0));
  EXPECT_NEAR(s.high, 3.0 + 3.1824 * std::sqrt(14.0 / 3.0) / 2.0, 1e-12);
  EXPECT_NEAR(s.low + s.high, 6.0, 1e-12);
}

TEST(Statistics, TooFewOrNoNumbers) {
  EXPECT_TRUE(std::isnan(describe({}).mean));
  EXPECT_EQ(describe({2.0}).mean, 2.0);
  EXPECT_TRUE(std::isnan(describe({2.0}).std));
  EXPECT_TRUE(std::isnan(describe({2.0}).low));
  const Statistic s = describe({1.0, std::numeric_limits<double>::quiet_NaN(), 2.0});
  EXPECT_TRUE(std::isnan(s.mean) && std::isnan(s.std) && std::isnan(s.low) && std::isnan(s.high));
}

}  // namespace
}  // namespace pilqr::command
