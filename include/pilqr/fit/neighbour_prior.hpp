#pragma once
/// The neighbours in time of a step as a prior for its regression.

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/fit/regression.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// How far the neighbours reach.
struct NeighbourPriorOptions {
  /// Points that every entry of [x; u] should be regressed on, a step's own included; at most 1e6.
  /// With N samples the steps at distance d count lambda^d, where (1 + lambda) / (1 - lambda) =
  /// points_per_input (nx + nu) / N steps make up these points, away from the ends of the horizon.
  /// From N >= points_per_input (nx + nu) samples on a step's own do.
  double points_per_input = 10.0;

  /// lambda for N points of a step and so many entries that are regressed on; 0: none is needed.
  [[nodiscard]] double decay(int inputs, int samples) const {
    const double steps = points_per_input * inputs / samples;
    return steps > 1.0 ? (steps - 1.0) / (steps + 1.0) : 0.0;
  }
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const NeighbourPriorOptions& o) {
  require(o.points_per_input >= 0.0 && o.points_per_input <= 1e6,
          "neighbours: points_per_input is {}, expected 0 to 1e6", o.points_per_input);
}

/// For every t < T-1 the scatter of the transitions z = [x; u; x'], those of the other steps s
/// included with weight lambda^|s-t|, each about its own step's mean: what comes of the scatter of
/// step t alone under a normal-inverse-Wishart prior with the others' scatter and without an
/// opinion on the mean (m = 0). With a few samples a step alone has fewer points than regressors:
/// its regression then passes through every sample, whatever the dynamics are, and says nothing
/// about other controls. Neighbours share most of their dynamics, which makes them the prior that
/// needs nothing but the batch (compare LFDA16 A.3, whose prior is a mixture over all steps).
class NeighbourPrior {
 public:
  NeighbourPrior() = default;
  /// See update(); the failure is in failure().
  NeighbourPrior(const RolloutsView& rollouts, const NeighbourPriorOptions& options) {
    (void)update(rollouts, options);
  }

  /// Takes in a batch, in place of the one before and in its memory. O(T N D^2) time and T D (D +
  /// 3) / 2 numbers, D = 2 nx + nu; none without decay. Returns and keeps failure().
  Failure update(const RolloutsView& rollouts, const NeighbourPriorOptions& options);

  /// lambda, in [0, 1); at 0 the neighbours have no say.
  [[nodiscard]] double decay() const { return decay_; }
  /// Names the first step whose scatter, or sum of scatters, is not finite: its points are NaN,
  /// infinite or too large to be squared.
  [[nodiscard]] const Failure& failure() const { return failure_; }
  /// Steps that have moments: T-1, or 0 without decay and after a failure.
  [[nodiscard]] int steps() const { return static_cast<int>(points_.size()); }
  /// Entries of z.
  [[nodiscard]] int dim() const { return static_cast<int>(mean_.rows()); }

  /// Of step t < steps(), the weighted scatter over all of them.
  [[nodiscard]] Moments moments(int t) const {
    return {mean_.col(t).data(), scatter_.col(t).data(), points_(t)};
  }

 private:
  double decay_ = 0.0;
  Failure failure_;
  MatrixX mean_;     // D x T-1
  MatrixX scatter_;  // D (D + 1) / 2 x T-1
  VectorX points_;   // T-1
};

}  // namespace pilqr
