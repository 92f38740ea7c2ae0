#include <cstdio>

#include "pilqr/model/sample.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/systems/point_mass.hpp"

int main() {
  pilqr::systems::PointMass system;           // reset() and step(): a simulator or a robot
  const pilqr::CostSum cost = system.cost();  // its region is discontinuous, so no derivatives
  pilqr::Pilqr<4, 2> optimizer(system.initial_policy());
  for (int iteration = 0; iteration < 20; ++iteration) {
    const auto batch =
        pilqr::sample(system, cost, optimizer.policy(),
                      {.samples = 20, .seed = 1, .iteration = iteration, .noise = {.width = 3.0}});
    if (!batch.ok()) return std::puts(batch.failure.message().c_str()), 1;
    const auto report = optimizer.update(batch.rollouts, cost);
    if (!report.ok()) return std::puts(report.failure.message().c_str()), 1;
    std::printf("%2d  cost %8.2f +- %6.2f\n", iteration, report.cost_mean, report.cost_std);
  }
}
