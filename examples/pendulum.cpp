// A system and a cost of one's own: raise a pendulum to one radian and hold it there.
//
//   state    x = [q, w]            angle from hanging (rad), angular velocity (rad/s)
//   control  u                     torque (N m), clipped to +-4 by the system
//   motion   w' = w + h (u - 0.1 w - m g l sin q) / (m l^2),  q' = q + h w',  m = 0.5 kg, l = 0.5 m
//   cost     3 (1 - cos(q - 1)) + 0.05 w^2 + 0.01 u^2          per step of 0.05 s, 60 steps
//
// The cost is a plain function; its derivatives come from automatic differentiation.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/pilqr.hpp"

namespace {

struct Pendulum {
  static constexpr int Nx = 2;
  static constexpr int Nu = 1;

  void reset(int /*condition*/, pilqr::RandomStream& /*stream*/, pilqr::Vector<2>& x) const {
    x.setZero();
  }
  void step(int /*t*/, const pilqr::Vector<2>& x, const pilqr::Vector<1>& u,
            pilqr::RandomStream& /*stream*/, pilqr::Vector<2>& next) const {
    constexpr double h = 0.01;
    constexpr double inertia = 0.5 * 0.5 * 0.5;
    next = x;
    for (int i = 0; i < 5; ++i) {
      const double torque =
          std::clamp(u(0), -4.0, 4.0) - 0.1 * next(1) - 0.5 * 9.81 * 0.5 * std::sin(next(0));
      next(1) += h * torque / inertia;
      next(0) += h * next(1);
    }
  }
};

}  // namespace

int main() {
  Pendulum system;
  const auto cost = pilqr::make_autodiff_cost<2, 1>([](int, const auto& x, const auto& u) {
    using std::cos;
    return 3.0 * (1.0 - cos(x(0) - 1.0)) + 0.05 * x(1) * x(1) + 0.01 * u(0) * u(0);
  });
  pilqr::Pilqr<2, 1> optimizer(pilqr::zero_mean_policy<2, 1>(60, 2, pilqr::Vector<1>(0.5)));
  for (int iteration = 0; iteration < 25; ++iteration) {
    const auto batch =
        pilqr::sample(system, cost, optimizer.policy(),
                      {.samples = 15, .seed = 1, .iteration = iteration, .noise = {.width = 2.0}});
    if (!batch.ok()) return std::puts(batch.failure.message().c_str()), 1;
    const auto report = optimizer.update(batch.rollouts, cost);
    if (!report.ok()) return std::puts(report.failure.message().c_str()), 1;
    std::printf("%2d  cost %7.2f +- %5.2f  model %7.2f\n", iteration, report.cost_mean,
                report.cost_std, report.cost_model_mean);
  }
  const auto final_rollout =
      pilqr::sample(system, cost, optimizer.policy(), {.samples = 1, .noiseless = true});
  const double q = final_rollout.rollouts.x[59](0, 0);
  std::printf("final angle %.3f rad, the target is 1\n", q);
  return std::abs(q - 1.0) < 0.1 ? 0 : 1;
}
