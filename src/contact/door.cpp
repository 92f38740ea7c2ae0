#include "pilqr/systems/door.hpp"

#include <array>
#include <cmath>
#include <numbers>

#include "arm.hpp"
#include "drawing.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/initial_policy.hpp"

namespace pilqr::systems {

namespace {

constexpr int quarter = Door::steps / 4;

/// Shaft and finger in the frame of the hook's joint.
std::array<contact::Rectangle, 2> hook_parts() {
  const double l = Door::shaft_length;
  const double t = Door::thickness;
  const double f = Door::finger_length;
  return {contact::Rectangle{{0.5 * l, 0.0}, l + t, t}, contact::Rectangle{{l, 0.5 * f}, t, f}};
}

/// The middle of the finger in the same frame.
Vector<2> hook_point() {
  return {Door::shaft_length, 0.5 * Door::finger_length};
}

/// Of shaft and finger as thin rods.
contact::Inertia hook_inertia() {
  const Vector<2> shaft(0.5 * Door::shaft_length, 0.0);
  const Vector<2> finger = hook_point();
  const double mass = Door::shaft_mass + Door::finger_mass;
  const Vector<2> center = (Door::shaft_mass * shaft + Door::finger_mass * finger) / mass;
  return {.mass = mass,
          .center = center,
          .about_center = contact::rod_inertia(Door::shaft_mass, Door::shaft_length) +
                          contact::rod_inertia(Door::finger_mass, Door::finger_length) +
                          Door::shaft_mass * (shaft - center).squaredNorm() +
                          Door::finger_mass * (finger - center).squaredNorm()};
}

contact::ArmOptions arm_options(int condition) {
  const contact::Link link = contact::rod(Door::link_mass, Door::link_length);
  return {.base = Door::base(condition),
          .links = {link, link, {Door::shaft_length, hook_inertia()}},
          .rotor = Door::rotor,
          .damping = Door::damping};
}

/// The elbow to the right, the hook pointing to the door.
VectorX start_angles() {
  return Vector<3>(37.0, 120.0, -67.0) * std::numbers::pi / 180.0;
}

/// The door: a chain of one link at the hinge. In its frame the x axis goes to the free end and the
/// arm is on the negative side; opening turns it clockwise.
contact::ArmOptions door_options() {
  return {.base = Door::hinge(),
          .links = {contact::rod(Door::door_mass, Door::door_width)},
          .damping = Door::hinge_damping};
}
contact::Rectangle door_panel() {
  return {{0.5 * Door::door_width, 0.0}, Door::door_width, Door::door_thickness};
}
Vector<2> handle_point() {
  return {Door::handle_at, -Door::handle_off};
}
Vector<2> grip_point() {
  return {Door::handle_at, Door::grip_behind - Door::handle_off};
}

/// The frame's stop behind the free end and the walls beside the door, in the world.
std::array<contact::Rectangle, 3> frame_parts() {
  const Vector<2> hinge = Door::hinge();
  const double behind = Door::door_thickness + 0.004;  // the closed door is 4 mm away from it
  const double free_end = hinge(0) + Door::door_width;
  return {contact::Rectangle{{free_end, hinge(1) + behind}, 0.06, Door::door_thickness},
          contact::Rectangle{{free_end + 0.22, hinge(1)}, 0.4, Door::door_thickness},
          contact::Rectangle{{hinge(0) - 0.25, hinge(1)}, 0.4, Door::door_thickness}};
}

}  // namespace

/// An episode's bodies.
struct Door::World {
  explicit World(int condition)
      : world(substep),
        arm(world, arm_options(condition), start_angles()),
        door(world, door_options(), Vector<1>(0.0)) {
    constexpr int arm_group = -1;
    for (const contact::Rectangle& part : hook_parts()) {
      world.add_box(arm.link(Nu - 1), part, {.friction = friction, .group = arm_group});
    }
    world.add_box(door.link(0), door_panel(), {.friction = friction});
    world.add_circle(door.link(0), handle_point(), handle_radius, {.friction = friction});
    for (const contact::Rectangle& part : frame_parts()) {
      world.add_box(world.floor(), part, {.friction = friction});
    }
  }

  void move(const Vector<Nu>& u) {
    const Vector<Nu> torque = u.cwiseMax(-max_torque).cwiseMin(max_torque);
    contact::drive_for(dt, world, arm, torque);
  }

  void observe(Vector<Nx>& x) const {
    arm.read(x.head<Nu>(), x.segment<Nu>(Nu));
    const b2Body& hook = arm.link(Nu - 1);
    x.segment<2>(6) = world.position(hook, hook_point());
    x.segment<2>(first_relative) = x.segment<2>(6) - world.position(door.link(0), grip_point());
    x.segment<2>(10) = world.velocity(hook, hook_point());
    x(hinge_angle) = -static_cast<double>(door.link(0).GetAngle());
    x(hinge_angle + 1) = -static_cast<double>(door.link(0).GetAngularVelocity());
  }

  contact::World world;
  contact::Arm arm;
  contact::Arm door;  // without a motor
};

Vector<2> Door::base(int condition) {
  require(condition >= 0 && condition < conditions, "door has conditions 0 to {}, not {}",
          conditions - 1, condition);
  return {0.4 + 0.1 * (condition % 2), 0.1 * (condition / 2)};  // NOLINT(bugprone-integer-division)
}

Vector<Door::Nx> Door::start(int condition) {
  Vector<Nx> x;
  World(condition).observe(x);
  return x;
}

CostSum Door::cost(int condition) {
  (void)base(condition);  // refuses a condition that does not exist
  VectorX reach = VectorX::Ones(steps);
  VectorX open = VectorX::Zero(steps);
  for (int t = 0; t < steps; ++t) {
    const auto share = [t](int first, int last) {
      return static_cast<double>(t - first + 1) / (last - first);
    };
    if (t < quarter) reach(t) = share(0, quarter);
    if (t >= quarter) open(t) = std::pow(share(quarter, steps), 2);
  }
  CostSum sum;
  sum.add(1.0, StateCost({.start = first_relative,
                          .target = Vector<2>::Zero(),
                          .multipliers = reach,
                          .norm = {.l1 = 0.5, .l2 = 20.0}}));
  sum.add(4.0, StateCost({.start = hinge_angle,
                          .target = Vector<1>(target_angle),
                          .multipliers = open,
                          .norm = {.l1 = 0.1, .l2 = 2.0}}));
  sum.add(1.0, ActionCost({.weights = VectorX::Constant(Nu, 1e-3)}));
  return sum;
}

LinearGaussianPolicy<Door::Nx, Door::Nu> Door::initial_policy(int condition) {
  return hold_position_lqr<Nx, Nu>(steps, Nu, start(condition),
                                   {.dt = dt, .variance = 0.5, .gains = Vector<3>(4.0, 6.0, 15.0)});
}

Drawing Door::draw(const Vector<Nx>& x) {
  // The base follows from the hook.
  const MatrixX from_base =
      contact::chain_points({0.0, 0.0}, {link_length, link_length, shaft_length}, x.head<Nu>());
  const contact::Pose hook_at_zero{from_base.col(2), x.head<Nu>().sum()};
  const Vector<2> base = x.segment<2>(6) - contact::in_world(hook_at_zero, hook_point());
  const contact::Pose hook{base + from_base.col(2), hook_at_zero.angle};
  const contact::Pose door{hinge(), -x(hinge_angle)};
  Drawing drawing;
  const std::array<const char*, 3> frame{"stop", "right wall", "left wall"};
  const auto frame_boxes = frame_parts();
  for (std::size_t i = 0; i < frame.size(); ++i) {
    drawing.push_back(contact::rectangle(frame[i], ShapeRole::fixed, {}, frame_boxes[i]));
  }
  drawing.push_back(contact::rectangle("door", ShapeRole::object, door, door_panel()));
  drawing.push_back({"handle", ShapeRole::object, ShapeKind::circle,
                     contact::in_world(door, handle_point()), handle_radius});
  const std::array<const char*, 2> names{"shaft", "finger"};
  const auto parts = hook_parts();
  for (std::size_t i = 0; i < names.size(); ++i) {
    drawing.push_back(contact::rectangle(names[i], ShapeRole::tool, hook, parts[i]));
  }
  drawing.push_back({"arm", ShapeRole::arm, ShapeKind::line, from_base.leftCols(3).colwise() + base,
                     0.5 * thickness});
  return drawing;
}

void Door::reset(int condition, RandomStream& /*stream*/, Vector<Nx>& x) {
  episode_.begin(condition).observe(x);
}

void Door::step(int /*t*/, const Vector<Nx>& /*x*/, const Vector<Nu>& u, RandomStream& /*stream*/,
                Vector<Nx>& next) {
  episode_.move(u).observe(next);
}

}  // namespace pilqr::systems
