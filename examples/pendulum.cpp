// A system and a cost of one's own, from the check to a saved policy: raise a pendulum to one
// radian and hold it there, from two starts.
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
#include <vector>

#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/check_system.hpp"
#include "pilqr/train/trainer.hpp"

namespace {

struct Pendulum {
  static constexpr int Nx = 2;  // entries of the state, or pilqr::Dynamic
  static constexpr int Nu = 1;  // entries of the control

  void reset(int condition, pilqr::RandomStream& /*stream*/, pilqr::Vector<2>& x) const {
    x << (condition == 0 ? 0.0 : -0.8), 0.0;
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

  // T = 60 steps, nx = 2, the variance of u: how far the first rollouts look around
  const auto first_policy = pilqr::zero_mean_policy<2, 1>(60, 2, pilqr::Vector<1>(0.5));
  const pilqr::SystemReport report = pilqr::check_system(system, cost, first_policy);
  std::puts(report.message().c_str());
  if (!report.ok()) return 1;

  // Conditions 0 and 1, each with an optimiser of its own.
  std::vector<pilqr::Pilqr<2, 1>> optimizers(2, pilqr::Pilqr<2, 1>(first_policy));
  pilqr::TrainCallbacks<2, 1> callbacks;
  callbacks.on_update = [](const pilqr::IterationRecord& record, const auto& /*rollouts*/) {
    std::printf("%2d  condition %d  cost %8.2f +- %6.2f\n", record.iteration, record.condition,
                record.report.cost_mean, record.report.cost_std);
  };
  pilqr::SerialExecutor executor;  // pilqr::TbbExecutor of the component tbb: rollouts on threads
  const auto result = pilqr::train(system, std::vector{cost}, optimizers,
                                   {.iterations = 25, .samples = 15}, callbacks, executor);
  if (!result.ok()) return std::puts(result.failure.message().c_str()), 1;

  // The motion without noise.
  pilqr::PolicyFile file{
      .task = "pendulum", .algorithm = "pilqr", .dt = 0.05, .conditions = {0, 1}};
  double worst = 0.0;
  for (int condition = 0; condition < 2; ++condition) {
    const auto& policy = optimizers[static_cast<std::size_t>(condition)].policy();
    const auto end = pilqr::sample(system, cost, policy,
                                   {.samples = 1, .condition = condition, .noiseless = true});
    if (!end.ok()) return std::puts(end.failure.message().c_str()), 1;
    const double q = end.rollouts.x[policy.steps() - 1](0, 0);
    std::printf("condition %d ends at %.3f rad, the target is 1\n", condition, q);
    worst = std::max(worst, std::abs(q - 1.0));
    file.policies.push_back(to_dynamic(policy));
  }
  pilqr::save_policy("pendulum.safetensors", file);
  return worst < 0.1 ? 0 : 1;
}
