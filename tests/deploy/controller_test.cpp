// The laws of a controller: what it gives out is the policy's mean where that is allowed, and
// always finite, within the limits and within the rate limit.

#include "pilqr/deploy/controller.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using Status = ControlStatus;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int nx = 5;
constexpr int nu = 3;
constexpr int T = 8;

static_assert(noexcept(std::declval<Controller&>().control(std::declval<std::span<const double>>(),
                                                           std::declval<std::span<double>>())));
static_assert(noexcept(std::declval<Controller&>().control(std::declval<const VectorX&>(),
                                                           std::declval<VectorX&>())));
static_assert(noexcept(std::declval<Controller&>().reset()));

LinearGaussianPolicy<> random_policy(std::uint64_t seed = 1) {
  test::Random random(seed);
  return random.policy<Dynamic, Dynamic>(T, nx, nu);
}
NetworkPolicy random_network() {
  RandomStream stream({.seed = 4});
  NetworkPolicy policy(Mlp({nx, {9, 7}, nu}, stream, 1.0));
  policy.set_normalisation({VectorX::Constant(nx, 0.5), VectorX::Constant(nx, 2.0)});
  return policy;
}
VectorX mean_at(const LinearGaussianPolicy<>& policy, int t, const VectorX& x) {
  return policy.K[t] * x + policy.k[t];
}
VectorX mean_at(const NetworkPolicy& policy, const VectorX& x) {
  MatrixX u;
  policy.mean(x, u);
  return u;
}

TEST(Controller, WithoutLimitsIsThePolicysMean) {
  const auto policy = random_policy();
  const NetworkPolicy network = random_network();
  test::Random random(2);
  Controller varying(policy);
  Controller fixed(to_fixed<nx, nu>(policy));
  Controller learnt(network);
  EXPECT_EQ(varying.nx(), nx);
  EXPECT_EQ(varying.nu(), nu);
  for (int t = 0; t < T; ++t) {
    EXPECT_EQ(varying.step(), t);
    const VectorX x = 10.0 * random.vector(nx);
    VectorX expected(nu);
    policy.mean(t, x, expected);
    VectorX u(nu);
    ASSERT_EQ(varying.control(x, u), Status::ok);
    EXPECT_EQ(u, expected);
    EXPECT_EQ(u, varying.last());
    std::array<double, nu> plain{};
    ASSERT_EQ(fixed.control(std::span<const double>(x.data(), nx), plain), Status::ok);
    for (int i = 0; i < nu; ++i) EXPECT_EQ(plain[static_cast<std::size_t>(i)], expected(i));
    const Vector<nx> fixed_x = x;
    Vector<nu> fixed_u;
    ASSERT_EQ(learnt.control(fixed_x, fixed_u), Status::ok);
    EXPECT_EQ(fixed_u, mean_at(network, x));
  }
}

TEST(Controller, LimitsAndRateLimitAlwaysHold) {
  test::Random random(3);
  for (const RateUnit unit : {RateUnit::per_second, RateUnit::per_step}) {
    for (const HorizonEnd end : {HorizonEnd::hold, HorizonEnd::repeat, HorizonEnd::stop}) {
      const ControllerOptions options{
          .safe = Vector<nu>(0.1, -0.2, 0.9),
          .lower = Vector<nu>(-0.5, -infinity, 0.5),
          .upper = Vector<nu>(0.5, 0.4, 1.5),
          .rate_limit = (unit == RateUnit::per_step ? 0.05 : 1.0) * Vector<nu>(3.0, 20.0, infinity),
          .rate_unit = unit,
          .dt = 0.05,
          .max_age = 0.1,
          .at_end = end,
          .most_held = 2};
      Controller controller(random_policy(), options);
      VectorX before = options.safe;
      double now = 100.0;
      std::int64_t changed = 0;
      for (int call = 0; call < 2000; ++call) {
        const double elapsed = std::max(0.0, 0.05 + 0.05 * random.normal());
        now += elapsed;
        VectorX x = 3.0 * random.vector(nx);
        if (random.uniform() < 0.2) x(call % nx) = random.uniform() < 0.5 ? nan : -infinity;
        ControlTime time{.now = now, .measured = now - 0.2 * random.uniform() * random.uniform()};
        if (random.uniform() < 0.05) time.measured.reset();
        if (random.uniform() < 0.5) time.step = static_cast<int>(random.uniform(-2.0, 2.0 * T));
        VectorX u = VectorX::Constant(nu, nan);
        const Status status = controller.control(x, u, time);
        ASSERT_TRUE(u.allFinite());
        ASSERT_TRUE((u.array() >= options.lower.array()).all() &&
                    (u.array() <= options.upper.array()).all())
            << u.transpose();
        double most = unit == RateUnit::per_step ? 1.0 : std::min(call == 0 ? 0.05 : elapsed, 0.05);
        most *= 1.0 + 1e-9;  // rounding of the clock
        for (int i = 0; i < 2; ++i) {
          ASSERT_LE(std::abs(u(i) - before(i)), options.rate_limit(i) * most + 1e-12)
              << name(status) << " at call " << call;
        }
        if (status == Status::stale || status == Status::bad_state || status == Status::bad_step) {
          changed += u == before ? 0 : 1;
        }
        before = u;
      }
      std::int64_t calls = 0;
      for (int status = 0; status < control_statuses; ++status) {
        calls += controller.count(static_cast<Status>(status));
      }
      EXPECT_EQ(calls, 2000);
      EXPECT_GT(controller.count(Status::stale), 0);
      EXPECT_GT(controller.count(Status::bad_state), 0);
      EXPECT_GT(controller.count(Status::bad_step), 0);
      EXPECT_GT(controller.count(Status::rate_limited), 0);
      EXPECT_GT(controller.limited(), 0);
      EXPECT_GT(changed, 0) << "the safe control was never approached";
      EXPECT_EQ(controller.count(Status::finished) == 0, end == HorizonEnd::repeat);
      EXPECT_EQ(controller.repeats() > 0, end == HorizonEnd::repeat);
    }
  }
}

TEST(Controller, LimitsAreThoseOfThePolicyAndTheOptionsTogether) {
  NetworkPolicy network = random_network();
  network.set_limits(Vector<nu>(-0.1, -5.0, -5.0), Vector<nu>(5.0, 0.1, 5.0));
  Controller controller(
      network, {.lower = Vector<nu>(-1.0, -0.05, -1.0), .upper = Vector<nu>(1.0, 1.0, 0.01)});
  test::Random random(5);
  for (int call = 0; call < 200; ++call) {
    const VectorX x = 5.0 * random.vector(nx);
    const VectorX mean = mean_at(network, x);
    const VectorX expected =
        mean.cwiseMax(Vector<nu>(-0.1, -0.05, -1.0)).cwiseMin(Vector<nu>(1.0, 0.1, 0.01));
    VectorX u(nu);
    EXPECT_EQ(controller.control(x, u), expected == mean ? Status::ok : Status::limited);
    EXPECT_EQ(u, expected);
  }
  EXPECT_EQ(controller.limited(), controller.count(Status::limited));
  EXPECT_GT(controller.limited(), 0);
}

TEST(Controller, ARateLimitReachesAConstantTargetInAsManyStepsAsItTakes) {
  LinearGaussianPolicy<> policy(20, 1, 1);
  policy.K.set_zero();
  policy.k.flat().setOnes();
  for (int t = 0; t < 20; ++t) policy.L[t].setIdentity();
  Controller controller(policy, {.rate_limit = VectorX::Constant(1, 2.5), .dt = 0.1});
  const VectorX x = VectorX::Zero(1);
  VectorX u(1);
  for (const double expected : {0.25, 0.5, 0.75}) {
    EXPECT_EQ(controller.control(x, u), Status::rate_limited);
    EXPECT_DOUBLE_EQ(u(0), expected);
  }
  EXPECT_EQ(controller.control(x, u), Status::ok);
  EXPECT_EQ(u(0), 1.0);
  // With a clock: the first call counts dt, half the time half the change, and no time or a clock
  // that goes back none.
  controller.reset();
  const auto at = [&](double now) {
    (void)controller.control(x, u, {.now = now});
    return u(0);
  };
  EXPECT_DOUBLE_EQ(at(5.0), 0.25);
  EXPECT_NEAR(at(5.05), 0.375, 1e-12);
  EXPECT_NEAR(at(5.05), 0.375, 1e-12);
  EXPECT_NEAR(at(4.0), 0.375, 1e-12);
  EXPECT_NEAR(at(9.0), 0.625, 1e-12);
}

TEST(Controller, ABadStateAtAnyStepRepeatsTheLastControlAndLosesNoTime) {
  const auto policy = random_policy();
  test::Random random(6);
  const VectorX safe = random.vector(nu);
  for (const double bad : {nan, infinity, -infinity, 50.1, -50.1}) {
    for (int when = 0; when < T; ++when) {
      Controller controller(policy, {.safe = safe,
                                     .state_lower = VectorX::Constant(nx, -50.0),
                                     .state_upper = VectorX::Constant(nx, 50.0)});
      VectorX last = safe;
      for (int t = 0; t < T; ++t) {
        VectorX x = random.vector(nx);
        if (t == when) x(t % nx) = bad;
        VectorX u(nu);
        EXPECT_EQ(controller.control(x, u), t == when ? Status::bad_state : Status::ok);
        if (t != when) last = mean_at(policy, t, x);
        EXPECT_TRUE(u.isApprox(last, 1e-14)) << "step " << t;
      }
      EXPECT_EQ(controller.count(Status::bad_state), 1);
      EXPECT_EQ(controller.count(Status::ok), T - 1);
    }
  }
}

TEST(Controller, StaleStates) {
  const auto policy = random_policy();
  const VectorX x = VectorX::Ones(nx);
  VectorX u(nu);
  const auto status_of = [&](double max_age, const ControlTime& time) {
    Controller controller(policy, {.safe = Vector<nu>(7.0, 8.0, 9.0), .max_age = max_age});
    const Status status = controller.control(x, u, time);
    EXPECT_EQ(u == VectorX(Vector<nu>(7.0, 8.0, 9.0)), status != Status::ok);
    return status;
  };
  EXPECT_EQ(status_of(0.5, {.now = 10.0, .measured = 9.5}), Status::ok);
  EXPECT_EQ(status_of(0.5, {.now = 10.0, .measured = 9.4}), Status::stale);
  EXPECT_EQ(status_of(0.5, {.now = 10.0, .measured = 10.4}), Status::ok);
  EXPECT_EQ(status_of(0.5, {.now = 10.0, .measured = 10.6}), Status::stale) << "another clock";
  EXPECT_EQ(status_of(0.0, {.now = 10.0, .measured = 10.0}), Status::ok);
  EXPECT_EQ(status_of(0.5, {}), Status::stale);
  EXPECT_EQ(status_of(0.5, {.now = 10.0}), Status::stale);
  EXPECT_EQ(status_of(0.5, {.measured = 10.0}), Status::stale);
  for (const double max_age : {0.5, infinity}) {
    EXPECT_EQ(status_of(max_age, {.now = nan, .measured = 10.0}), Status::stale);
    EXPECT_EQ(status_of(max_age, {.now = 10.0, .measured = nan}), Status::stale);
    EXPECT_EQ(status_of(max_age, {.now = infinity, .measured = infinity}), Status::stale);
  }
  EXPECT_EQ(status_of(infinity, {}), Status::ok);
  EXPECT_EQ(status_of(infinity, {.now = 10.0, .measured = 1.0}), Status::ok);
}

TEST(Controller, AControlThatOverflowsIsNotGivenOut) {
  auto policy = random_policy();
  policy.K[1].setConstant(1e308);
  Controller controller(policy);
  const VectorX x = VectorX::Constant(nx, 1e3);
  VectorX u(nu);
  EXPECT_EQ(controller.control(x, u), Status::ok);
  const VectorX last = u;
  EXPECT_EQ(controller.control(x, u), Status::bad_control);
  EXPECT_EQ(u, last);
  EXPECT_EQ(controller.control(x, u), Status::ok);
}

TEST(Controller, WrongSizesWriteNothing) {
  Controller controller(random_policy());
  std::array<double, 20> u{};
  u.fill(42.0);
  const std::array<double, 20> x{};
  using In = std::span<const double>;
  using Out = std::span<double>;
  for (const std::size_t size : {0, nu - 1, nu + 1}) {
    EXPECT_EQ(controller.control(In(x.data(), nx), Out(u.data(), size)), Status::wrong_size);
    EXPECT_EQ(u[0], 42.0);
  }
  EXPECT_EQ(controller.control(In(x.data(), nx - 1), Out(u.data(), nu)), Status::wrong_size);
  EXPECT_EQ(u[nu - 1], 0.0) << "the safe control";
  EXPECT_EQ(u[nu], 42.0);
  EXPECT_EQ(controller.count(Status::wrong_size), 4);
}

TEST(Controller, HoldsOnlySoLong) {
  const VectorX safe = Vector<nu>(0.5, 0.5, 0.5);
  const VectorX x = VectorX::Ones(nx);
  const VectorX bad = VectorX::Constant(nx, nan);
  VectorX u(nu);
  for (const int most : {0, 1, 3}) {
    Controller controller(random_policy(), {.safe = safe, .most_held = most});
    for (int round = 0; round < 2; ++round) {
      controller.reset();
      EXPECT_EQ(controller.control(x, u), Status::ok);
      const VectorX last = u;
      for (int call = 0; call < 5; ++call) {
        EXPECT_EQ(controller.control(bad, u), Status::bad_state);
        EXPECT_EQ(u, call < most ? last : safe);
      }
    }
  }
}

TEST(Controller, ResetBeginsAgainAndCopiesAreIndependent) {
  Controller a(random_policy(),
               {.rate_limit = VectorX::Constant(nu, 0.1), .rate_unit = RateUnit::per_step});
  const VectorX x = VectorX::Ones(nx);
  VectorX first(nu), second(nu), u(nu);
  (void)a.control(x, first);
  Controller b = a;
  (void)a.control(x, second);
  (void)b.control(x, u);
  EXPECT_EQ(u, second);
  a.reset();
  (void)a.control(x, u);
  EXPECT_EQ(u, first);
  EXPECT_EQ(b.step(), 2);
  EXPECT_EQ(a.step(), 1);
}

TEST(Controller, MisuseThrows) {
  const auto refused = [](ControllerOptions options) {
    EXPECT_THROW(Controller(random_policy(), options), InvalidArgument);
    EXPECT_THROW(Controller(random_network(), options), InvalidArgument);
  };
  const auto all = [](double value) { return VectorX::Constant(nu, value); };
  Controller valid(random_policy(), {.safe = all(1.0), .lower = all(-1.0), .upper = all(1.0)});
  refused({.safe = VectorX::Zero(nu + 1)});
  refused({.safe = all(nan)});
  refused({.safe = all(1.1), .upper = all(1.0)});
  refused({.lower = all(0.5)});  // without a safe control
  refused({.lower = all(nan)});
  refused({.lower = VectorX::Zero(1)});
  refused({.safe = all(1.0), .lower = all(1.5), .upper = all(0.5)});
  refused({.rate_limit = all(0.0), .dt = 0.1});
  refused({.rate_limit = all(nan), .dt = 0.1});
  refused({.rate_limit = all(1.0)});  // per second, without dt
  refused({.dt = -0.1});
  refused({.dt = nan});
  refused({.state_lower = VectorX::Zero(nu)});
  refused({.state_lower = VectorX::Ones(nx), .state_upper = VectorX::Zero(nx)});
  refused({.state_upper = VectorX::Constant(nx, nan)});
  refused({.max_age = -1.0});
  refused({.max_age = nan});
  refused({.horizon = -1});
  refused({.most_held = -1});
  EXPECT_THROW(Controller(random_policy(), {.horizon = T}), InvalidArgument);
  EXPECT_THROW(Controller(LinearGaussianPolicy<>()), InvalidArgument);
  auto policy = random_policy();
  policy.k[3](1) = nan;
  EXPECT_THROW(Controller{policy}, InvalidArgument);
  policy = random_policy();
  policy.K[7](1, 2) = infinity;
  EXPECT_THROW(Controller{policy}, InvalidArgument);
  NetworkPolicy network = random_network();
  network.set_limits(VectorX::Constant(nu, 1.0), VectorX::Constant(nu, 2.0));
  EXPECT_THROW(Controller{network}, InvalidArgument) << "zero is not within the limits";
}

}  // namespace
}  // namespace pilqr
