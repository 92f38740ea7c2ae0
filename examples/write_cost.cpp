// Four ways to write a cost, for a state [p, v] and a control [u], all judged by check_system.
#include <cmath>
#include <cstdio>

#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/finite_difference_cost.hpp"
#include "pilqr/costs/region_cost.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/train/check_system.hpp"

namespace {

struct Slider {
  static constexpr int Nx = 2;
  static constexpr int Nu = 1;
  void reset(int, pilqr::RandomStream&, pilqr::Vector<2>& x) const { x << 0.5, 0.0; }
  void step(int, const pilqr::Vector<2>& x, const pilqr::Vector<1>& u, pilqr::RandomStream&,
            pilqr::Vector<2>& next) const {
    next << x(0) + 0.05 * x(1), x(1) + 0.05 * u(0);
  }
};

// [terms] 10 |p - 1| (smooth) + 0.01/2 u^2 - 5 within 0.1 of the goal, which no derivative sees.
pilqr::CostSum terms() {
  using pilqr::Vector;
  pilqr::CostSum sum;
  sum.add(10.0, pilqr::StateCost({.start = 0,
                                  .target = Vector<1>(1.0),
                                  .norm = {.l1 = 1.0, .l2 = 0.0, .alpha = 1e-4}}));
  sum.add(0.01, pilqr::ActionCost({.weights = Vector<1>(1.0)}));
  sum.add(1.0,
          pilqr::RegionCost({.start = 0, .center = Vector<1>(1.0), .radius = 0.1, .inside = -5.0}));
  return sum;
}
// [/terms]

// [function] Any formula: x and u are numbers or jets, so cos is found by `using`.
const auto formula = pilqr::make_autodiff_cost<2, 1>([](int t, const auto& x, const auto& u) {
  using std::cos;
  const double weight = t == 29 ? 10.0 : 1.0;  // the last of 30 steps counts more
  return weight * (1.0 - cos(x(0) - 1.0)) + 0.05 * x(1) * x(1) + 0.01 * u(0) * u(0);
});
// [/function]

// [black box] What cannot be differentiated by type: differences, 2 ny^2 + 2 ny + 1 calls each.
const pilqr::FiniteDifferenceCost black_box([](int, const pilqr::ConstVectorRef& x,
                                               const pilqr::ConstVectorRef& u) {
  return std::hypot(x(0) - 1.0, 0.1) + 0.01 * u.squaredNorm();
});
// [/black box]

// [by hand] The value, and its derivatives ADDED to out with their weight.
struct ByHand {
  double operator()(int, const pilqr::ConstVectorRef& x, const pilqr::ConstVectorRef& u) const {
    return 0.5 * (x(0) - 1.0) * (x(0) - 1.0) + 0.005 * u(0) * u(0);
  }
  void expand(int t, const pilqr::ConstVectorRef& x, const pilqr::ConstVectorRef& u, double weight,
              pilqr::CostExpansion& out) const {
    out.value += weight * (*this)(t, x, u);
    out.gradient(0) += weight * (x(0) - 1.0);
    out.gradient(2) += weight * 0.01 * u(0);  // y = [p, v, u]
    out.hessian(0, 0) += weight;
    out.hessian(2, 2) += weight * 0.01;
  }
};
// [/by hand]

template <pilqr::Cost C>
bool sound(const char* name, const C& cost) {
  Slider system;
  const auto policy = pilqr::zero_mean_policy<2, 1>(30, 2, pilqr::Vector<1>(1.0));
  const pilqr::SystemReport report = pilqr::check_system(system, cost, policy);
  std::printf("%s\n%s", name, report.message().c_str());
  return report.ok();
}

}  // namespace

int main() {
  const bool ok = sound("terms", terms()) && sound("function", formula) &&
                  sound("black box", black_box) && sound("by hand", ByHand{});
  return ok ? 0 : 1;
}
