#include "pilqr/systems/hockey.hpp"

#include <array>
#include <cmath>
#include <numbers>

#include "arm.hpp"
#include "drawing.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/residual_cost.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "point_difference.hpp"

namespace pilqr::systems {

namespace {

constexpr int first_blade = 6;

/// Where the puck lies and the direction of its goal, rad.
struct Condition {
  Vector<2> puck;
  double direction;
};

const Condition& condition_at(int condition) {
  static const std::array<Condition, Hockey::conditions> all{
      Condition{{0.65, 0.0}, 0.0}, Condition{{0.65, 0.0}, 0.2}, Condition{{0.65, 0.0}, -0.2},
      Condition{{0.62, 0.12}, 0.1}};
  require(condition >= 0 && condition < Hockey::conditions, "hockey has conditions 0 to {}, not {}",
          Hockey::conditions - 1, condition);
  return all[static_cast<std::size_t>(condition)];
}

contact::Rectangle blade() {
  return {{Hockey::stick_length, 0.0}, Hockey::thickness, Hockey::blade_width};
}

/// Of stick and blade as thin rods.
contact::Inertia stick_inertia() {
  const double l = Hockey::stick_length;
  const double mass = Hockey::stick_mass + Hockey::blade_mass;
  const double center = (Hockey::stick_mass * 0.5 * l + Hockey::blade_mass * l) / mass;
  return {.mass = mass,
          .center = {center, 0.0},
          .about_center = contact::rod_inertia(Hockey::stick_mass, l) +
                          contact::rod_inertia(Hockey::blade_mass, Hockey::blade_width) +
                          Hockey::stick_mass * std::pow(0.5 * l - center, 2) +
                          Hockey::blade_mass * std::pow(l - center, 2)};
}

contact::ArmOptions arm_options() {
  const contact::Link link = contact::rod(Hockey::link_mass, Hockey::link_length);
  return {.links = {link, link, {Hockey::stick_length, stick_inertia()}},
          .rotor = Hockey::rotor,
          .damping = Hockey::damping};
}

/// The elbow to the left, the stick along the x axis.
VectorX start_angles() {
  return Vector<3>(60.0, -120.0, 60.0) * std::numbers::pi / 180.0;
}

/// Back, left and right wall of a goal with this centre, open towards -x.
std::array<contact::Rectangle, 3> goal_walls(const Vector<2>& centre) {
  const double t = Hockey::thickness;
  const double out = 0.5 * (Hockey::mouth + t);
  const double back = 0.5 * (Hockey::depth + t);
  return {contact::Rectangle{centre + Vector<2>(back, 0.0), t, Hockey::mouth + 2.0 * t},
          contact::Rectangle{centre + Vector<2>(0.0, out), Hockey::depth, t},
          contact::Rectangle{centre - Vector<2>(0.0, out), Hockey::depth, t}};
}

}  // namespace

/// An episode's bodies.
struct Hockey::World {
  explicit World(int condition)
      : goal_centre(goal(condition)), world(substep), arm(world, arm_options(), start_angles()) {
    world.add_box(arm.link(Nu - 1), blade(), {.friction = friction});
    for (const contact::Rectangle& wall : goal_walls(goal_centre)) {
      world.add_box(world.floor(), wall, {.friction = friction});
    }
    const double r = puck_radius;
    puck = &world.add_body({.position = puck_start(condition)},
                           {.mass = puck_mass, .about_center = 0.5 * puck_mass * r * r});
    world.add_circle(*puck, Vector<2>::Zero(), r, {.friction = friction});
    world.add_sliding_friction(*puck, ice_friction, contact::mean_radius_of_disc * r);
  }

  void move(const Vector<Nu>& u) {
    const Vector<Nu> torque = u.cwiseMax(-max_torque).cwiseMin(max_torque);
    contact::drive_for(dt, world, arm, torque);
  }

  void observe(Vector<Nx>& x) const {
    arm.read(x.head<Nu>(), x.segment<Nu>(Nu));
    const b2Body& stick = arm.link(Nu - 1);
    const Vector<2> tip(stick_length, 0.0);
    x.segment<2>(first_blade) = world.position(stick, tip);
    x.segment<2>(first_puck) = world.position(*puck);
    x.segment<2>(first_relative) = x.segment<2>(first_puck) - goal_centre;
    x.segment<2>(12) = world.velocity(stick, tip);
    x.segment<2>(14) = world.velocity(*puck);
  }

  Vector<2> goal_centre;
  contact::World world;
  contact::Arm arm;
  b2Body* puck = nullptr;
};

Vector<2> Hockey::puck_start(int condition) {
  return condition_at(condition).puck;
}

Vector<2> Hockey::goal(int condition) {
  const Condition& c = condition_at(condition);
  return c.puck + shot * Vector<2>(std::cos(c.direction), std::sin(c.direction));
}

Vector<Hockey::Nx> Hockey::start(int condition) {
  Vector<Nx> x;
  World(condition).observe(x);
  return x;
}

CostSum Hockey::cost(int condition) {
  (void)condition_at(condition);  // refuses a condition that does not exist
  const NormOptions norm{.l1 = 0.1, .l2 = 10.0};
  VectorX before_hit = VectorX::Zero(steps);
  before_hit.head(hit_by).setOnes();
  CostSum sum;
  sum.add(1.0, StateCost({.start = first_relative, .target = Vector<2>::Zero(), .norm = norm}));
  sum.add(1.0, ResidualCost(contact::PointDifference{first_blade, first_puck},
                            {.multipliers = before_hit, .norm = norm}));
  sum.add(1.0, ActionCost({.weights = VectorX::Constant(Nu, 1e-3)}));
  return sum;
}

LinearGaussianPolicy<Hockey::Nx, Hockey::Nu> Hockey::initial_policy(int condition) {
  return hold_position_lqr<Nx, Nu>(steps, Nu, start(condition),
                                   {.dt = dt, .variance = 1.0, .gains = Vector<3>(6.0, 8.0, 20.0)});
}

Drawing Hockey::draw(const Vector<Nx>& x) {
  const MatrixX points =
      contact::chain_points({0.0, 0.0}, {link_length, link_length, stick_length}, x.head<Nu>());
  const Vector<2> centre = x.segment<2>(first_puck) - x.segment<2>(first_relative);
  Drawing drawing;
  const std::array<const char*, 3> names{"back wall", "left wall", "right wall"};
  const auto walls = goal_walls(centre);
  for (std::size_t i = 0; i < names.size(); ++i) {
    drawing.push_back(contact::rectangle(names[i], ShapeRole::fixed, {}, walls[i]));
  }
  drawing.push_back(contact::rectangle("goal", ShapeRole::goal, {centre, 0.0},
                                       {.width = depth, .height = mouth}));
  drawing.push_back(
      {"puck", ShapeRole::object, ShapeKind::circle, x.segment<2>(first_puck), puck_radius});
  drawing.push_back(
      contact::rectangle("blade", ShapeRole::tool, {points.col(2), x.head<Nu>().sum()}, blade()));
  drawing.push_back({"arm", ShapeRole::arm, ShapeKind::line, points, 0.25 * thickness});
  return drawing;
}

bool Hockey::in_goal(const ConstVectorRef& x) {
  return std::abs(x(first_relative)) < 0.5 * depth && std::abs(x(first_relative + 1)) < 0.5 * mouth;
}

void Hockey::reset(int condition, RandomStream& /*stream*/, Vector<Nx>& x) {
  episode_.begin(condition).observe(x);
}

void Hockey::step(int /*t*/, const Vector<Nx>& /*x*/, const Vector<Nu>& u, RandomStream& /*stream*/,
                  Vector<Nx>& next) {
  episode_.move(u).observe(next);
}

}  // namespace pilqr::systems
