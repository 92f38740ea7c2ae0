#pragma once
/// An arm shoots a puck into a goal that it cannot reach (PILQR17 section 6.2). Part of
/// pilqr::contact.

#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/systems/drawing.hpp"
#include "pilqr/systems/episode.hpp"

namespace pilqr::systems {

/// Seen from above, without gravity in the plane. The arm's third link is a stick with a blade
/// across its end; blade and puck touch, everything else of the arm passes above. The goal is a
/// frame of three walls that is open towards the arm and stops the puck.
///
///        o------o                      +----   The state, 16 entries:
///       /        \  stick              |         0  q   joint angles, rad
///      /          \                    |         3  dq  rad/s
///     o            |=| blade  O puck   | goal    6  blade: its middle, m
///    base                              |         8  puck, m
///                                      +----    10  puck minus goal, m
///                                               12  velocity of the blade, m/s
///                                               14  velocity of the puck, m/s
///
/// The control is a torque per joint (N m), clipped to +-2 N m by the system. Twenty substeps
/// of 2.5 ms in Box2D, in single precision: the state's entries carry its rounding errors of about
/// 1e-7.
class Hockey {
 public:
  static constexpr const char* name = "hockey";  ///< of the task
  static constexpr int Nx = 16;                  ///< entries of the state
  static constexpr int Nu = 3;                   ///< entries of the control
  static constexpr int steps = 100;              ///< T
  static constexpr int conditions = 4;           ///< numbered from 0
  static constexpr double dt = 0.05;             ///< control period, s
  static constexpr double substep = 0.0025;      ///< s

  static constexpr double link_length = 0.3;    ///< m, two links
  static constexpr double link_mass = 0.2;      ///< kg, rods
  static constexpr double max_torque = 2.0;     ///< N m
  static constexpr double damping = 0.2;        ///< of each joint, N m s/rad
  static constexpr double rotor = 0.02;         ///< inertia of each motor at its joint, kg m^2
  static constexpr double stick_length = 0.2;   ///< to the blade, m
  static constexpr double stick_mass = 0.1;     ///< kg, a rod
  static constexpr double blade_width = 0.15;   ///< across the stick, m
  static constexpr double blade_mass = 0.05;    ///< kg
  static constexpr double thickness = 0.02;     ///< of the blade and the goal's walls, m
  static constexpr double puck_radius = 0.04;   ///< m
  static constexpr double puck_mass = 0.15;     ///< kg
  static constexpr double ice_friction = 0.03;  ///< of the puck with the floor, Coulomb
  static constexpr double friction = 0.3;       ///< of blade, puck and walls, Coulomb
  static constexpr double mouth = 0.3;          ///< width of the goal, m
  static constexpr double depth = 0.2;          ///< of the goal, m
  static constexpr double shot = 1.4;           ///< from the puck's start to the goal's centre, m

  static constexpr int first_puck = 8;       ///< entry of the state
  static constexpr int first_relative = 10;  ///< entry of the state: puck minus goal
  static constexpr int hit_by = 30;          ///< the stick is drawn to the puck before this step

  /// Where the puck lies at the start and the centre of the goal, 1.4 m away from it in a direction
  /// of its own, m. Throws InvalidArgument if there is no such condition.
  ///@{
  static Vector<2> puck_start(int condition);
  static Vector<2> goal(int condition);
  ///@}

  /// The first state of a condition. Throws as goal() does.
  static Vector<Nx> start(int condition);
  /// Puck to goal; before step hit_by also blade to puck; a little for the torques. Throws as
  /// goal() does.
  static CostSum cost(int condition);
  /// Holds the start, see hold_position_lqr. Throws as goal() does.
  static LinearGaussianPolicy<Nx, Nu> initial_policy(int condition);
  /// What a state looks like; the goal is that which the state is relative to.
  static Drawing draw(const Vector<Nx>& x);
  /// Whether the puck of this state is inside the goal's frame.
  static bool in_goal(const ConstVectorRef& x);

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
