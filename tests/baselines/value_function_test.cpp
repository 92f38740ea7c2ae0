#include "pilqr/baselines/value_function.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

ValueFunction fresh(const ValueOptions& options = {.hidden = {8}}) {
  RandomStream stream({.seed = 3});
  return {2, options, stream};
}

struct Points {
  MatrixX z;
  VectorX returns;
  Points() {
    test::Random random(5);
    z = random.matrix(2, 200);
    returns = (3.0 * z.row(0) - z.row(1).cwiseAbs2()).transpose().array() - 40.0;
  }
};

VectorX values_of(ValueFunction& value, const MatrixX& z) {
  VectorX out(z.cols());
  value.evaluate(z, out);
  return out;
}

Failure fit(ValueFunction& value, const MatrixX& z, const VectorX& returns) {
  RandomStream stream({.seed = 4});
  return value.fit(z, returns, stream);
}

TEST(ValueFunction, LearnsTheReturns) {
  const Points points;
  ValueFunction value = fresh({.hidden = {16}, .epochs = 200, .adam = {.learning_rate = 1e-2}});
  ASSERT_TRUE(fit(value, points.z, points.returns).ok());
  const VectorX error = values_of(value, points.z) - points.returns;
  const double variance = (points.returns.array() - points.returns.mean()).square().mean();
  EXPECT_LE(error.squaredNorm() / 200.0, 0.01 * variance);
}

// Another mean and scale of the returns change the last layer, and not the function.
TEST(ValueFunction, StandardisingKeepsTheFunction) {
  const Points points;
  ValueFunction value = fresh({.hidden = {8}, .epochs = 1, .adam = {.learning_rate = 1e-300}});
  ASSERT_TRUE(fit(value, points.z, points.returns).ok());
  const ValueState before = value.state();
  const VectorX expected = values_of(value, points.z);
  ASSERT_TRUE(fit(value, points.z, 100.0 * points.returns.array() + 5e3).ok());
  EXPECT_NE(value.state().network, before.network);
  // Values are sums with the mean, which is much larger here than they are.
  EXPECT_LE((values_of(value, points.z) - expected).norm(), 1e-13 * std::abs(value.state().mean));
}

// From new on: other units of the returns give the same values in the other units.
TEST(ValueFunction, FollowsTheUnitOfTheReturns) {
  const Points points;
  ValueFunction a = fresh();
  ValueFunction b = fresh();
  ASSERT_TRUE(fit(a, points.z, points.returns).ok());
  ASSERT_TRUE(fit(b, points.z, 1e3 * points.returns.array() + 7.0).ok());
  const VectorX expected = 1e3 * values_of(a, points.z).array() + 7.0;
  EXPECT_LE((values_of(b, points.z) - expected).norm(), 1e-9 * expected.norm());
}

TEST(ValueFunction, EqualReturnsAndFewPointsAreFine) {
  ValueFunction value = fresh();
  ASSERT_TRUE(fit(value, MatrixX::Ones(2, 3), VectorX::Constant(3, -2.0)).ok());
  EXPECT_TRUE(std::isfinite(values_of(value, MatrixX::Ones(2, 1))(0)));
}

TEST(ValueFunction, ANaNIsAFailureAndLeavesItAsItWas) {
  Points points;
  ValueFunction value = fresh();
  ASSERT_TRUE(fit(value, points.z, points.returns).ok());
  const ValueState before = value.state();
  VectorX bad = points.returns;
  bad(3) = std::nan("");
  EXPECT_EQ(fit(value, points.z, bad).kind, FailureKind::non_finite_update);
  points.z(0, 100) = std::nan("");
  EXPECT_EQ(fit(value, points.z, points.returns).kind, FailureKind::non_finite_update);
  EXPECT_EQ(value.state(), before);
}

// Finite, and the square of their deviation is not, or their sum.
TEST(ValueFunction, ReturnsThatAreTooLargeAreAFailureAndLeaveItAsItWas) {
  const Points points;
  for (const bool first : {true, false}) {
    ValueFunction value = fresh();
    if (!first) {
      ASSERT_TRUE(fit(value, points.z, points.returns).ok());
    }
    const ValueState before = value.state();
    VectorX large = points.returns;
    large(3) = -1e160;
    EXPECT_EQ(fit(value, points.z, large).kind, FailureKind::non_finite_update);
    EXPECT_EQ(fit(value, points.z, VectorX::Constant(200, 1e308)).kind,
              FailureKind::non_finite_update);
    EXPECT_EQ(value.state(), before);
  }
}

TEST(ValueFunction, RefusesOptionsAndStates) {
  EXPECT_THROW(fresh({.epochs = 0}), InvalidArgument);
  EXPECT_THROW(fresh({.batch = 0}), InvalidArgument);
  EXPECT_THROW(fresh({.adam = {.learning_rate = -1.0}}), InvalidArgument);
  ValueFunction value = fresh();
  ValueState state = value.state();
  state.scale = 0.0;
  EXPECT_THROW(value.restore(state), InvalidArgument);
  EXPECT_THROW(value.restore(fresh({.hidden = {9}}).state()), InvalidArgument);
  state = value.state();
  state.adam.v(2) = -1e-9;
  EXPECT_THROW(value.restore(state), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
