#pragma once
/// The neighbours in time of a step as a prior for its regression.

#include <cmath>
#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// How far the neighbours reach.
struct NeighbourPriorOptions {
  /// Points that every entry of [x; u] should be regressed on, a step's own included; at most 1e6.
  /// With N samples the steps at distance d count lambda^d, where (1 + lambda) / (1 - lambda) =
  /// points_per_input (nx + nu) / N steps make up these points, away from the ends of the horizon.
  /// From N >= points_per_input (nx + nu) samples on a step's own do.
  double points_per_input = 10.0;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const NeighbourPriorOptions& o) {
  require(o.points_per_input >= 0.0 && o.points_per_input <= 1e6,
          "neighbours: points_per_input is {}, expected 0 to 1e6", o.points_per_input);
}

/// For every t < T-1 the scatter of the transitions z = [x; u; x'] of the OTHER steps, each about
/// its own step's mean, weighted by lambda^distance, as a normal-inverse-Wishart prior without an
/// opinion on the mean (m = 0). With a few samples a step alone has fewer points than regressors:
/// its regression then passes through every sample, whatever the dynamics are, and says nothing
/// about other controls. Neighbours share most of their dynamics, which makes them the prior that
/// needs nothing but the batch (compare LFDA16 A.3, whose prior is a mixture over all steps).
class NeighbourPrior {
 public:
  /// O(T N D^2) time and T D^2 numbers, D = 2 nx + nu, twice as many on the way; none without
  /// decay.
  NeighbourPrior(const RolloutsView& rollouts, const NeighbourPriorOptions& options);

  /// lambda, in [0, 1); at 0 the neighbours have no say.
  [[nodiscard]] double decay() const { return decay_; }
  /// Names the first step whose scatter is not finite: its points are NaN, infinite or too large to
  /// be squared.
  [[nodiscard]] const Failure& failure() const { return failure_; }

  /// The prior at step t < T-1; the points themselves are not used again.
  [[nodiscard]] const NormalInverseWishart& at(int t, const MatrixX&) const {
    return prior_.empty() ? none_ : prior_[static_cast<std::size_t>(t)];
  }

 private:
  double decay_ = 0.0;
  Failure failure_;
  NormalInverseWishart none_;
  std::vector<NormalInverseWishart> prior_;  // T - 1, or none
};

}  // namespace pilqr
