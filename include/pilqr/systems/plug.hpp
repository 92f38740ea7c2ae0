#pragma once
/// An arm inserts a plug that it holds into a socket (PILQR17 section 6.2). Part of
/// pilqr::contact.

#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/systems/drawing.hpp"
#include "pilqr/systems/episode.hpp"

namespace pilqr::systems {

/// Seen from above, without gravity in the plane, the base at the origin. The arm's third link is a
/// hand with a plug at its end, a rectangle. The socket's hole is wider than the plug by 3 mm on
/// either side and stops it after 60 mm. Plug and socket touch, everything else of the arm passes
/// above.
///
///        o-----o            |####  socket   The state, 14 entries:
///       /       \  hand     |####             0  q   joint angles, rad
///      /         o-----[==] +----|            3  dq  rad/s
///     o              plug    hole|            6  tip of the plug minus its place, m
///    base                   +----|            8  rear of the plug minus its place, m
///                           |####            10  velocity of the tip, m/s
///                           |####            12  velocity of the rear, m/s
///
/// Tip and rear are the middles of the plug's ends; their places are those of full insertion. The
/// control is a torque per joint (N m), clipped to +-2 N m by the system. Twenty substeps of 2.5 ms
/// in Box2D, in single precision: the state's entries carry its rounding errors of about 1e-7. Its
/// skin around the shapes, 0.1 mm here, takes 0.15 mm off the play on either side.
class Plug {
 public:
  static constexpr const char* name = "plug";  ///< of the task
  static constexpr int Nx = 14;                ///< entries of the state
  static constexpr int Nu = 3;                 ///< entries of the control
  static constexpr int steps = 100;            ///< T
  static constexpr int conditions = 4;         ///< numbered from 0
  static constexpr double dt = 0.05;           ///< control period, s
  static constexpr double substep = 0.0025;    ///< s

  static constexpr double link_length = 0.4;  ///< m, two links
  static constexpr double link_mass = 0.25;   ///< kg, rods
  static constexpr double max_torque = 2.0;   ///< N m
  static constexpr double damping = 2.0;      ///< of each joint, N m s/rad
  static constexpr double rotor = 0.04;       ///< inertia of each motor at its joint, kg m^2
  static constexpr double hand_length = 0.1;  ///< to the plug, m
  static constexpr double hand_mass = 0.1;    ///< kg, a rod
  static constexpr double length = 0.08;      ///< of the plug, m
  static constexpr double width = 0.04;       ///< of the plug, m
  static constexpr double mass = 0.1;         ///< of the plug, kg
  static constexpr double clearance = 0.003;  ///< of the plug in the hole, on either side, m
  static constexpr double depth = 0.06;       ///< of the hole, m
  static constexpr double friction = 0.2;     ///< of plug and socket, Coulomb

  static constexpr int first_error = 6;           ///< entry of the state: tip minus its place
  static constexpr double success_depth = 0.057;  ///< from here on it is in, m

  /// The middle of the hole's opening, m; the hole goes along x.
  static Vector<2> mouth() { return {0.75, 0.0}; }

  /// The first state of a condition. 0: the plug straight before the hole, 1 and 2: 60 mm to the
  /// left and right of that, 3: closer to the socket, further to the left and turned. Throws
  /// InvalidArgument if there is no such condition.
  static Vector<Nx> start(int condition);
  /// Tip and rear to their places, squares and logarithm, with a quadratic ramp; a little for the
  /// torques. Throws as start() does.
  static CostSum cost(int condition);
  /// Holds the start, see hold_position_lqr. Throws as start() does.
  static LinearGaussianPolicy<Nx, Nu> initial_policy(int condition);
  /// What a state looks like.
  static Drawing draw(const Vector<Nx>& x);
  /// How far the tip is in the hole, m; negative before the socket, and never positive beside the
  /// hole.
  static double insertion(const ConstVectorRef& x);

  /// To start(condition), in a new world; draws nothing. Throws as start() does.
  void reset(int condition, RandomStream& stream, Vector<Nx>& x);
  /// One control period; draws nothing. Throws InvalidArgument before the first reset.
  void step(int t, const Vector<Nx>& x, const Vector<Nu>& u, RandomStream& stream,
            Vector<Nx>& next);

 private:
  struct World;
  Episode<World, Nu> episode_;
};

}  // namespace pilqr::systems
