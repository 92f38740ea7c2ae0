#pragma once
/// Tasks by name: a system with its costs, start policies, success measures and defaults.

#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/model/any_system.hpp"
#include "pilqr/model/global_policy.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/noise.hpp"
#include "pilqr/model/rollout.hpp"
#include "pilqr/systems/drawing.hpp"

namespace pilqr {

/// Conditions that no policy is trained on, to test a global policy with.
struct HeldOut {
  std::string what;  ///< is new in them, for people: "targets"
  int count = 0;     ///< of them
};

/// A problem that knows how it is judged. Sizes are dynamic, so that programs can choose at run
/// time.
struct Task {
  std::string name;               ///< in commands and files
  std::string summary;            ///< one line
  int nx = 0;                     ///< entries of the state
  int nu = 0;                     ///< entries of the control
  int steps = 0;                  ///< T
  int conditions = 0;             ///< to train with, numbered from 0
  std::vector<HeldOut> held_out;  ///< more conditions, numbered after those in this order
  double dt = 0.0;                ///< control period, s
  /// The system clips each control to +- this, in its unit.
  double control_limit = std::numeric_limits<double>::infinity();
  int iterations = 20;        ///< of a training, unless set
  int samples = 20;           ///< of an iteration, unless set
  NoiseOptions noise;         ///< of exploration, unless set
  std::string distance_text;  ///< what distance() measures, for people

  std::function<AnySystem()> system;                                    ///< a new one
  std::function<AnyCost(int condition)> cost;                           ///< of a condition
  std::function<LinearGaussianPolicy<>(int condition)> initial_policy;  ///< of a condition
  /// What a global policy sees.
  std::function<Observation(int condition)> observation = [](int) { return Observation(); };
  /// Distance of sample i's rollout from the goal, in the unit that distance_text names.
  std::function<double(const Rollouts<>&, int condition, int i)> distance;
  /// Whether sample i's rollout solves the task.
  std::function<bool(const Rollouts<>&, int condition, int i)> success;
  /// What a state (nx) looks like in a condition; the shapes and their order are always the same.
  std::function<systems::Drawing(int condition, const VectorX& x)> draw;
};

/// All tasks, in a fixed order: the systems with contact come last, where the library was built
/// with Box2D. Part of pilqr::tasks.
const std::vector<Task>& tasks();

/// The task of a name. Throws InvalidArgument, naming the tasks there are.
const Task& find_task(std::string_view name);

}  // namespace pilqr
