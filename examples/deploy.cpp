// A policy in a control loop: here of a simulated point mass, whose sensor fails now and then.
#include <cstdio>
#include <limits>

#include "pilqr/deploy/controller.hpp"
#include "pilqr/systems/point_mass.hpp"

int main() {
  pilqr::systems::PointMass robot;
  constexpr double dt = pilqr::systems::PointMass::dt;
  // A trained one: pilqr::load_policy("runs/careful/policy.safetensors").policies.front()
  pilqr::Controller controller(robot.initial_policy(),
                               {.lower = pilqr::Vector<2>(-1.0, -1.0),       // N
                                .upper = pilqr::Vector<2>(1.0, 1.0),         // N
                                .rate_limit = pilqr::Vector<2>(10.0, 10.0),  // N/s
                                .dt = dt,
                                .state_lower = pilqr::Vector<4>(-5.0, -5.0, -3.0, -3.0),
                                .state_upper = pilqr::Vector<4>(5.0, 5.0, 3.0, 3.0),
                                .max_age = 1.5 * dt,
                                .at_end = pilqr::HorizonEnd::stop,
                                .most_held = 5});

  pilqr::RandomStream stream({.seed = 1});
  pilqr::Vector<4> state(1.5, 0.3, 0.0, 0.0);  // away from where the policy holds it
  pilqr::Vector<4> measurement, next;
  pilqr::Vector<2> u;
  double measured = 0.0;
  for (int tick = 0; controller.count(pilqr::ControlStatus::finished) == 0; ++tick) {
    const double now = tick * dt;  // s, of a steady clock
    if (tick % 20 < 16) {          // for four ticks nothing new arrives
      measurement = state;
      measured = now;
    }
    if (tick == 50) measurement(2) = std::numeric_limits<double>::quiet_NaN();
    const pilqr::ControlStatus status =
        controller.control(measurement, u, {.now = now, .measured = measured});
    if (!from_policy(status)) {
      std::printf("%.2f s: %s, u = %.3f %.3f N\n", now, name(status), u(0), u(1));
    }
    robot.step(tick, state, u, stream, next);
    state = next;
  }
  const bool safe = u.isZero() && controller.count(pilqr::ControlStatus::bad_state) == 1;
  return safe && controller.count(pilqr::ControlStatus::stale) == 15 ? 0 : 1;
}
