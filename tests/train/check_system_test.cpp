// check_system: a system or a cost that is broken in one way is found, with its place, and nothing
// else is; the library's own tasks keep the laws.

#include "pilqr/train/check_system.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/costs/finite_difference_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/systems/task.hpp"
#include "train/broken_parts.hpp"

namespace pilqr {
namespace {

using namespace test;  // NOLINT: the parts

/// The same, and it cannot be copied.
struct OnlyCart : Cart {
  using Cart::Cart;
  OnlyCart(const OnlyCart&) = delete;
  OnlyCart& operator=(const OnlyCart&) = delete;
  ~OnlyCart() = default;
};

/// The same, and it says that copies are no good.
struct SerialCart : Cart {
  static constexpr bool serial = true;
  using Cart::Cart;
};

template <class S>
SystemReport check(S& system, const HandCost& cost = {}, const CheckSystemOptions& options = {}) {
  return check_system(system, cost, policy(), options);
}

/// Exactly this one fault, and its place.
void expect_only(const SystemReport& report, SystemFault fault, int step, int row = -1) {
  ASSERT_EQ(report.findings.size(), 1U) << report.message();
  const SystemFinding& finding = report.findings.front();
  EXPECT_STREQ(name(finding.fault), name(fault)) << report.message();
  EXPECT_EQ(finding.step, step) << report.message();
  EXPECT_EQ(finding.row, row) << report.message();
  EXPECT_FALSE(report.ok());
  EXPECT_NE(report.message().find(finding.message()), std::string::npos);
  EXPECT_NE(finding.message().find(advice(fault)), std::string::npos);
}

TEST(CheckSystem, ASoundSystemHasNoFindings) {
  Cart cart(Defect::none);
  const SystemReport report = check(cart);
  EXPECT_TRUE(report.ok()) << report.message();
  EXPECT_EQ(report.rollouts, 3);
  EXPECT_EQ(report.copies, 2);
  EXPECT_EQ(report.nx, 2);
  EXPECT_EQ(report.nu, 1);
  EXPECT_EQ(report.steps, T);
  EXPECT_GT(report.seconds_per_reset, 0.0);
  EXPECT_GT(report.seconds_per_step, 0.0);
  EXPECT_GE(report.seconds_slowest_step, report.seconds_per_step);
  EXPECT_GT(report.seconds_per_cost, 0.0);
  EXPECT_GT(report.seconds_per_expansion, 0.0);
  EXPECT_NE(report.message().find("nothing wrong was found"), std::string::npos);

  OnlyCart only(Defect::none);
  EXPECT_TRUE(check(only).ok());
  EXPECT_EQ(check(only).copies, 0);
  SerialCart serial(Defect::none);
  EXPECT_TRUE(check(serial).ok());
  EXPECT_EQ(check(serial).copies, 0);
}

/// What a single rollout shows, for all three kinds of cart.
template <class S>
class CheckAnyCart : public testing::Test {};
using Carts = testing::Types<Cart, OnlyCart, SerialCart>;
TYPED_TEST_SUITE(CheckAnyCart, Carts);

TYPED_TEST(CheckAnyCart, FindsWhatOneRolloutShows) {
  const auto expect = [](Defect defect, SystemFault fault, int step, int row = -1) {
    TypeParam cart(defect);
    const SystemReport report = check(cart);
    expect_only(report, fault, step, row);
    EXPECT_EQ(report.rollouts, 1);
  };
  expect(Defect::reset_throws, SystemFault::reset_failed, 0);
  expect(Defect::step_throws, SystemFault::step_failed, 7);
  expect(Defect::reset_size, SystemFault::state_size, 0);
  expect(Defect::step_size, SystemFault::state_size, 7);
  expect(Defect::reset_leaves_entry, SystemFault::state_not_written, 0, 1);
  expect(Defect::step_leaves_entry, SystemFault::state_not_written, 7, 1);
  expect(Defect::nan_state, SystemFault::non_finite_state, 7, 1);
  expect(Defect::infinite_state, SystemFault::non_finite_state, 7, 1);
}

TYPED_TEST(CheckAnyCart, TellsWhatIsRandomFromWhatResetLeavesBehind) {
  const auto expect = [](Defect defect, SystemFault fault, int step, int row) {
    TypeParam cart(defect);
    expect_only(check(cart), fault, step, row);
  };
  expect(Defect::counts_calls, SystemFault::not_deterministic, 7, 1);
  expect(Defect::keeps_start, SystemFault::reset_not_exact, 0, 0);
  expect(Defect::ignores_control, SystemFault::control_ignored, T - 1, -1);
}

TEST(CheckSystem, AGeneratorOfItsOwnIsNotReset) {
  Cart cart(Defect::own_generator);
  expect_only(check(cart), SystemFault::reset_not_exact, 7, 1);
  // Without copies, a generator and the clock look alike.
  OnlyCart only(Defect::own_generator);
  expect_only(check(only), SystemFault::not_deterministic, 7, 1);
}

TEST(CheckSystem, AnIntegratorThatResetForgets) {
  Cart cart(Defect::keeps_integrator);
  expect_only(check(cart), SystemFault::reset_not_exact, 1, 1);
}

TEST(CheckSystem, CopiesThatShareAWorld) {
  Cart cart(Defect::shares_world);
  expect_only(check(cart), SystemFault::copies_not_independent, 2, 1);
  SerialCart serial(Defect::shares_world);
  EXPECT_TRUE(check(serial).ok());
}

TEST(CheckSystem, ARobotMakesOneRollout) {
  Cart cart(Defect::counts_calls);
  const SystemReport report = check(cart, {}, {.deterministic = false});
  EXPECT_TRUE(report.ok()) << report.message();
  EXPECT_EQ(report.rollouts, 1);
  EXPECT_EQ(report.copies, 0);
}

TEST(CheckSystem, APolicyThatAsksForTooMuch) {
  Cart cart(Defect::none);
  LinearGaussianPolicy<> wild = policy();
  wild.k[4].setConstant(1e308);
  wild.L[4].setConstant(1e308);
  const SystemReport report = check_system(cart, HandCost{}, wild, {.seed = 3});
  // 1e308 (1 + xi) overflows for xi > 0.8; otherwise the motion does soon after.
  ASSERT_FALSE(report.ok());
  EXPECT_GE(report.findings.front().step, 4);
}

TEST(CheckSystem, TheNumbersAreTold) {
  Cart cart(Defect::step_size);
  const SystemReport size = check(cart);
  EXPECT_EQ(size.findings.front().message(),
            std::string("state_size: sample 0, step 7, value 1, expected 2: ") +
                advice(SystemFault::state_size));
  Cart nan(Defect::nan_state);
  EXPECT_NE(check(nan).message().find("step 7, entry 1, value nan:"), std::string::npos);
  Cart broken(Defect::step_throws);
  EXPECT_NE(check(broken).message().find("(the cable is off)"), std::string::npos);
}

TEST(CheckSystem, FindsWhatIsWrongWithACost) {
  using D = HandCost::Defect;
  const auto expect = [](D defect, SystemFault fault, int step, int row = -1, int column = -1) {
    Cart cart(Defect::none);
    const SystemReport report = check(cart, {defect});
    expect_only(report, fault, step, row);
    EXPECT_EQ(report.findings.front().column, column) << report.message();
  };
  Cart cart(Defect::none);
  EXPECT_TRUE(check(cart, {D::none}, {.points = T}).ok());
  expect(D::throws, SystemFault::cost_failed, 7);
  expect(D::expansion_throws, SystemFault::cost_failed, T - 1);
  expect(D::nan_value, SystemFault::non_finite_cost, 7);
  expect(D::counts_calls, SystemFault::cost_not_deterministic, 7);
  expect(D::resizes, SystemFault::expansion_shape, 0);
  expect(D::infinite_hessian, SystemFault::non_finite_expansion, 0);
  expect(D::assigns_value, SystemFault::expansion_not_added, 0);
  expect(D::assigns_gradient, SystemFault::expansion_not_added, 0, 0);
  expect(D::ignores_weight, SystemFault::expansion_not_added, 0);
  expect(D::gradient_late, SystemFault::gradient_wrong, T - 1, 0);
  expect(D::hessian_factor, SystemFault::hessian_wrong, 0, 1, 1);
  // The velocity is 0 at step 0, so these show from the second point on.
  expect(D::gradient_sign, SystemFault::gradient_wrong, 2, 2);
}

TEST(CheckSystem, AHessianWithOneTriangle) {
  Cart cart(Defect::none);
  const SystemReport report = check(cart, {HandCost::Defect::hessian_triangle});
  ASSERT_EQ(report.findings.size(), 2U) << report.message();
  EXPECT_STREQ(name(report.findings[0].fault), "hessian_not_symmetric");
  EXPECT_STREQ(name(report.findings[1].fault), "hessian_wrong");
}

/// A steep cost is not taken for a wrong one, and derivatives by differences pass.
TEST(CheckSystem, ScalesOfSoundCosts) {
  Cart cart(Defect::none);
  for (const double factor : {1e-8, 1.0, 1e8}) {
    const auto f = [factor](int, const auto& x, const auto& u) {
      using std::sqrt;
      return factor * (1.0 + sqrt(1e-5 + x(0) * x(0)) + x(1) * x(1) * u(0) * u(0));
    };
    const auto exact = check_system(cart, make_autodiff_cost<2, 1>(f), policy(), {.points = T});
    EXPECT_TRUE(exact.ok()) << factor << "\n" << exact.message();
    const auto smooth = [factor](int, const ConstVectorRef& x, const ConstVectorRef& u) {
      return factor * (1.0 + std::sin(x(0)) + x(1) * x(1) * u(0) * u(0));
    };
    const auto differences =
        check_system(cart, FiniteDifferenceCost(smooth), policy(), {.points = T});
    EXPECT_TRUE(differences.ok()) << factor << "\n" << differences.message();
  }
}

/// A wrong derivative is found at any scale of the cost.
TEST(CheckSystem, ScalesOfAWrongCost) {
  struct Scaled {
    double factor;
    double operator()(int, const ConstVectorRef& x, const ConstVectorRef&) const {
      return factor * x(0) * x(0);
    }
    void expand(int, const ConstVectorRef& x, const ConstVectorRef&, double weight,
                CostExpansion& out) const {
      out.value += weight * factor * x(0) * x(0);
      out.gradient(0) += weight * factor * 2.001 * x(0);
      out.hessian(0, 0) += weight * factor * 2.0;
    }
  };
  Cart cart(Defect::none);
  for (const double factor : {1e-12, 1.0, 1e12}) {
    expect_only(check_system(cart, Scaled{factor}, policy()), SystemFault::gradient_wrong, 0, 0);
  }
}

/// Sizes known at compile time.
struct Fixed {
  static constexpr int Nx = 2;
  static constexpr int Nu = 1;
  bool forgets = false;
  void reset(int, RandomStream&, Vector<2>& x) const { x.setZero(); }
  void step(int, const Vector<2>& x, const Vector<1>& u, RandomStream&, Vector<2>& next) const {
    next(0) = x(0) + u(0);
    if (!forgets) next(1) = x(0);
  }
};

TEST(CheckSystem, AFixedSizeSystemOneStepAndOnePoint) {
  for (const int steps : {1, 2, 3}) {
    Fixed sound;
    const auto start = zero_mean_policy<2, 1>(steps, 2, Vector<1>(1.0));
    const SystemReport report = check_system(sound, HandCost{}, start, {.points = 1});
    EXPECT_TRUE(report.ok()) << report.message();
    Fixed forgetful{.forgets = true};
    const SystemReport wrong = check_system(forgetful, HandCost{}, start);
    EXPECT_EQ(wrong.ok(), steps == 1);
    if (steps > 1) expect_only(wrong, SystemFault::state_not_written, 1, 1);
  }
}

TEST(CheckSystem, RefusesBadOptions) {
  Cart cart(Defect::none);
  const auto refused = [&](const CheckSystemOptions& options) {
    EXPECT_THROW((void)check(cart, {}, options), InvalidArgument);
  };
  refused({.condition = -1});
  refused({.condition = 1 << 24});
  refused({.noise = {.width = -1.0}});
  refused({.points = 0});
  refused({.scale = 0.0});
  refused({.scale = infinity});
  refused({.tolerance = std::nan("")});
  LinearGaussianPolicy<> bad = policy();
  bad.K[3](0, 0) = infinity;
  EXPECT_THROW((void)check_system(cart, HandCost{}, bad), InvalidArgument);
}

TEST(CheckSystem, TheLibrarysOwnTasksKeepTheLaws) {
  for (const Task& task : tasks()) {
    for (int condition = 0; condition < task.conditions; ++condition) {
      AnySystem system = task.system();
      const SystemReport report =
          check_system(system, task.cost(condition), task.initial_policy(condition),
                       {.condition = condition, .seed = 1, .noise = task.noise, .points = 7});
      EXPECT_TRUE(report.ok()) << task.name << ", condition " << condition << "\n"
                               << report.message();
      EXPECT_EQ(report.copies, 2) << task.name;
    }
  }
}

}  // namespace
}  // namespace pilqr
