// The words of check_system.
#include <cmath>

#include "pilqr/train/check_system.hpp"

namespace pilqr {

namespace {

struct Words {
  const char* name;
  const char* advice;
};

constexpr Words words(SystemFault fault) {
  switch (fault) {
    case SystemFault::reset_failed:
      return {"reset_failed",
              "make reset start an episode in this condition, or say why it cannot"};
    case SystemFault::step_failed:
      return {"step_failed",
              "make step survive the controls that the policy draws: clip u inside it"};
    case SystemFault::state_size:
      return {"state_size", "write a state of the policy's nx, or make the policy for this nx"};
    case SystemFault::state_not_written:
      return {"state_not_written", "write every entry of the state, unchanged ones too"};
    case SystemFault::non_finite_state:
      return {"non_finite_state", "find what diverges: a smaller time step, clipped controls"};
    case SystemFault::non_finite_control:
      return {"non_finite_control", "look at the policy's gains and the size of this state"};
    case SystemFault::not_deterministic:
      return {"not_deterministic",
              "draw all randomness from the stream, initialise all memory, and keep the clock out "
              "of it; for a robot say deterministic = false"};
    case SystemFault::reset_not_exact:
      return {"reset_not_exact",
              "make reset restore everything that step changes: velocities, contacts, integrators, "
              "generators"};
    case SystemFault::copies_not_independent:
      return {"copies_not_independent",
              "give each copy a world of its own, or say `static constexpr bool serial = true`, or "
              "make the system not copyable"};
    case SystemFault::control_ignored:
      return {"control_ignored", "check that u reaches the actuators and that x is read after it"};
    case SystemFault::cost_failed:
      return {"cost_failed", "make the cost fit the sizes and the horizon"};
    case SystemFault::non_finite_cost:
      return {"non_finite_cost", "guard logarithms, roots and divisions"};
    case SystemFault::cost_not_deterministic:
      return {"cost_not_deterministic", "make the cost depend on t, x and u alone"};
    case SystemFault::expansion_shape:
      return {"expansion_shape", "add to out.gradient and out.hessian, do not assign to them"};
    case SystemFault::non_finite_expansion:
      return {"non_finite_expansion",
              "leave what has no derivatives at this point out of expand, the value included"};
    case SystemFault::expansion_not_added:
      return {"expansion_not_added",
              "ADD weight times value, gradient and Hessian to what `out` holds (+=)"};
    case SystemFault::gradient_wrong:
      return {
          "gradient_wrong",
          "correct the derivative, or use make_autodiff_cost; if the cost changes over less than "
          "`scale`, set that"};
    case SystemFault::hessian_wrong:
      return {
          "hessian_wrong",
          "correct the derivative, or use make_autodiff_cost; if the cost changes over less than "
          "`scale`, set that"};
    case SystemFault::hessian_not_symmetric:
      return {"hessian_not_symmetric", "fill both triangles of out.hessian"};
  }
  return {"unknown", ""};
}

/// A duration with three digits and a unit.
std::string duration(double seconds) {
  if (seconds >= 1.0) return fmt::format("{:.3g} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.3g} ms", 1e3 * seconds);
  return fmt::format("{:.3g} us", 1e6 * seconds);
}

}  // namespace

const char* name(SystemFault fault) {
  return words(fault).name;
}

const char* advice(SystemFault fault) {
  return words(fault).advice;
}

std::string SystemFinding::message() const {
  std::string text = fmt::format("{}:", name(fault));
  const char* separator = " ";
  const auto place = [&](const char* what, int index) {
    if (index < 0) return;
    text += fmt::format("{}{} {}", separator, what, index);
    separator = ", ";
  };
  place("sample", sample);
  place("step", step);
  place(column < 0 ? "entry" : "row", row);
  place("column", column);
  const auto number = [&](const char* what, double x) {
    text += fmt::format("{}{}{}", separator, what, detail::without_nan_sign(x));
    separator = ", ";
  };
  const bool needs_value =
      fault == SystemFault::non_finite_state || fault == SystemFault::non_finite_control ||
      fault == SystemFault::non_finite_cost || fault == SystemFault::non_finite_expansion;
  if (needs_value || !std::isnan(value)) number("value ", value);
  if (!std::isnan(expected)) number("expected ", expected);
  if (!detail.empty()) text += fmt::format(" ({})", detail);
  return fmt::format("{}: {}", text, advice(fault));
}

void require_valid(const CheckSystemOptions& o) {
  require(o.condition >= 0 && o.condition < (1 << 24),
          "check_system: condition is {}, expected 0 to {}", o.condition, (1 << 24) - 1);
  require_valid(o.noise);
  require(o.points >= 1, "check_system: points is {}, expected >= 1", o.points);
  require(o.scale > 0.0 && std::isfinite(o.scale),
          "check_system: scale is {}, expected a finite number > 0", o.scale);
  require(o.tolerance > 0.0 && std::isfinite(o.tolerance),
          "check_system: tolerance is {}, expected a finite number > 0", o.tolerance);
}

std::string SystemReport::message() const {
  std::string text =
      fmt::format("system: nx = {}, nu = {}, {} steps, condition {}; {} rollouts, {} on copies\n",
                  nx, nu, steps, condition, rollouts, copies);
  text += fmt::format("time: reset {}, step {} (slowest {}), cost {}, expansion {}\n",
                      duration(seconds_per_reset), duration(seconds_per_step),
                      duration(seconds_slowest_step), duration(seconds_per_cost),
                      duration(seconds_per_expansion));
  if (ok()) return text + "nothing wrong was found\n";
  for (const SystemFinding& finding : findings) text += finding.message() + "\n";
  return text;
}

}  // namespace pilqr
