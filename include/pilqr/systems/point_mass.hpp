#pragma once
/// The 2-D navigation task of the PILQR paper's authors.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/region_cost.hpp"
#include "pilqr/costs/state_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/systems/drawing.hpp"

/// The benchmark problems (docs/systems.md).
namespace pilqr::systems {

/// A point mass walks to a target; a region off the path pays. The state is [px, py, vx, vy] (m,
/// m/s), the control [fx, fy] (N), clipped to +-1 N by the system. Damped, five substeps of 0.01 s
/// with implicit damping: v <- v + h (f - b v) / (m + h b), p <- p + h v.
struct PointMass {
  static constexpr int Nx = 4;              ///< entries of the state
  static constexpr int Nu = 2;              ///< entries of the control
  static constexpr int steps = 100;         ///< T
  static constexpr double dt = 0.05;        ///< control period, s
  static constexpr double damping = 1;      ///< N s/m
  static constexpr double max_force = 1.0;  ///< of each component, N

  /// A flat cylinder and a sphere of radius 0.1 m at 1000 kg/m^3.
  static double mass() {
    constexpr double r = 0.1;
    return 1000.0 * (std::numbers::pi * r * r * 0.02 + 4.0 / 3.0 * std::numbers::pi * r * r * r);
  }
  /// Where every rollout begins, [m, m, m/s, m/s].
  static Vector<4> start() { return {1.0, 0.0, 0.0, 0.0}; }
  /// Where to go, m.
  static Vector<2> target() { return {3.0, 0.0}; }

  /// -30 within an l1 distance of 0.3 m from (2.5, 0.5), off the straight path.
  static RegionCost region() {
    return RegionCost({.start = 0,
                       .center = Vector<2>(2.5, 0.5),
                       .radius = 0.3,
                       .inside = -30.0,
                       .outside = 0.0});
  }

  /// 1/2 |p - target|^2 - 30 [p in region]; the region is not in the expansion.
  static CostSum cost() {
    CostSum sum;
    sum.add(1.0, StateCost({.start = 0, .target = target(), .norm = {.l1 = 0.0, .l2 = 1.0}}));
    sum.add(1.0, region());
    return sum;
  }

  /// Holds the start, see hold_position_lqr.
  static LinearGaussianPolicy<4, 2> initial_policy() {
    return hold_position_lqr<4, 2>(steps, 2, start(), {.dt = dt, .variance = 20.0});
  }

  /// What a state looks like: the target, the region and the mass.
  static Drawing draw(const Vector<4>& x) {
    Matrix<2, 4> corners;  // of the l1 ball
    corners << 1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0;
    const RegionCostOptions r = region().options();
    return {{"target", ShapeRole::goal, ShapeKind::circle, target(), 0.1},
            {"region", ShapeRole::goal, ShapeKind::polygon,
             (r.radius * corners).colwise() + Vector<2>(r.center), 0.0},
            {"mass", ShapeRole::object, ShapeKind::circle, x.head<2>(), 0.1}};
  }

  /// To start(), in the one condition there is; draws nothing.
  void reset(int /*condition*/, RandomStream& /*stream*/, Vector<4>& x) const { x = start(); }

  /// One control period; draws nothing.
  void step(int /*t*/, const Vector<4>& x, const Vector<2>& u, RandomStream& /*stream*/,
            Vector<4>& next) const {
    constexpr int substeps = 5;
    constexpr double h = dt / substeps;
    const double m = mass();
    const Vector<2> force = u.cwiseMax(-max_force).cwiseMin(max_force);
    next = x;
    for (int i = 0; i < substeps; ++i) {
      const Vector<2> v =
          next.tail<2>() + h / (m + h * damping) * (force - damping * next.tail<2>());
      next.tail<2>() = v;
      next.head<2>() += h * v;
    }
  }
};

}  // namespace pilqr::systems
