#pragma once
/// A planar arm of Box2D bodies with motors in its joints.

#include <vector>

#include "world.hpp"

namespace pilqr::contact {

/// One link: its joint is the origin of its frame, the next joint lies at (length, 0).
struct Link {
  double length = 1.0;  ///< m
  Inertia inertia{};
};

/// Numbers of an arm; every joint has the same motor.
struct ArmOptions {
  Vector<2> base = Vector<2>::Zero();  ///< of the first joint, m
  std::vector<Link> links{};
  double rotor = 0.0;    ///< inertia of each motor, seen at the joint, kg m^2
  double damping = 0.0;  ///< of each joint, N m s/rad
};

/// A chain of links on revolute joints, without limits of the angles. Shapes on links need a common
/// negative group, see Surface, or they touch each other. With M the mass matrix of the
/// links, a the rotor inertia and b the damping, it moves as
///   (M(q) + a I) ddq + Coriolis terms = torque - b dq + contact forces.
///
/// Box2D has no inertia of a joint. The reflected inertia of a rotor takes the impulse
/// -a (dq+ - dq) out of a substep h, and implicit damping -h b dq+. Together that is an implicit
/// damper of a / h + b, solved along with the contacts (the angular part of a soft weld joint,
/// whose linear part holds the links together), and the torque a dq / h that is known beforehand.
/// Exact for any contact, up to the solver's iterations; a rotor's own spin with its link is left
/// out, as for large gear ratios.
class Arm {
 public:
  /// Links at rest in the pose q (rad, one per link, each relative to the link before).
  Arm(World& world, const ArmOptions& options, const VectorX& q);

  /// Applies the torques (N m, one per joint) for the next substep.
  void drive(const ConstVectorRef& torque);
  /// Joint angles (rad) and velocities (rad/s).
  void read(VectorRef q, VectorRef dq) const;
  [[nodiscard]] b2Body& link(int j) { return *links_[static_cast<std::size_t>(j)]; }
  [[nodiscard]] const b2Body& link(int j) const { return *links_[static_cast<std::size_t>(j)]; }
  [[nodiscard]] int joints() const { return static_cast<int>(links_.size()); }

 private:
  [[nodiscard]] const b2Body& before(int j) const { return j == 0 ? *floor_ : link(j - 1); }

  b2Body* floor_;
  std::vector<b2Body*> links_;
  double scale_;             // of the world
  double inertial_damping_;  // a / h, N m s/rad
};

/// Substeps of the world for `duration` (s), a whole number of them, under constant torques (N m).
void drive_for(double duration, World& world, Arm& arm, const ConstVectorRef& torque);

/// A rod: centre of mass in the middle, m l^2 / 12.
constexpr double rod_inertia(double mass, double length) {
  return mass * length * length / 12.0;
}
/// The link of a rod.
Link rod(double mass, double length);

/// The joints' positions and the tip of a chain (m), one column more than there are links.
MatrixX chain_points(const Vector<2>& base, const std::vector<double>& lengths,
                     const ConstVectorRef& q);

}  // namespace pilqr::contact
