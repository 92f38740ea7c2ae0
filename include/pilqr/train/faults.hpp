#pragma once
/// Rollouts that fail: made again or left out, never part of an update.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// What to do about rollouts that fail: the system throws, a number is NaN or infinite, time is up,
/// or the operator rejects them.
struct FaultOptions {
  /// How often a failed rollout is made again, with other noise; >= 0. What fails still is left
  /// out.
  int retries = 1;
  /// An update takes place if at least this share of the samples, rounded up, is good; in (0, 1].
  /// With fewer the training ends. Of every condition by itself or, with TRPO and DDPG, of all
  /// together.
  double least_share = 0.5;
  double time_limit = std::numeric_limits<double>::infinity();  ///< s, see SampleOptions

  /// Good rollouts that an update needs, of N; at least one.
  [[nodiscard]] int needed(int N) const {
    constexpr double rounding = 1e-12;  // 0.55 * 100 is a little more than 55
    return std::max(1, static_cast<int>(std::ceil(least_share * N * (1.0 - rounding))));
  }
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const FaultOptions& o) {
  constexpr int most = 1000;
  require(o.retries >= 0 && o.retries <= most, "faults: retries is {}, expected 0 to {}", o.retries,
          most);
  require(o.least_share > 0.0 && o.least_share <= 1.0,
          "faults: least_share is {}, expected in (0, 1]", o.least_share);
  require(o.time_limit > 0.0, "faults: time_limit is {}, expected > 0", o.time_limit);
}

/// A rollout that an update does not see.
template <int Nx = Dynamic, int Nu = Dynamic>
struct FailedRollout {
  int iteration = 0;  ///< of the training, from 0
  Failure failure;    ///< why, with condition, sample, step and attempt
  /// One sample: the steps up to the last control that was applied, all if rejected.
  Rollouts<Nx, Nu> rollout;
};

/// Told of a rollout that failed.
template <int Nx = Dynamic, int Nu = Dynamic>
using OnFailedRollout = std::function<void(const FailedRollout<Nx, Nu>&)>;

/// Asked for each rollout i of a batch that has not failed, on the first rank and the calling
/// thread: the reason why it does not count, or nothing. Set on all ranks or on none.
template <int Nx = Dynamic, int Nu = Dynamic>
using Reject = std::function<std::string(int condition, int i, const Rollouts<Nx, Nu>& rollouts)>;

/// What there is of rollout i, as a batch of one: the steps up to the first without a cost.
template <int Nx, int Nu>
[[nodiscard]] Rollouts<Nx, Nu> part_of(const Rollouts<Nx, Nu>& rollouts, int i) {
  int steps = 0;
  while (steps < rollouts.steps() && !std::isnan(rollouts.cost(i, steps))) ++steps;
  Rollouts<Nx, Nu> part(steps, 1, rollouts.nx(), rollouts.nu());
  for (int t = 0; t < steps; ++t) {
    part.x[t].col(0) = rollouts.x[t].col(i);
    part.u[t].col(0) = rollouts.u[t].col(i);
    part.xi[t].col(0) = rollouts.xi[t].col(i);
    part.cost(0, t) = rollouts.cost(i, t);
  }
  return part;
}

/// The rollouts with these numbers, in this order.
template <int Nx, int Nu>
[[nodiscard]] Rollouts<Nx, Nu> only(const Rollouts<Nx, Nu>& rollouts,
                                    const std::vector<int>& numbers) {
  Rollouts<Nx, Nu> some(rollouts.steps(), static_cast<int>(numbers.size()), rollouts.nx(),
                        rollouts.nu());
  for (int t = 0; t < rollouts.steps(); ++t) {
    for (int j = 0; j < some.samples(); ++j) {
      const int i = numbers[static_cast<std::size_t>(j)];
      some.x[t].col(j) = rollouts.x[t].col(i);
      some.u[t].col(j) = rollouts.u[t].col(i);
      some.xi[t].col(j) = rollouts.xi[t].col(i);
      some.cost(j, t) = rollouts.cost(i, t);
    }
  }
  return some;
}

}  // namespace pilqr
