// The steps of a controller: where it is in the horizon, and what follows after the end.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "pilqr/deploy/controller.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using Status = ControlStatus;

constexpr int nx = 5;
constexpr int nu = 3;
constexpr int T = 8;

LinearGaussianPolicy<> random_policy() {
  return test::Random(1).policy<Dynamic, Dynamic>(T, nx, nu);
}
NetworkPolicy random_network() {
  RandomStream stream({.seed = 4});
  return NetworkPolicy(Mlp({nx, {9, 7}, nu}, stream, 1.0));
}
VectorX mean_at(const LinearGaussianPolicy<>& policy, int t, const VectorX& x) {
  return policy.K[t] * x + policy.k[t];
}

TEST(Controller, TheEndOfTheHorizon) {
  const auto policy = random_policy();
  const VectorX x = VectorX::Ones(nx);
  const VectorX safe = Vector<nu>(1.0, 2.0, 3.0);
  for (const HorizonEnd end : {HorizonEnd::hold, HorizonEnd::repeat, HorizonEnd::stop}) {
    Controller controller(policy, {.safe = safe, .at_end = end});
    for (int call = 0; call < 3 * T; ++call) {
      VectorX u(nu);
      const Status status = controller.control(x, u);
      const bool over = call >= T && end != HorizonEnd::repeat;
      EXPECT_EQ(status, over ? Status::finished : Status::ok);
      const VectorX expected = !over                     ? mean_at(policy, call % T, x)
                               : end == HorizonEnd::hold ? mean_at(policy, T - 1, x)
                                                         : safe;
      EXPECT_TRUE(u.isApprox(expected, 1e-14)) << "call " << call;
    }
    EXPECT_EQ(controller.repeats(), end == HorizonEnd::repeat ? 2 : 0);
    EXPECT_EQ(controller.step(), T);
  }
  Controller endless(random_network());
  Controller ending(random_network(), {.safe = safe, .horizon = 2});
  VectorX u(nu);
  for (int call = 0; call < 5; ++call) {
    EXPECT_EQ(endless.control(x, u), Status::ok);
    EXPECT_EQ(ending.control(x, u), call < 2 ? Status::ok : Status::finished);
  }
  EXPECT_EQ(u, safe);
}

TEST(Controller, AGivenStepIsTheStep) {
  const auto policy = random_policy();
  const VectorX x = VectorX::Ones(nx);
  VectorX u(nu);
  Controller controller(policy);
  EXPECT_EQ(controller.control(x, u, {.step = 5}), Status::ok);
  EXPECT_TRUE(u.isApprox(mean_at(policy, 5, x), 1e-14));
  EXPECT_EQ(controller.control(x, u), Status::ok);  // and counting goes on from there
  EXPECT_TRUE(u.isApprox(mean_at(policy, 6, x), 1e-14));
  controller.reset();
  EXPECT_EQ(controller.control(x, u), Status::ok);
  const VectorX last = u;
  EXPECT_EQ(controller.control(x, u, {.step = -1}), Status::bad_step);
  EXPECT_EQ(u, last);
  EXPECT_EQ(controller.control(x, u), Status::ok);  // and that was a step
  EXPECT_TRUE(u.isApprox(mean_at(policy, 2, x), 1e-14));
  EXPECT_EQ(controller.control(x, u, {.step = 2}), Status::ok);
  EXPECT_EQ(controller.control(x, u, {.step = T}), Status::finished);
  EXPECT_EQ(controller.control(x, u, {.step = 0}), Status::ok) << "back into the horizon";
  Controller repeating(policy, {.at_end = HorizonEnd::repeat});
  EXPECT_EQ(repeating.control(x, u, {.step = 2 * T + 3}), Status::ok);
  EXPECT_TRUE(u.isApprox(mean_at(policy, 3, x), 1e-14));
  for (const int far : {std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    Controller endless(random_network());
    EXPECT_EQ(endless.control(x, u, {.step = far}), far > 0 ? Status::ok : Status::bad_step);
    EXPECT_EQ(endless.control(x, u), Status::ok);
  }
}

// The step of a call that gives a negative one is the next, as of any other call.
TEST(Controller, ANegativeStepAfterTheLastOneGoesNowhere) {
  const auto policy = random_policy();
  const VectorX x = VectorX::Ones(nx);
  VectorX u(nu);
  for (const HorizonEnd end : {HorizonEnd::hold, HorizonEnd::stop}) {
    Controller controller(policy, {.at_end = end});
    EXPECT_EQ(controller.control(x, u, {.step = T - 1}), Status::ok);
    for (int call = 0; call < 3; ++call) {
      EXPECT_EQ(controller.control(x, u, {.step = -1}), Status::bad_step);
      EXPECT_EQ(controller.step(), T);
    }
    EXPECT_EQ(controller.control(x, u), Status::finished);
  }
  Controller ending(random_network(), {.horizon = 2});
  for (int call = 1; call < 5; ++call) {
    EXPECT_EQ(ending.control(x, u, {.step = -7}), Status::bad_step);
    EXPECT_EQ(ending.step(), std::min(call, 2));
  }
  Controller repeating(policy, {.at_end = HorizonEnd::repeat});
  for (int call = 1; call <= 3 * T; ++call) {
    EXPECT_EQ(repeating.control(x, u, {.step = -1}), Status::bad_step);
    EXPECT_EQ(repeating.step(), (call - 1) % T + 1);
    EXPECT_EQ(repeating.repeats(), (call - 1) / T);
  }
  EXPECT_EQ(repeating.control(x, u), Status::ok);
  EXPECT_TRUE(u.isApprox(mean_at(policy, 0, x), 1e-14));
}

}  // namespace
}  // namespace pilqr
