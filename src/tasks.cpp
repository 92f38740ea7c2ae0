#include <algorithm>
#include <utility>

#include "pilqr/core/check.hpp"
#include "pilqr/systems/point_mass.hpp"
#include "pilqr/systems/reacher.hpp"
#include "pilqr/systems/task.hpp"
#if defined(PILQR_HAS_BOX2D)
#include "pilqr/systems/contact_tasks.hpp"
#endif

namespace pilqr {

namespace {

Task point_mass() {
  using systems::PointMass;
  const RegionCost region = PointMass::region();
  const auto inside = [region](const Rollouts<>& r, int t, int i) {
    return region(t, r.x[t].col(i), r.u[t].col(i)) == region.options().inside;
  };
  Task task;
  task.name = "point_mass";
  task.summary = "2-D navigation; a region off the path to the target pays more than the target";
  task.nx = PointMass::Nx;
  task.nu = PointMass::Nu;
  task.steps = PointMass::steps;
  task.conditions = 1;
  task.dt = PointMass::dt;
  task.control_limit = PointMass::max_force;
  task.noise = {.width = 3.0};
  task.distance_text = "end position to the centre of the region, m";
  task.system = [] { return AnySystem(PointMass{}); };
  task.cost = [](int) { return AnyCost(PointMass::cost()); };
  task.initial_policy = [](int) { return to_dynamic(PointMass::initial_policy()); };
  task.distance = [region](const Rollouts<>& r, int, int i) {
    return (r.x[r.steps() - 1].col(i).head(2) - region.options().center).norm();
  };
  // Inside the region at least once during the last 20 steps.
  task.success = [inside](const Rollouts<>& r, int, int i) {
    for (int t = std::max(0, r.steps() - 20); t < r.steps(); ++t) {
      if (inside(r, t, i)) return true;
    }
    return false;
  };
  task.draw = [](int, const VectorX& x) { return PointMass::draw(Vector<PointMass::Nx>(x)); };
  return task;
}

Task reacher() {
  using systems::Reacher;
  Task task;
  task.name = "reacher";
  task.summary = "planar two-link arm; the end effector goes to a target";
  task.nx = Reacher::Nx;
  task.nu = Reacher::Nu;
  task.steps = Reacher::steps;
  task.conditions = Reacher::conditions;
  task.held_out = {{"targets", Reacher::held_out}, {"starts", Reacher::held_out_starts}};
  task.dt = Reacher::dt;
  task.control_limit = 1.0;
  task.noise = {.width = 2.0};
  task.distance_text = "end effector to the target at the last step, m";
  task.system = [] { return AnySystem(Reacher{}); };
  task.cost = [](int condition) { return AnyCost(Reacher::cost(condition)); };
  task.initial_policy = [](int) { return to_dynamic(Reacher::initial_policy()); };
  task.observation = [](int condition) {
    return Observation{.H = Reacher::end_effector(), .h = -Reacher::target(condition)};
  };
  task.distance = [](const Rollouts<>& r, int condition, int i) {
    return (r.x[r.steps() - 1].col(i).segment(4, 2) - Reacher::target(condition)).norm();
  };
  task.success = [distance = task.distance](const Rollouts<>& r, int condition, int i) {
    return distance(r, condition, i) < Reacher::success_distance;
  };
  task.draw = [](int condition, const VectorX& x) {
    return Reacher::draw(condition, Vector<Reacher::Nx>(x));
  };
  return task;
}

std::vector<Task> all_tasks() {
  std::vector<Task> all{point_mass(), reacher()};
#if defined(PILQR_HAS_BOX2D)
  for (Task& task : contact_tasks()) all.push_back(std::move(task));
#endif
  return all;
}

}  // namespace

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = all_tasks();
  return all;
}

const Task& find_task(std::string_view name) {
  std::string names;
  for (const Task& task : tasks()) {
    if (task.name == name) return task;
    names += (names.empty() ? "" : ", ") + task.name;
  }
  throw InvalidArgument(fmt::format("unknown task '{}', expected one of: {}", name, names));
}

}  // namespace pilqr
