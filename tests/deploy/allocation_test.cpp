/// A controller does not allocate, whatever becomes of a call, from the first one on. malloc is
/// counted, because EIGEN_RUNTIME_NO_MALLOC does not see what is compiled into the library.

#include <gtest/gtest.h>

#include "pilqr/deploy/controller.hpp"
#include "pilqr/model/global_controller.hpp"
#include "support/count_allocations.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

#if defined(PILQR_TEST_COUNTS_MALLOC)

constexpr int nx = 26;
constexpr int nu = 7;

/// malloc calls of 300 calls with good and bad inputs; `seen` counts the statuses.
long allocations_of(Controller& controller, Vector<control_statuses>& seen) {
  test::Random random(1);
  MatrixX states = random.matrix(nx, 300);
  for (int i = 0; i < 300; i += 7) states(i % nx, i) = std::numeric_limits<double>::quiet_NaN();
  for (int i = 0; i < 300; i += 11) states.col(i) *= 1e-3;
  VectorX u(nu);
  seen.setZero();
  const long before = test::allocations;
  for (int i = 0; i < 300; ++i) {
    const auto wrong = static_cast<std::size_t>(i % 13 == 0 ? 1 : 0);
    ControlTime time{.now = 0.05 * i, .measured = 0.05 * i - (i % 17 == 0 ? 1.0 : 0.0)};
    if (i % 19 == 0) time.step = -1;
    if (i % 50 == 3) time.step = 0;
    const ControlStatus status =
        controller.control(std::span<const double>(states.col(i).data(), nx - wrong),
                           std::span<double>(u.data(), nu), time);
    seen(static_cast<int>(status)) += 1.0;
    if (i == 200) controller.reset();
  }
  return test::allocations - before;
}

TEST(DeployAllocation, Controller) {
  test::Random random(2);
  auto policy = random.policy<Dynamic, Dynamic>(40, nx, nu);
  policy.K[30].setConstant(1e308);  // overflows
  RandomStream stream({.seed = 3});
  NetworkPolicy network(Mlp({nx, {100, 100}, nu}, stream, 100.0));
  const ControllerOptions options{.lower = VectorX::Constant(nu, -3.0),
                                  .upper = VectorX::Constant(nu, 3.0),
                                  .rate_limit = VectorX::Constant(nu, 80.0),
                                  .dt = 0.05,
                                  .max_age = 0.5,
                                  .most_held = 1};
  Vector<control_statuses> seen;
  Controller varying(policy, options);
  EXPECT_EQ(allocations_of(varying, seen), 0);
  EXPECT_GT(seen.minCoeff(), 0.0) << "a status did not occur: " << seen.transpose();
  ControllerOptions ending = options;
  ending.horizon = 40;
  Controller learnt(network, ending);
  EXPECT_EQ(allocations_of(learnt, seen), 0);
  Controller copy = learnt;
  EXPECT_EQ(allocations_of(copy, seen), 0);
  const NetworkPolicy more(Mlp({nx + 5, {100, 100}, nu}, stream, 100.0));
  Controller observing(more, ending, {.H = random.matrix(5, nx), .h = random.vector(5)});
  EXPECT_EQ(allocations_of(observing, seen), 0);
}

TEST(DeployAllocation, GlobalController) {
  RandomStream stream({.seed = 3});
  const NetworkPolicy network({nx, {100, 100}, nu}, stream);
  GlobalController<NetworkPolicy> controller(network, 10);
  test::Random random(4);
  const VectorX x = random.vector(nx);
  const VectorX xi = random.vector(nu);
  VectorX u(nu);
  controller.act(0, x, xi, u);
  const long before = test::allocations;
  controller.act(1, x, xi, u);
  EXPECT_EQ(test::allocations - before, 0);
  MatrixX mean;
  network.mean(x, mean);
  EXPECT_TRUE(u.isApprox(mean.col(0) + xi, 1e-14));
  EXPECT_GT(test::allocations - before, 0) << "the counter does not count";
}

#else

TEST(DeployAllocation, Controller) {
  GTEST_SKIP() << "malloc cannot be counted in this build";
}

#endif

}  // namespace
}  // namespace pilqr
