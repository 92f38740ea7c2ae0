#include "pilqr/systems/gripper_pusher.hpp"

#include <array>
#include <numbers>

#include "arm.hpp"
#include "drawing.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/ramp.hpp"
#include "pilqr/costs/residual_cost.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "point_difference.hpp"

namespace pilqr::systems {

namespace {

using Pusher = GripperPusher;

constexpr int first_gripper = 8;  // entry of the state

struct Condition {
  Vector<2> box;
  Vector<2> goal;
};

const Condition& condition_at(int condition) {
  static const std::array<Condition, Pusher::conditions> all{
      Condition{{0.95, 0.05}, {1.15, 0.2}}, Condition{{0.8, 0.4}, {0.45, 0.45}},
      Condition{{0.8, 0.3}, {0.9, 0.5}}, Condition{{0.85, -0.35}, {0.8, 0.15}}};
  require(condition >= 0 && condition < Pusher::conditions,
          "gripper_pusher has conditions 0 to {}, not {}", Pusher::conditions - 1, condition);
  return all[static_cast<std::size_t>(condition)];
}

/// Palm and fingers in the frame of the wrist.
std::array<contact::Rectangle, 3> gripper_parts() {
  const double t = Pusher::thickness;
  const double half = 0.5 * Pusher::palm_width;
  const double l = Pusher::finger_length;
  return {contact::Rectangle{{0.0, 0.0}, t, Pusher::palm_width + t},
          contact::Rectangle{{0.5 * l, half}, l, t}, contact::Rectangle{{0.5 * l, -half}, l, t}};
}

/// Of palm and fingers as thin rods.
contact::Inertia gripper_inertia() {
  const double palm = Pusher::palm_mass;
  const double finger = Pusher::finger_mass;
  const double mass = palm + 2.0 * finger;
  const double center = finger * Pusher::finger_length / mass;  // two fingers, half a length away
  const double from_finger = 0.5 * Pusher::finger_length - center;
  const double half = 0.5 * Pusher::palm_width;
  return {.mass = mass,
          .center = {center, 0.0},
          .about_center = contact::rod_inertia(palm, Pusher::palm_width) + palm * center * center +
                          2.0 * contact::rod_inertia(finger, Pusher::finger_length) +
                          2.0 * finger * (from_finger * from_finger + half * half)};
}

contact::ArmOptions arm_options() {
  const contact::Link link = contact::rod(Pusher::link_mass, Pusher::link_length);
  return {.links = {link, link, link, {Pusher::gripper_centre, gripper_inertia()}},
          .rotor = Pusher::rotor,
          .damping = Pusher::damping};
}

/// The arm is bent, the gripper at its middle height points along the x axis.
VectorX start_angles() {
  const double angle = 70.0 * std::numbers::pi / 180.0;
  return Vector<4>(angle, -angle, -angle, angle);
}

}  // namespace

/// An episode's bodies.
struct GripperPusher::World {
  explicit World(int condition)
      : goal(condition_at(condition).goal),
        world(substep),
        arm(world, arm_options(), start_angles()) {
    constexpr int arm_group = -1;
    for (const contact::Rectangle& part : gripper_parts()) {
      world.add_box(arm.link(Nu - 1), part, {.friction = grip_friction, .group = arm_group});
    }
    const double w = box_width;
    box = &world.add_body({.position = condition_at(condition).box},
                          {.mass = box_mass, .about_center = box_mass * w * w / 6.0});
    world.add_box(*box, {.width = w, .height = w}, {.friction = grip_friction});
    world.add_sliding_friction(*box, box_friction, contact::mean_radius_of_square * w);
  }

  void move(const Vector<Nu>& u) {
    const Vector<Nu> torque = u.cwiseMax(-max_torque).cwiseMin(max_torque);
    contact::drive_for(dt, world, arm, torque);
  }

  void observe(Vector<Nx>& x) const {
    arm.read(x.head<Nu>(), x.segment<Nu>(Nu));
    const b2Body& gripper = arm.link(Nu - 1);
    const Vector<2> centre(gripper_centre, 0.0);
    x.segment<2>(first_gripper) = world.position(gripper, centre);
    x.segment<2>(first_box) = world.position(*box);
    x(first_box + 2) = static_cast<double>(box->GetAngle());
    x.segment<2>(first_relative) = x.segment<2>(first_box) - goal;
    x.segment<2>(15) = world.velocity(gripper, centre);
    x.segment<2>(17) = world.velocity(*box);
    x(19) = static_cast<double>(box->GetAngularVelocity());
  }

  Vector<2> goal;
  contact::World world;
  contact::Arm arm;
  b2Body* box = nullptr;
};

Vector<2> GripperPusher::box_start(int condition) {
  return condition_at(condition).box;
}

Vector<2> GripperPusher::goal(int condition) {
  return condition_at(condition).goal;
}

Vector<GripperPusher::Nx> GripperPusher::start(int condition) {
  Vector<Nx> x;
  World(condition).observe(x);
  return x;
}

CostSum GripperPusher::cost(int condition) {
  (void)condition_at(condition);  // refuses a condition that does not exist
  const NormOptions norm{.l1 = 0.1, .l2 = 10.0};
  CostSum sum;
  sum.add(4.0, StateCost({.start = first_relative,
                          .target = Vector<2>::Zero(),
                          .multipliers = ramp_multipliers(Ramp::quadratic, steps),
                          .norm = norm}));
  sum.add(1.0, ResidualCost(contact::PointDifference{first_gripper, first_box}, {.norm = norm}));
  sum.add(1.0, StateCost({.start = Nu - 1,
                          .target = Vector<1>(start_angles()(Nu - 1)),
                          .norm = {.l1 = 0.0, .l2 = 1e-2}}));
  sum.add(1.0, ActionCost({.weights = VectorX::Constant(Nu, 1e-3)}));
  return sum;
}

LinearGaussianPolicy<GripperPusher::Nx, GripperPusher::Nu> GripperPusher::initial_policy(
    int condition) {
  return hold_position_lqr<Nx, Nu>(
      steps, Nu, start(condition),
      {.dt = dt, .variance = 0.5, .gains = Vector<4>(2.0, 3.0, 6.0, 15.0)});
}

Drawing GripperPusher::draw(const Vector<Nx>& x) {
  const MatrixX points = contact::chain_points(
      {0.0, 0.0}, {link_length, link_length, link_length, gripper_centre}, x.head<Nu>());
  Drawing drawing;
  drawing.push_back({"goal", ShapeRole::goal, ShapeKind::circle,
                     x.segment<2>(first_box) - x.segment<2>(first_relative), success_distance});
  drawing.push_back(contact::rectangle("box", ShapeRole::object,
                                       {x.segment<2>(first_box), x(first_box + 2)},
                                       {.width = box_width, .height = box_width}));
  const contact::Pose wrist{points.col(Nu - 1), x.head<Nu>().sum()};
  const std::array<contact::Rectangle, 3> parts = gripper_parts();
  const std::array<const char*, 3> names{"palm", "left finger", "right finger"};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    drawing.push_back(contact::rectangle(names[i], ShapeRole::tool, wrist, parts[i]));
  }
  drawing.push_back({"arm", ShapeRole::arm, ShapeKind::line, points.leftCols(Nu), 0.5 * thickness});
  return drawing;
}

void GripperPusher::reset(int condition, RandomStream& /*stream*/, Vector<Nx>& x) {
  episode_.begin(condition).observe(x);
}

void GripperPusher::step(int /*t*/, const Vector<Nx>& /*x*/, const Vector<Nu>& u,
                         RandomStream& /*stream*/, Vector<Nx>& next) {
  episode_.move(u).observe(next);
}

}  // namespace pilqr::systems
