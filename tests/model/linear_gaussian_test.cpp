// TVLG policies and dynamics as values: what they compute and what they refuse.

#include "pilqr/model/linear_gaussian.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::Random;

template <int Nx, int Nu>
void expect_acts_as_written(int nx, int nu) {
  Random random(17);
  const auto policy = random.policy<Nx, Nu>(4, nx, nu);
  const Vector<Nx> x = random.vector(nx);
  const Vector<Nu> xi = random.vector(nu);
  for (int t = 0; t < 4; ++t) {
    Vector<Nu> mean(nu);
    Vector<Nu> u(nu);
    policy.mean(t, x, mean);
    policy.act(t, x, xi, u);
    for (int i = 0; i < nu; ++i) {
      double expected = policy.k[t](i);
      for (int j = 0; j < nx; ++j) expected += policy.K[t](i, j) * x(j);
      EXPECT_NEAR(mean(i), expected, 1e-14);
      for (int j = 0; j <= i; ++j) expected += policy.L[t](i, j) * xi(j);
      EXPECT_NEAR(u(i), expected, 1e-14);
    }
    // Unit noise gives the columns of L, whose outer products sum to the covariance.
    Matrix<Nu, Nu> sum = Matrix<Nu, Nu>::Zero(nu, nu);
    for (int j = 0; j < nu; ++j) {
      policy.act(t, x, Vector<Nu>::Unit(nu, j), u);
      sum += (u - mean) * (u - mean).transpose();
    }
    EXPECT_TRUE(close(policy.Sigma(t), sum, 1e-13));
  }
}

TEST(LinearGaussianPolicy, ActsAsWritten) {
  expect_acts_as_written<3, 2>(3, 2);
  expect_acts_as_written<Dynamic, Dynamic>(5, 3);
  expect_acts_as_written<1, 1>(1, 1);
}

TEST(LinearGaussianPolicy, SizesAndEquality) {
  const auto policy = Random(2).policy<Dynamic, Dynamic>(5, 3, 2);
  EXPECT_EQ(policy.steps(), 5);
  EXPECT_EQ(policy.nx(), 3);
  EXPECT_EQ(policy.nu(), 2);
  auto copy = policy;
  EXPECT_EQ(copy, policy);
  copy.K[4](1, 2) += 1e-15;
  EXPECT_NE(copy, policy);
  copy = policy;
  copy.k[0](0) = 7.0;
  EXPECT_NE(copy, policy);
  copy = policy;
  copy.L[2](1, 0) = 7.0;
  EXPECT_NE(copy, policy);
  EXPECT_NE(policy, (Random(2).policy<Dynamic, Dynamic>(4, 3, 2)));
}

TEST(LinearGaussianPolicy, ConstructorRefusesEmptyShapes) {
  EXPECT_THROW(LinearGaussianPolicy<>(0, 1, 1), InvalidArgument);
  EXPECT_THROW(LinearGaussianPolicy<>(1, 0, 1), InvalidArgument);
  EXPECT_THROW(LinearGaussianPolicy<>(1, 1, 0), InvalidArgument);
  EXPECT_THROW((LinearGaussianPolicy<3, 2>(1, 3, 3)), InvalidArgument);
  EXPECT_NO_THROW(LinearGaussianPolicy<>(1, 1, 1));
}

/// The message of what require_valid throws; empty if nothing.
std::string complaint(const LinearGaussianPolicy<>& policy) {
  try {
    require_valid(policy, "given policy");
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return {};
}

TEST(LinearGaussianPolicy, ValidationNamesWhatIsWrong) {
  const auto good = Random(3).policy<Dynamic, Dynamic>(4, 3, 2);
  EXPECT_EQ(complaint(good), "");
  const auto expect = [&](const std::string& part, const auto& spoil) {
    auto policy = good;
    spoil(policy);
    const std::string message = complaint(policy);
    EXPECT_EQ(message.rfind("given policy", 0), 0U) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message << ", expected " << part;
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double inf = std::numeric_limits<double>::infinity();
  expect("K at step 2", [](auto& p) { p.K[2](1, 1) = nan; });
  expect("k at step 0", [](auto& p) { p.k[0](1) = inf; });
  expect("L at step 3", [](auto& p) { p.L[3](1, 0) = -inf; });
  expect("L at step 1 has 0 on its diagonal", [](auto& p) { p.L[1](1, 1) = 0.0; });
  expect("L at step 1 has -2 on its diagonal", [](auto& p) { p.L[1](0, 0) = -2.0; });
  expect("not lower triangular: (0, 1) is 0.5", [](auto& p) { p.L[2](0, 1) = 0.5; });
  expect("k has 3 steps of 2, expected 4 of 2", [](auto& p) { p.k.resize(3, 2); });
  expect("k has 4 steps of 3, expected 4 of 2", [](auto& p) { p.k.resize(4, 3); });
  expect("L has 5 steps of 2x2, expected 4 of 2x2", [](auto& p) { p.L.resize(5, 2, 2); });
  expect("L has 4 steps of 2x3", [](auto& p) { p.L.resize(4, 2, 3); });
  expect("empty", [](auto& p) { p = LinearGaussianPolicy<>(); });
}

TEST(LinearGaussianPolicy, SameShape) {
  const auto policy = Random(3).policy<Dynamic, Dynamic>(4, 3, 2);
  EXPECT_NO_THROW(require_same_shape(policy, LinearGaussianPolicy<>(4, 3, 2)));
  EXPECT_THROW(require_same_shape(policy, LinearGaussianPolicy<>(5, 3, 2)), InvalidArgument);
  EXPECT_THROW(require_same_shape(policy, LinearGaussianPolicy<>(4, 2, 2)), InvalidArgument);
  EXPECT_THROW(require_same_shape(policy, LinearGaussianPolicy<>(4, 3, 3)), InvalidArgument);
}

TEST(LinearGaussianDynamics, HasOneTransitionLessThanSteps) {
  const LinearGaussianDynamics<> dynamics(6, 3, 2);
  EXPECT_EQ(dynamics.steps(), 6);
  EXPECT_EQ(dynamics.F.steps(), 5);
  EXPECT_EQ(dynamics.f.steps(), 5);
  EXPECT_EQ(dynamics.W.steps(), 5);
  EXPECT_EQ(dynamics.nx(), 3);
  EXPECT_EQ(dynamics.nu(), 2);
  const LinearGaussianDynamics<3, 2> one(1, 3, 2);
  EXPECT_EQ(one.steps(), 1);
  EXPECT_EQ(one.nu(), 2);
  EXPECT_THROW(LinearGaussianDynamics<>(0, 3, 2), InvalidArgument);
  EXPECT_THROW((LinearGaussianDynamics<3, 2>(2, 3, 3)), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
