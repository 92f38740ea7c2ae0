#include "pilqr/nn/adam.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

// Algorithm 1 with decoupled decay (its algorithm 2) as it is written, one scalar at a time; in
// long double, with the powers multiplied up.
TEST(Adam, IsAlgorithmOne) {
  const AdamOptions options{
      .learning_rate = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.3};
  test::Random random(1);
  for (const int n : {1, 3, 255, 256, 600}) {
    VectorX parameters = random.vector(n);
    AdamState state(n);
    Eigen::Matrix<long double, Dynamic, 1> theta = parameters.cast<long double>();
    Eigen::Matrix<long double, Dynamic, 1> m = 0.0L * theta;
    Eigen::Matrix<long double, Dynamic, 1> v = m;
    long double power1 = 1.0L;
    long double power2 = 1.0L;
    for (int t = 1; t <= 50; ++t) {
      const VectorX g = std::pow(10.0, t % 5 - 2) * random.vector(n);
      ASSERT_TRUE(adam_step(g, options, state, parameters).ok());
      power1 *= 0.8L;
      power2 *= 0.95L;
      for (int i = 0; i < n; ++i) {
        const long double gi = g(i);
        m(i) = 0.8L * m(i) + 0.2L * gi;
        v(i) = 0.95L * v(i) + 0.05L * gi * gi;
        const long double m_hat = m(i) / (1.0L - power1);
        const long double v_hat = v(i) / (1.0L - power2);
        theta(i) -= 0.02L * (m_hat / (std::sqrt(v_hat) + 1e-3L) + 0.3L * theta(i));
      }
      ASSERT_EQ(state.step, t);
      ASSERT_LE((parameters - theta.cast<double>()).cwiseAbs().maxCoeff(), 1e-13) << n << " " << t;
    }
  }
}

TEST(Adam, FirstStepIsTheLearningRateWhateverTheScale) {
  for (const double scale : {1e-4, 1.0, 1e8}) {
    VectorX parameters = VectorX::Constant(3, 0.5);
    AdamState state(3);
    const VectorX g = scale * (VectorX(3) << 1.0, -7.0, 0.0).finished();
    ASSERT_TRUE(adam_step(g, {.learning_rate = 0.1}, state, parameters).ok());
    EXPECT_NEAR(parameters(0), 0.4, 0.1 * 2e-4);  // epsilon / gradient
    EXPECT_NEAR(parameters(1), 0.6, 0.1 * 2e-4);
    EXPECT_EQ(parameters(2), 0.5);
  }
}

TEST(Adam, GoesOnFromASavedState) {
  test::Random random(2);
  VectorX parameters = random.vector(5);
  AdamState state(5);
  for (int t = 0; t < 7; ++t) (void)adam_step(random.vector(5), {}, state, parameters);
  AdamState saved;
  saved.m = state.m;
  saved.v = state.v;
  saved.step = state.step;
  VectorX resumed = parameters;
  const VectorX g = random.vector(5);
  ASSERT_TRUE(adam_step(g, {}, state, parameters).ok());
  EXPECT_FALSE(saved == state);  // copies are independent
  ASSERT_TRUE(adam_step(g, {}, saved, resumed).ok());
  EXPECT_EQ(resumed, parameters);
  EXPECT_EQ(saved, state);
}

TEST(Adam, FindsTheMinimumOfAQuadratic) {
  test::Random random(3);
  const MatrixX A = random.positive_definite(4, 0.5);
  const VectorX best = random.vector(4);
  VectorX theta = VectorX::Zero(4);
  AdamState state(4);
  for (int t = 0; t < 4000; ++t) {
    const double rate = 0.05 * std::pow(0.997, t);
    ASSERT_TRUE(adam_step(A * (theta - best), {.learning_rate = rate}, state, theta).ok());
  }
  EXPECT_LE((theta - best).norm(), 1e-6);
}

TEST(Adam, ReportsABadGradientAndChangesNothing) {
  test::Random random(4);
  VectorX parameters = random.vector(300);
  AdamState state(300);
  ASSERT_TRUE(adam_step(random.vector(300), {}, state, parameters).ok());
  const VectorX before = parameters;
  const AdamState state_before = state;
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                           -std::numeric_limits<double>::infinity(), 1e200}) {
    VectorX g = random.vector(300);
    g(299) = bad;
    const Failure failure = adam_step(g, {}, state, parameters);
    EXPECT_EQ(failure.kind, FailureKind::non_finite_update);
    EXPECT_EQ(parameters, before);
    EXPECT_EQ(state, state_before);
  }
}

TEST(Adam, Misuse) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const VectorX g = VectorX::Ones(2);
  VectorX parameters = g;
  AdamState state(2);
  for (const AdamOptions& options :
       {AdamOptions{.learning_rate = 0.0}, AdamOptions{.learning_rate = nan},
        AdamOptions{.beta1 = 1.0}, AdamOptions{.beta1 = -0.1}, AdamOptions{.beta2 = nan},
        AdamOptions{.epsilon = 0.0}, AdamOptions{.weight_decay = -0.1},
        AdamOptions{.weight_decay = nan},
        AdamOptions{.learning_rate = 0.1, .weight_decay = 10.0}}) {
    EXPECT_THROW((void)adam_step(g, options, state, parameters), InvalidArgument);
  }
  EXPECT_THROW((void)adam_step(VectorX::Ones(3), {}, state, parameters), InvalidArgument);
  AdamState other(3);
  EXPECT_THROW((void)adam_step(g, {}, other, parameters), InvalidArgument);
  state.step = -1;
  EXPECT_THROW((void)adam_step(g, {}, state, parameters), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
