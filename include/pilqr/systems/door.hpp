#pragma once
/// An arm with a hook pulls a hinged door open by its handle (PILQR17 section 6.1). Part of
/// pilqr::contact.

#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/systems/drawing.hpp"
#include "pilqr/systems/episode.hpp"

namespace pilqr::systems {

/// Seen from above, without gravity in the plane. The door is closed along the x axis, its free end
/// rests on a stop of the frame, so that it can only be pulled; its handle is a post in front of
/// it. The hook is the arm's third link, an L whose finger points to the left of the link. Hook,
/// door, handle and frame touch; the links before it pass above.
///
///    hinge                     The state, 14 entries:
///      o=========[]== stop       0  q   joint angles, rad
///             o   handle         3  dq  rad/s
///              --+               6  hook: the middle of the finger, m
///                | hook          8  hook minus grip, the place behind the handle, m
///       o--------o              10  velocity of the hook, m/s
///        \                      12  hinge angle, 0 closed, positive open, rad
///         o base                13  hinge rate, rad/s
///
/// The control is a torque per joint (N m), clipped to +-2 N m by the system. Twenty substeps
/// of 2.5 ms in Box2D, in single precision: the state's entries carry its rounding errors of about
/// 1e-7.
class Door {
 public:
  static constexpr const char* name = "door";  ///< of the task
  static constexpr int Nx = 14;                ///< entries of the state
  static constexpr int Nu = 3;                 ///< entries of the control
  static constexpr int steps = 100;            ///< T
  static constexpr int conditions = 4;         ///< numbered from 0
  static constexpr double dt = 0.05;           ///< control period, s
  static constexpr double substep = 0.0025;    ///< s

  static constexpr double link_length = 0.4;      ///< m, two links
  static constexpr double link_mass = 0.25;       ///< kg, rods
  static constexpr double max_torque = 2.0;       ///< N m
  static constexpr double damping = 0.5;          ///< of each joint, N m s/rad
  static constexpr double rotor = 0.04;           ///< inertia of each motor at its joint, kg m^2
  static constexpr double shaft_length = 0.15;    ///< of the hook, m
  static constexpr double finger_length = 0.08;   ///< from the shaft's middle line, m
  static constexpr double thickness = 0.02;       ///< of the hook, m
  static constexpr double shaft_mass = 0.1;       ///< kg
  static constexpr double finger_mass = 0.05;     ///< kg
  static constexpr double door_width = 0.4;       ///< from the hinge, m
  static constexpr double door_thickness = 0.03;  ///< m
  static constexpr double door_mass = 1.0;        ///< kg
  static constexpr double hinge_damping = 0.2;    ///< N m s/rad
  static constexpr double handle_at = 0.34;       ///< along the door from the hinge, m
  static constexpr double handle_off = 0.105;     ///< from the door's middle line, m
  static constexpr double handle_radius = 0.012;  ///< m
  static constexpr double grip_behind = 0.03;     ///< from the handle's centre towards the door, m
  static constexpr double friction = 0.3;         ///< of all surfaces, Coulomb

  static constexpr int first_relative = 8;      ///< entry of the state: hook minus grip
  static constexpr int hinge_angle = 12;        ///< entry of the state
  static constexpr double target_angle = 1.4;   ///< rad
  static constexpr double success_angle = 1.0;  ///< rad

  /// m.
  static Vector<2> hinge() { return {-0.2, 0.75}; }
  /// Of the arm: corners of a square of 0.1 m. Throws InvalidArgument if there is no such
  /// condition.
  static Vector<2> base(int condition);

  /// The first state of a condition. Throws as base() does.
  static Vector<Nx> start(int condition);
  /// Hook to grip until the last step, from the first quarter on with the whole weight; from then
  /// on the hinge angle to 1.4 rad with a quadratic ramp; a little for the torques. Throws as
  /// base() does.
  static CostSum cost(int condition);
  /// Holds the start, see hold_position_lqr. Throws as base() does.
  static LinearGaussianPolicy<Nx, Nu> initial_policy(int condition);
  /// What a state looks like.
  static Drawing draw(const Vector<Nx>& x);

  /// To start(condition), in a new world; draws nothing. Throws as base() does.
  void reset(int condition, RandomStream& stream, Vector<Nx>& x);
  /// One control period; draws nothing. Throws InvalidArgument before the first reset.
  void step(int t, const Vector<Nx>& x, const Vector<Nu>& u, RandomStream& stream,
            Vector<Nx>& next);

 private:
  struct World;
  Episode<World, Nu> episode_;
};

}  // namespace pilqr::systems
