#pragma once
/// An arm with a U-shaped gripper that pushes a box to a goal (PILQR17 section 6.1). Part of
/// pilqr::contact.

#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/systems/drawing.hpp"
#include "pilqr/systems/episode.hpp"

namespace pilqr::systems {

/// Seen from above, without gravity in the plane: three links with the base at the origin, a wrist
/// and a gripper whose palm stands across the wrist and whose fingers point away from the arm. The
/// links pass above the box; palm and fingers touch it.
///
///   o----o----o----o|===   finger       The state, 20 entries:
///  base            w|     []  box         0  q   joint angles, the wrist last, rad
///                   |===   finger         4  dq  rad/s
///                                         8  gripper centre, between the fingers, m
///                                        10  box: centre, m, and angle, rad
///                                        13  box centre minus goal, m
///                                        15  velocity of the gripper centre, m/s
///                                        17  velocities of the box, m/s, m/s, rad/s
///
/// The control is a torque per joint (N m), clipped to +-2 N m by the system. Twenty substeps
/// of 2.5 ms in Box2D, in single precision: the state's entries carry its rounding errors of about
/// 1e-7.
class GripperPusher {
 public:
  static constexpr const char* name = "gripper_pusher";  ///< of the task
  static constexpr int Nx = 20;                          ///< entries of the state
  static constexpr int Nu = 4;                           ///< entries of the control
  static constexpr int steps = 100;                      ///< T
  static constexpr int conditions = 4;                   ///< numbered from 0
  static constexpr double dt = 0.05;                     ///< control period, s
  static constexpr double substep = 0.0025;              ///< s

  static constexpr double link_length = 0.4;     ///< m, three links
  static constexpr double link_mass = 0.25;      ///< kg, rods
  static constexpr double max_torque = 2.0;      ///< N m
  static constexpr double damping = 0.5;         ///< of each joint, N m s/rad
  static constexpr double rotor = 0.04;          ///< inertia of each motor at its joint, kg m^2
  static constexpr double palm_width = 0.4;      ///< between the fingers' middle lines, m
  static constexpr double finger_length = 0.2;   ///< from the wrist, m
  static constexpr double thickness = 0.02;      ///< of palm and fingers, m
  static constexpr double palm_mass = 0.1;       ///< kg
  static constexpr double finger_mass = 0.05;    ///< of each, kg
  static constexpr double gripper_centre = 0.1;  ///< from the wrist, m
  static constexpr double box_width = 0.1;       ///< m
  static constexpr double box_mass = 0.2;        ///< kg
  static constexpr double box_friction = 0.3;    ///< with the floor, Coulomb
  static constexpr double grip_friction = 0.3;   ///< between gripper and box, Coulomb

  static constexpr int first_box = 10;             ///< entry of the state: box
  static constexpr int first_relative = 13;        ///< entry of the state: box minus goal
  static constexpr double success_distance = 0.1;  ///< box to goal at the end, m

  /// The box's centre at the start and where it should go, m. Condition 0: outward, 1: back towards
  /// the base, 2: a short way sideways, 3: across to the other side, for which the gripper has to
  /// go round the box. Throws InvalidArgument if there is no such condition.
  ///@{
  static Vector<2> box_start(int condition);
  static Vector<2> goal(int condition);
  ///@}

  /// The first state of a condition. Throws as goal() does.
  static Vector<Nx> start(int condition);
  /// 4 |box - goal| with a quadratic ramp + |gripper - box|, both smooth norms with l1 0.1 and l2
  /// 10, + a little for the wrist and the torques. Throws as goal() does.
  static CostSum cost(int condition);
  /// Holds the start, see hold_position_lqr. Throws as goal() does.
  static LinearGaussianPolicy<Nx, Nu> initial_policy(int condition);
  /// What a state looks like; the goal is that which the state is relative to.
  static Drawing draw(const Vector<Nx>& x);

  /// To start(condition), in a new world; draws nothing. Throws as goal() does.
  void reset(int condition, RandomStream& stream, Vector<Nx>& x);
  /// One control period; draws nothing. Throws InvalidArgument before the first reset.
  void step(int t, const Vector<Nx>& x, const Vector<Nu>& u, RandomStream& stream,
            Vector<Nx>& next);

 private:
  struct World;
  Episode<World, Nu> episode_;
};

}  // namespace pilqr::systems
