#include <algorithm>

#include "pilqr/systems/contact_tasks.hpp"
#include "pilqr/systems/door.hpp"
#include "pilqr/systems/gripper_pusher.hpp"
#include "pilqr/systems/hockey.hpp"
#include "pilqr/systems/plug.hpp"

namespace pilqr {

namespace {

/// What follows from a system's constants and functions.
template <class S>
Task task_of(const char* summary) {
  Task task;
  task.name = S::name;
  task.summary = summary;
  task.nx = S::Nx;
  task.nu = S::Nu;
  task.steps = S::steps;
  task.conditions = S::conditions;
  task.dt = S::dt;
  task.control_limit = S::max_torque;
  task.system = [] { return AnySystem(S{}); };
  task.cost = [](int condition) { return AnyCost(S::cost(condition)); };
  task.initial_policy = [](int condition) { return to_dynamic(S::initial_policy(condition)); };
  task.draw = [](int, const VectorX& x) { return S::draw(Vector<S::Nx>(x)); };
  return task;
}

Task gripper_pusher() {
  using systems::GripperPusher;
  Task task =
      task_of<GripperPusher>("an arm with a U-shaped gripper pushes a box to one of four goals");
  task.noise = {.width = 5.0};
  task.distance_text = "box to the goal at the last step, m";
  task.distance = [](const Rollouts<>& r, int, int i) {
    return r.x[r.steps() - 1].col(i).segment(GripperPusher::first_relative, 2).norm();
  };
  task.success = [distance = task.distance](const Rollouts<>& r, int condition, int i) {
    return distance(r, condition, i) < GripperPusher::success_distance;
  };
  return task;
}

Task door() {
  using systems::Door;
  Task task = task_of<Door>("an arm with a hook pulls a hinged door open by its handle");
  task.noise = {.width = 5.0};
  task.distance_text = "hinge angle short of 1.4 rad at the last step, rad";
  task.distance = [](const Rollouts<>& r, int, int i) {
    return std::max(0.0, Door::target_angle - r.x[r.steps() - 1](Door::hinge_angle, i));
  };
  task.success = [](const Rollouts<>& r, int, int i) {
    return r.x[r.steps() - 1](Door::hinge_angle, i) > Door::success_angle;
  };
  return task;
}

Task hockey() {
  using systems::Hockey;
  Task task = task_of<Hockey>("an arm shoots a puck into a goal that it cannot reach");
  task.noise = {.width = 5.0};
  task.distance_text = "puck to the goal's centre at the last step, m";
  task.distance = [](const Rollouts<>& r, int, int i) {
    return r.x[r.steps() - 1].col(i).segment(Hockey::first_relative, 2).norm();
  };
  task.success = [](const Rollouts<>& r, int, int i) {
    return Hockey::in_goal(r.x[r.steps() - 1].col(i));
  };
  return task;
}

Task plug() {
  using systems::Plug;
  Task task = task_of<Plug>("an arm inserts a plug into a socket with a few millimetres of play");
  task.noise = {.width = 5.0};
  task.distance_text = "depth short of full insertion at the last step, m";
  task.distance = [](const Rollouts<>& r, int, int i) {
    return std::max(0.0, Plug::depth - Plug::insertion(r.x[r.steps() - 1].col(i)));
  };
  task.success = [](const Rollouts<>& r, int, int i) {
    return Plug::insertion(r.x[r.steps() - 1].col(i)) > Plug::success_depth;
  };
  return task;
}

}  // namespace

std::vector<Task> contact_tasks() {
  return {gripper_pusher(), door(), hockey(), plug()};
}

}  // namespace pilqr
