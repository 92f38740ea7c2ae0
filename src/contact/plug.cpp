#include "pilqr/systems/plug.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "arm.hpp"
#include "drawing.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/ramp.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/initial_policy.hpp"

namespace pilqr::systems {

namespace {

/// Box2D lengths per metre: its skin is 0.1 mm here and its tolerated penetration 0.05 mm.
constexpr double world_scale = 100.0;

/// Joint angles at the start, degrees.
const Vector<3>& start_degrees(int condition) {
  static const std::array<Vector<3>, Plug::conditions> all{
      Vector<3>{56.0, -112.0, 56.0}, Vector<3>{63.0, -111.0, 48.0}, Vector<3>{48.0, -111.0, 63.0},
      Vector<3>{63.0, -95.5, 15.5}};
  require(condition >= 0 && condition < Plug::conditions, "plug has conditions 0 to {}, not {}",
          Plug::conditions - 1, condition);
  return all[static_cast<std::size_t>(condition)];
}

VectorX start_angles(int condition) {
  return start_degrees(condition) * std::numbers::pi / 180.0;
}

/// In the frame of the hand, whose origin is the wrist.
Vector<2> tip() {
  return {Plug::hand_length + Plug::length, 0.0};
}
Vector<2> rear() {
  return {Plug::hand_length, 0.0};
}
contact::Rectangle plug() {
  return {0.5 * (tip() + rear()), Plug::length, Plug::width};
}

/// Where tip and rear are when the plug is in.
Vector<4> places() {
  const Vector<2> end = Plug::mouth() + Vector<2>(Plug::depth, 0.0);
  Vector<4> both;
  both << end, end - Vector<2>(Plug::length, 0.0);
  return both;
}

/// Of a rod and a rectangle.
contact::Inertia hand_inertia() {
  const double m = Plug::hand_mass + Plug::mass;
  const double rod_at = 0.5 * Plug::hand_length;
  const double plug_at = plug().center(0);
  const double center = (Plug::hand_mass * rod_at + Plug::mass * plug_at) / m;
  return {.mass = m,
          .center = {center, 0.0},
          .about_center = contact::rod_inertia(Plug::hand_mass, Plug::hand_length) +
                          contact::rod_inertia(Plug::mass, Plug::length) +
                          contact::rod_inertia(Plug::mass, Plug::width) +
                          Plug::hand_mass * std::pow(rod_at - center, 2) +
                          Plug::mass * std::pow(plug_at - center, 2)};
}

contact::ArmOptions arm_options() {
  const contact::Link link = contact::rod(Plug::link_mass, Plug::link_length);
  return {.links = {link, link, {tip()(0), hand_inertia()}},
          .rotor = Plug::rotor,
          .damping = Plug::damping};
}

/// Left and right of the hole and its bottom, in the world.
std::array<contact::Rectangle, 3> socket_parts() {
  constexpr double wall = 0.4;
  constexpr double bottom = 0.04;
  const double half_hole = 0.5 * Plug::width + Plug::clearance;
  const Vector<2> beside(0.5 * Plug::depth, half_hole + 0.5 * wall);
  const Vector<2> behind(Plug::depth + 0.5 * bottom, 0.0);
  return {contact::Rectangle{Plug::mouth() + beside, Plug::depth, wall},
          contact::Rectangle{Plug::mouth() + Vector<2>(beside(0), -beside(1)), Plug::depth, wall},
          contact::Rectangle{Plug::mouth() + behind, bottom, 2.0 * (half_hole + wall)}};
}

}  // namespace

/// An episode's bodies.
struct Plug::World {
  explicit World(int condition)
      : world(substep, world_scale), arm(world, arm_options(), start_angles(condition)) {
    world.add_box(arm.link(Nu - 1), plug(), {.friction = friction});
    for (const contact::Rectangle& part : socket_parts()) {
      world.add_box(world.floor(), part, {.friction = friction});
    }
  }

  void move(const Vector<Nu>& u) {
    const Vector<Nu> torque = u.cwiseMax(-max_torque).cwiseMin(max_torque);
    contact::drive_for(dt, world, arm, torque);
  }

  void observe(Vector<Nx>& x) const {
    arm.read(x.head<Nu>(), x.segment<Nu>(Nu));
    const b2Body& hand = arm.link(Nu - 1);
    x.segment<4>(first_error) << world.position(hand, tip()), world.position(hand, rear());
    x.segment<4>(first_error) -= places();
    x.segment<2>(10) = world.velocity(hand, tip());
    x.segment<2>(12) = world.velocity(hand, rear());
  }

  contact::World world;
  contact::Arm arm;
};

Vector<Plug::Nx> Plug::start(int condition) {
  Vector<Nx> x;
  World(condition).observe(x);
  return x;
}

CostSum Plug::cost(int condition) {
  (void)start_degrees(condition);  // refuses a condition that does not exist
  CostSum sum;
  sum.add(1.0, StateCost({.start = first_error,
                          .target = Vector<4>::Zero(),
                          .multipliers = ramp_multipliers(Ramp::quadratic, steps),
                          .norm = {.kind = NormKind::log, .l1 = 1.0, .l2 = 10.0}}));
  sum.add(1.0, ActionCost({.weights = VectorX::Constant(Nu, 1e-3)}));
  return sum;
}

LinearGaussianPolicy<Plug::Nx, Plug::Nu> Plug::initial_policy(int condition) {
  return hold_position_lqr<Nx, Nu>(steps, Nu, start(condition),
                                   {.dt = dt, .variance = 0.5, .gains = Vector<3>(4.0, 6.0, 15.0)});
}

Drawing Plug::draw(const Vector<Nx>& x) {
  const MatrixX points =
      contact::chain_points({0.0, 0.0}, {link_length, link_length, hand_length}, x.head<Nu>());
  Drawing drawing;
  const std::array<const char*, 3> names{"left of the hole", "right of the hole", "bottom"};
  const auto parts = socket_parts();
  for (std::size_t i = 0; i < names.size(); ++i) {
    drawing.push_back(contact::rectangle(names[i], ShapeRole::fixed, {}, parts[i]));
  }
  drawing.push_back(contact::rectangle("plug", ShapeRole::tool,
                                       {points.col(Nu - 1), x.head<Nu>().sum()}, plug()));
  drawing.push_back({"arm", ShapeRole::arm, ShapeKind::line, points, 0.25 * width});
  return drawing;
}

double Plug::insertion(const ConstVectorRef& x) {
  const double along = x(first_error) + depth;
  const bool beside = std::abs(x(first_error + 1)) > 0.5 * width + clearance;
  return beside ? std::min(along, 0.0) : along;
}

void Plug::reset(int condition, RandomStream& /*stream*/, Vector<Nx>& x) {
  episode_.begin(condition).observe(x);
}

void Plug::step(int /*t*/, const Vector<Nx>& /*x*/, const Vector<Nu>& u, RandomStream& /*stream*/,
                Vector<Nx>& next) {
  episode_.move(u).observe(next);
}

}  // namespace pilqr::systems
