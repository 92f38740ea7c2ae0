#pragma once
/// A planar two-link arm that reaches for a point.

#include <array>
#include <cmath>
#include <numbers>

#include "pilqr/core/check.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/systems/drawing.hpp"

namespace pilqr::systems {

/// Two rods without gravity. The state is [q (rad), dq (rad/s), p (m), dp (m/s)] with p the end
/// effector; the control is a share of the largest torque, clipped to +-1 by the system. Classical
/// Runge-Kutta, five substeps of 0.01 s.
struct Reacher {
  static constexpr int Nx = 8;                       ///< entries of the state
  static constexpr int Nu = 2;                       ///< entries of the control
  static constexpr int steps = 100;                  ///< T
  static constexpr int conditions = 16;              ///< targets to train with
  static constexpr int held_out = 24;                ///< targets to test with, conditions 16 to 39
  static constexpr int held_out_starts = 12;         ///< starts to test with, conditions 40 to 51
  static constexpr double dt = 0.05;                 ///< control period, s
  static constexpr double l1 = 0.1;                  ///< m
  static constexpr double l2 = 0.11;                 ///< m
  static constexpr double m1 = 0.04;                 ///< kg
  static constexpr double m2 = 0.044;                ///< kg
  static constexpr double lc1 = 0.5 * l1;            ///< centre of mass, m
  static constexpr double lc2 = 0.5 * l2;            ///< centre of mass, m
  static constexpr double I1 = m1 * l1 * l1 / 12.0;  ///< about the centre of mass, kg m^2
  static constexpr double I2 = m2 * l2 * l2 / 12.0;  ///< about the centre of mass, kg m^2
  static constexpr double rotor = 5e-4;              ///< rotor inertia, kg m^2
  static constexpr double damping = 0.01;            ///< N m s/rad
  static constexpr double max_torque = 0.05;         ///< N m
  static constexpr double success_distance = 0.01;   ///< of the end effector from the target, m

  /// Where to reach in a condition, m. 0 to 3 lie 0.15 to 0.16 m from the base, all around it. 4 to
  /// 15 are the corners and the middles of the long sides of two ring sectors, for policies that
  /// are to learn all of them: radii 0.10 to 0.17 m, angles 20 to 120 and -40 to -145 degrees. The
  /// held-out ones are the points 1, 2, .. of the Halton sequence (bases 2, 3) in the same sectors
  /// in turn, at least 3 mm and 5 degrees from the edge, with the held-out starts the first of them
  /// again. Between the sectors, straight ahead of the
  /// stretched arm, the elbow may bend either way, and the best policy is not continuous. Throws
  /// InvalidArgument if there is no such condition.
  static Vector<2> target(int condition) {
    static const std::array<Vector<2>, 4> first{Vector<2>(-0.08, 0.13), Vector<2>(0.13, 0.08),
                                                Vector<2>(-0.13, -0.08), Vector<2>(0.05, -0.15)};
    constexpr int all = conditions + held_out + held_out_starts;
    require(condition >= 0 && condition < all, "reacher has conditions 0 to {}, not {}", all - 1,
            condition);
    if (condition < 4) return first[static_cast<std::size_t>(condition)];
    if (condition < conditions) {
      const int place = condition - 4;
      return polar(place % 2, place / 2 % 3 / 2.0, place / 6);
    }
    const int n = (condition - conditions) % held_out + 1;
    constexpr double edge = 0.05;  // of the sector's sides
    return polar(edge + (1.0 - 2.0 * edge) * halton(n, 2), edge + (1.0 - 2.0 * edge) * halton(n, 3),
                 n % 2);
  }

  /// The rows of the unit matrix that pick p out of the state, 2 x 8.
  static MatrixX end_effector() { return MatrixX::Identity(Nx, Nx).middleRows(4, 2); }

  /// 5 |e|^2 + sqrt(1e-4 + |e|^2) + 0.5e-3 |u|^2, e = p - target. Throws as target() does.
  static CostSum cost(int condition) {
    CostSum sum;
    sum.add(1.0, StateCost({.start = 4,
                            .target = target(condition),
                            .norm = {.l1 = 1.0, .l2 = 10.0, .alpha = 1e-4}}));
    sum.add(1.0, ActionCost({.weights = VectorX::Constant(2, 1e-3)}));
    return sum;
  }

  /// Where the rollouts of a condition begin, at rest: stretched out along the x axis, but in the
  /// held-out starts. There both joint angles are within +-0.3 rad of that, by the points 1, 2, ..
  /// of the Halton sequence (bases 5, 7).
  static Vector<8> start(int condition = 0) {
    Vector<4> s = Vector<4>::Zero();
    const int n = condition - conditions - held_out + 1;
    if (n > 0) s.head<2>() << 0.6 * halton(n, 5) - 0.3, 0.6 * halton(n, 7) - 0.3;
    Vector<8> x;
    observe(s, x);
    return x;
  }

  /// Holds the start, see hold_position_lqr.
  static LinearGaussianPolicy<8, 2> initial_policy() {
    return hold_position_lqr<8, 2>(
        steps, 2, start(), {.dt = dt, .variance = 0.3, .gains = VectorX::Constant(2, 20.0)});
  }

  /// What a state looks like. Throws as target() does.
  static Drawing draw(int condition, const Vector<8>& x) {
    Matrix<2, 3> joints;
    joints << 0.0, l1 * std::cos(x(0)), x(4), 0.0, l1 * std::sin(x(0)), x(5);
    return {{"target", ShapeRole::goal, ShapeKind::circle, target(condition), success_distance},
            {"arm", ShapeRole::arm, ShapeKind::line, joints, 0.006},
            {"end effector", ShapeRole::tool, ShapeKind::circle, joints.col(2), 0.006}};
  }

  /// To start(condition); draws nothing. Throws InvalidArgument if there is no such condition.
  void reset(int condition, RandomStream& /*stream*/, Vector<8>& x) const {
    (void)target(condition);  // refuses a condition that does not exist
    x = start(condition);
  }

  /// One control period; draws nothing.
  void step(int /*t*/, const Vector<8>& x, const Vector<2>& u, RandomStream& /*stream*/,
            Vector<8>& next) const {
    constexpr int substeps = 5;
    constexpr double h = dt / substeps;
    const Vector<2> torque = max_torque * u.cwiseMax(-1.0).cwiseMin(1.0);
    Vector<4> s = x.head<4>();
    for (int i = 0; i < substeps; ++i) {
      const Vector<4> a = derivative(s, torque);
      const Vector<4> b = derivative(s + 0.5 * h * a, torque);
      const Vector<4> c = derivative(s + 0.5 * h * b, torque);
      const Vector<4> d = derivative(s + h * c, torque);
      s += h / 6.0 * (a + 2.0 * b + 2.0 * c + d);
    }
    observe(s, next);
  }

 private:
  /// A point of a sector by its shares, 0 to 1, of the radii and the angles.
  static Vector<2> polar(double out, double along, int sector) {
    const double degrees = sector == 0 ? 20.0 + 100.0 * along : -40.0 - 105.0 * along;
    const double angle = degrees * std::numbers::pi / 180.0;
    const double radius = 0.10 + 0.07 * out;
    return {radius * std::cos(angle), radius * std::sin(angle)};
  }
  /// The digits of n mirrored at the point: a number in (0, 1).
  static double halton(int n, int base) {
    double value = 0.0;
    double digit = 1.0;
    for (; n > 0; n /= base) value += (n % base) * (digit /= base);
    return value;
  }

  /// d/dt [q, dq]: H(q) ddq = torque - damping dq + Coriolis terms.
  static Vector<4> derivative(const Vector<4>& s, const Vector<2>& torque) {
    const double c = std::cos(s(1));
    const double eta = m2 * l1 * lc2 * std::sin(s(1));
    const double H11 =
        I1 + I2 + m1 * lc1 * lc1 + m2 * (l1 * l1 + lc2 * lc2 + 2.0 * l1 * lc2 * c) + rotor;
    const double H12 = I2 + m2 * (lc2 * lc2 + l1 * lc2 * c);
    const double H22 = I2 + m2 * lc2 * lc2 + rotor;
    const double b1 = torque(0) - damping * s(2) + eta * (2.0 * s(2) * s(3) + s(3) * s(3));
    const double b2 = torque(1) - damping * s(3) - eta * s(2) * s(2);
    const double det = H11 * H22 - H12 * H12;
    return {s(2), s(3), (H22 * b1 - H12 * b2) / det, (H11 * b2 - H12 * b1) / det};
  }

  /// The full state from joint angles and velocities.
  static void observe(const Vector<4>& s, Vector<8>& x) {
    const double q12 = s(0) + s(1);
    const double w12 = s(2) + s(3);
    x.head<4>() = s;
    x(4) = l1 * std::cos(s(0)) + l2 * std::cos(q12);
    x(5) = l1 * std::sin(s(0)) + l2 * std::sin(q12);
    x(6) = -l1 * std::sin(s(0)) * s(2) - l2 * std::sin(q12) * w12;
    x(7) = l1 * std::cos(s(0)) * s(2) + l2 * std::cos(q12) * w12;
  }
};

}  // namespace pilqr::systems
