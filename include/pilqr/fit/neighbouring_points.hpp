#pragma once
/// The neighbours in time of a step as a prior over any points.

#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/fit/neighbour_prior.hpp"

namespace pilqr {

/// What NeighbourPrior is for transitions, for the points of any regression: at every t the scatter
/// of the OTHER steps' points, each about its own step's mean, weighted by lambda^distance, as a
/// normal-inverse-Wishart prior without an opinion on the mean (m = 0).
class NeighbouringPoints {
 public:
  /// @param z the points, D x N per step.
  /// @param inputs how many of the D entries are regressed on: nx + nu of NeighbourPriorOptions.
  NeighbouringPoints(const SequenceView<>& z, int inputs, const NeighbourPriorOptions& options);

  /// lambda, in [0, 1); at 0 the neighbours have no say.
  [[nodiscard]] double decay() const { return decay_; }
  /// Names the first step whose scatter is not finite.
  [[nodiscard]] const Failure& failure() const { return failure_; }

  /// The prior at step t; the points themselves are not used again.
  [[nodiscard]] const NormalInverseWishart& at(int t, const MatrixX&) const {
    return prior_[static_cast<std::size_t>(t)];
  }

 private:
  double decay_ = 0.0;
  Failure failure_;
  std::vector<NormalInverseWishart> prior_;  // T
};

}  // namespace pilqr
