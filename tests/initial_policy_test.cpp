// Policies to start from: golden data, the Riccati recursion they solve, that they hold, misuse.

#include "pilqr/initial_policy.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <limits>

#include "support/golden.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;

template <int Nx, int Nu>
void expect_policy(const LinearGaussianPolicy<Nx, Nu>& actual, const Json& expected) {
  require_valid(actual, "initial policy");
  const auto want = golden::policy<Nx, Nu>(expected);
  EXPECT_TRUE(close(actual.K, want.K, 1e-9, 1e-9));
  EXPECT_TRUE(close(actual.k, want.k, 1e-9, 1e-9));
  EXPECT_TRUE(close(actual.L, want.L, 1e-9));
}

template <int Nx, int Nu>
LinearGaussianPolicy<Nx, Nu> from_golden(const Json& in) {
  const Vector<Nx> x0 = golden::vector(in.at("x0"));
  const int T = in.at("T").get<int>();
  const int nu = in.at("dU").get<int>();
  if (in.at("kind") == "pd") {
    return hold_position_pd<Nx, Nu>(T, nu, x0, in.at("pos_gains").get<double>(),
                                    in.at("vel_gains_mult").get<double>(),
                                    in.at("init_var").get<double>());
  }
  return hold_position_lqr<Nx, Nu>(T, nu, x0,
                                   {.dt = in.at("dt").get<double>(),
                                    .variance = in.at("init_var").get<double>(),
                                    .stiffness = in.at("stiffness").get<double>(),
                                    .velocity_stiffness = in.at("stiffness_vel").get<double>(),
                                    .final_weight = in.at("final_weight").get<double>(),
                                    .gains = golden::vector(in.at("init_gains")),
                                    .accelerations = golden::vector(in.at("init_acc"))});
}

TEST(InitialPolicy, Golden) {
  const Json file = golden::load("m_init");
  int cases = 0;
  for (const auto& [key, in] : file.at("inputs").items()) {
    SCOPED_TRACE(key);
    expect_policy(from_golden<Dynamic, Dynamic>(in), file.at("outputs").at(key));
    ++cases;
  }
  EXPECT_EQ(cases, 6);
}

TEST(InitialPolicy, GoldenFixedSizes) {
  const Json file = golden::load("m_init");
  for (const std::string key : {"lqr_small", "pd_small"}) {
    SCOPED_TRACE(key);
    expect_policy(from_golden<5, 2>(file.at("inputs").at(key)), file.at("outputs").at(key));
  }
}

TEST(HoldPositionLqr, DefaultsAreUnitGainsWithoutGravity) {
  const VectorX x0 = VectorX::LinSpaced(4, -1.0, 1.0);
  const auto implicit = hold_position_lqr<Dynamic, Dynamic>(6, 2, x0, {});
  const auto written = hold_position_lqr<Dynamic, Dynamic>(
      6, 2, x0, {.gains = VectorX::Ones(2), .accelerations = VectorX::Zero(2)});
  EXPECT_EQ(implicit, written);
}

TEST(HoldPositionLqr, OneJointByHand) {
  // One step: the cost of u alone, so K = 0 and Sigma is the variance over the final weight.
  const VectorX x0 = VectorX::Constant(2, 0.3);
  const auto one =
      hold_position_lqr<Dynamic, Dynamic>(1, 1, x0, {.variance = 3.0, .final_weight = 2.0});
  EXPECT_TRUE(one.K[0].isZero(0.0));
  EXPECT_EQ(one.k[0](0), 0.0);
  EXPECT_NEAR(one.Sigma(0)(0), 1.5, 1e-15);

  // Two steps: u minimises 1/2 u^2 + 1/2 s (q + h v + h^2 g u - q0)^2 + 1/2 s r (v + h g u - v0)^2.
  const double h = 0.1;
  const double g = 2.0;
  const double s = 5.0;
  const double r = 0.5;
  const auto two = hold_position_lqr<Dynamic, Dynamic>(2, 1, x0,
                                                       {.dt = h,
                                                        .variance = 3.0,
                                                        .stiffness = s,
                                                        .velocity_stiffness = r,
                                                        .gains = VectorX::Constant(1, g)});
  const double curvature = 1.0 + s * h * h * h * h * g * g + s * r * h * h * g * g;
  EXPECT_NEAR(two.Sigma(0)(0), 3.0 / curvature, 1e-13);
  EXPECT_NEAR(two.K[0](0), -s * h * h * g / curvature, 1e-13);
  EXPECT_NEAR(two.K[0](1), -(s * h * h * g * h + s * r * h * g) / curvature, 1e-13);
  EXPECT_NEAR(two.k[0](0), (s * h * h * g * 0.3 + s * r * h * g * 0.3) / curvature, 1e-13);
}

TEST(HoldPositionLqr, HoldsOnItsOwnModel) {
  // Started off the position, the guessed double integrator returns to it; at it, u compensates
  // gravity as far as the cost of u allows.
  VectorX x0(5);
  x0 << 0.4, -0.2, 0.0, 0.0, 9.0;  // two joints at rest, one more entry that does not matter
  const HoldPositionOptions options{
      .dt = 0.05, .variance = 1.0, .stiffness = 50.0, .gains = VectorX::Constant(2, 4.0)};
  const auto policy = hold_position_lqr<Dynamic, Dynamic>(200, 2, x0, options);
  VectorX x = x0;
  x(0) += 0.5;
  x(1) -= 0.3;
  for (int t = 0; t < 150; ++t) {
    const VectorX u = policy.K[t] * x + policy.k[t];
    const VectorX v = x.segment(2, 2) + 0.05 * 4.0 * u;
    x.head(2) += 0.05 * v;
    x.segment(2, 2) = v;
  }
  EXPECT_LT((x - x0).head(4).norm(), 1e-3);
  EXPECT_TRUE(policy.K[0].col(4).isZero(0.0));
  // At the position itself it does nothing.
  EXPECT_LT((policy.K[0] * x0 + policy.k[0]).norm(), 1e-12);
}

TEST(HoldPositionLqr, VarianceScalesTheCovarianceOnly) {
  const VectorX x0 = VectorX::LinSpaced(4, 0.0, 1.0);
  const auto one = hold_position_lqr<Dynamic, Dynamic>(9, 2, x0, {.variance = 1.0});
  const auto four = hold_position_lqr<Dynamic, Dynamic>(9, 2, x0, {.variance = 4.0});
  EXPECT_TRUE(close(four.K, one.K, 1e-12, 1e-6));
  EXPECT_TRUE(close(four.k, one.k, 1e-12, 1e-6));
  for (int t = 0; t < 9; ++t) EXPECT_TRUE(close(four.L[t], 2.0 * one.L[t], 1e-12));
}

TEST(HoldPositionLqr, MisuseThrows) {
  const VectorX x0 = VectorX::Zero(4);
  const auto call = [&](int steps, int nu, const HoldPositionOptions& o) {
    return hold_position_lqr<Dynamic, Dynamic>(steps, nu, x0, o);
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double inf = std::numeric_limits<double>::infinity();
  EXPECT_NO_THROW((void)call(3, 2, {}));
  EXPECT_THROW((void)call(0, 2, {}), InvalidArgument);
  EXPECT_THROW((void)call(3, 0, {}), InvalidArgument);
  EXPECT_THROW((void)call(3, 3, {}), InvalidArgument);  // nx < 2 nu
  for (const double bad : {-1.0, nan, inf}) {
    EXPECT_THROW((void)call(3, 2, {.dt = bad}), InvalidArgument);
    EXPECT_THROW((void)call(3, 2, {.variance = bad}), InvalidArgument);
    EXPECT_THROW((void)call(3, 2, {.stiffness = bad}), InvalidArgument);
    EXPECT_THROW((void)call(3, 2, {.velocity_stiffness = bad}), InvalidArgument);
    EXPECT_THROW((void)call(3, 2, {.final_weight = bad}), InvalidArgument);
  }
  EXPECT_THROW((void)call(3, 2, {.dt = 0.0}), InvalidArgument);
  EXPECT_THROW((void)call(3, 2, {.variance = 0.0}), InvalidArgument);
  EXPECT_THROW((void)call(3, 2, {.final_weight = 0.0}), InvalidArgument);
  EXPECT_THROW((void)call(3, 2, {.gains = VectorX::Ones(3)}), InvalidArgument);
  EXPECT_THROW((void)call(3, 2, {.gains = VectorX::Constant(2, nan)}), InvalidArgument);
  EXPECT_THROW((void)call(3, 2, {.accelerations = VectorX::Ones(1)}), InvalidArgument);
  EXPECT_THROW((void)call(3, 2, {.accelerations = VectorX::Constant(2, inf)}), InvalidArgument);
  EXPECT_THROW((void)(hold_position_lqr<Dynamic, Dynamic>(3, 2, VectorX::Constant(4, nan), {})),
               InvalidArgument);
}

TEST(HoldPositionPd, IsALinearFeedback) {
  Vector<5> x0;
  x0 << 1.0, 2.0, 3.0, 4.0, 5.0;
  const auto policy = hold_position_pd<5, 2>(3, 2, x0, 10.0, 0.1, 4.0);
  Vector<5> x;
  x << 1.5, 2.0, 3.0, 6.0, -7.0;
  for (int t = 0; t < 3; ++t) {
    Vector<2> u;
    policy.mean(t, x, u);
    EXPECT_NEAR(u(0), -10.0 * 0.5, 1e-13);
    EXPECT_NEAR(u(1), -10.0 * 0.1 * 2.0, 1e-13);
    EXPECT_TRUE(close(policy.Sigma(t), 4.0 * Matrix<2, 2>::Identity(), 1e-15));
  }
}

TEST(HoldPositionPd, MisuseThrows) {
  const VectorX x0 = VectorX::Zero(4);
  const auto call = [&](int steps, int nu, double gain, double velocity, double variance) {
    return hold_position_pd<Dynamic, Dynamic>(steps, nu, x0, gain, velocity, variance);
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NO_THROW((void)call(1, 2, 1.0, 1.0, 1.0));
  EXPECT_THROW((void)call(0, 2, 1.0, 1.0, 1.0), InvalidArgument);
  EXPECT_THROW((void)call(1, 3, 1.0, 1.0, 1.0), InvalidArgument);
  EXPECT_THROW((void)call(1, 2, nan, 1.0, 1.0), InvalidArgument);
  EXPECT_THROW((void)call(1, 2, 1.0, nan, 1.0), InvalidArgument);
  EXPECT_THROW((void)call(1, 2, 1.0, 1.0, 0.0), InvalidArgument);
  EXPECT_THROW((void)call(1, 2, 1.0, 1.0, nan), InvalidArgument);
  EXPECT_THROW(
      (void)(hold_position_pd<Dynamic, Dynamic>(1, 2, VectorX::Constant(4, nan), 1.0, 1.0, 1.0)),
      InvalidArgument);
}

TEST(ZeroMeanPolicy, IgnoresTheState) {
  const auto policy = zero_mean_policy<3, 2>(4, 3, Vector<2>(4.0, 0.25));
  require_valid(policy, "zero-mean policy");
  for (int t = 0; t < 4; ++t) {
    Vector<2> u;
    policy.act(t, Vector<3>(1.0, -2.0, 3.0), Vector<2>(1.0, -1.0), u);
    EXPECT_EQ(u, Vector<2>(2.0, -0.5));
  }
  EXPECT_EQ((zero_mean_policy<Dynamic, Dynamic>(2, 5, VectorX::Ones(1)).nx()), 5);
}

TEST(ZeroMeanPolicy, MisuseThrows) {
  const auto call = [](int steps, int nx, const VectorX& variances) {
    return zero_mean_policy<Dynamic, Dynamic>(steps, nx, variances);
  };
  EXPECT_THROW((void)call(0, 2, VectorX::Ones(2)), InvalidArgument);
  EXPECT_THROW((void)call(2, 0, VectorX::Ones(2)), InvalidArgument);
  EXPECT_THROW((void)call(2, 2, VectorX()), InvalidArgument);
  for (const double bad : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW((void)call(2, 2, Vector<2>(1.0, bad)), InvalidArgument);
  }
}

}  // namespace
}  // namespace pilqr
