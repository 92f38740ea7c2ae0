#pragma once
/// A Box2D world without gravity, in SI units at its interface. Only files of src/ and tests
/// include this.

#include <box2d/box2d.h>

#include "pilqr/core/types.hpp"

namespace pilqr::contact {

/// Box2D lengths per metre, where a world says nothing else. Box2D keeps shapes apart by a skin of
/// 0.01 and tolerates a penetration of 0.005 of its lengths: here 1 mm and 0.5 mm. The skin stays
/// around rectangles: it catches impacts before the shapes overlap.
inline constexpr double usual_scale = 10.0;

/// Gravity that presses bodies on the floor, m/s^2.
inline constexpr double gravity = 9.81;

/// Mean distance of a square's points from its centre, per side: (sqrt(2) + asinh(1)) / 6.
inline constexpr double mean_radius_of_square = 0.38259785823210635;
/// The same of a disc, per radius.
inline constexpr double mean_radius_of_disc = 2.0 / 3.0;

/// Place of a body's origin (m) and its angle (rad).
struct Pose {
  Vector<2> position = Vector<2>::Zero();
  double angle = 0.0;
};

/// How mass is distributed over a body.
struct Inertia {
  double mass = 1.0;                     ///< kg
  Vector<2> center = Vector<2>::Zero();  ///< of mass, in the body's frame, m
  double about_center = 1.0;             ///< rotational inertia about it, kg m^2
};

/// A rectangle in a body's frame.
struct Rectangle {
  Vector<2> center = Vector<2>::Zero();  ///< m
  double width = 0.0;                    ///< along the frame's x axis, m
  double height = 0.0;                   ///< along its y axis, m
};

/// How the shapes of a body touch others.
struct Surface {
  double friction = 0.3;  ///< Coulomb; of two surfaces the geometric mean counts
  int group = 0;          ///< shapes of one negative group do not touch
};

/// A new world for each rollout: nothing is left from an earlier one. Single precision inside: what
/// is read from it carries relative rounding errors of about 1e-7. The numbers of iterations and
/// the substep are fixed, bodies never sleep.
class World {
 public:
  static constexpr int velocity_iterations = 60;
  static constexpr int position_iterations = 15;

  /// @param substep s. @param scale Box2D lengths per metre: a larger one makes the skin and the
  /// tolerated penetration smaller.
  explicit World(double substep, double scale = usual_scale);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// A body that never moves, for joints and walls.
  b2Body& floor() { return *floor_; }
  /// A body at rest. It lives as long as the world.
  b2Body& add_body(const Pose& pose, const Inertia& inertia);
  /// The body slides on the floor: Coulomb friction with the weight at its origin, which must be
  /// its centre of mass. It brakes by `friction` g until the body rests, and a spin by the torque
  /// `friction` m g `radius`; the two do not weaken each other as they would under a real plate.
  void add_sliding_friction(b2Body& body, double friction, double radius);
  /// Adds a rectangle with a skin to a body.
  void add_box(b2Body& body, const Rectangle& box, const Surface& surface) const;
  /// Adds a circle of a radius (m) to a body.
  void add_circle(b2Body& body, const Vector<2>& center, double radius,
                  const Surface& surface) const;
  /// One substep.
  void step();

  /// Place and velocity of a point of the body's frame (m), in the world (m, m/s).
  [[nodiscard]] Vector<2> position(const b2Body& body,
                                   const Vector<2>& point = Vector<2>::Zero()) const;
  [[nodiscard]] Vector<2> velocity(const b2Body& body,
                                   const Vector<2>& point = Vector<2>::Zero()) const;
  /// Metres to Box2D lengths and back; velocities likewise.
  [[nodiscard]] b2Vec2 to_world(const Vector<2>& v) const;
  [[nodiscard]] Vector<2> to_si(const b2Vec2& v) const;
  [[nodiscard]] double substep() const { return substep_; }
  [[nodiscard]] double scale() const { return scale_; }

 private:
  b2World world_;
  double substep_;
  double scale_;
  b2Body* floor_;
};

}  // namespace pilqr::contact
