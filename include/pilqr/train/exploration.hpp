#pragma once
/// How much exploration noise a policy has left, and a floor under it.

#include "pilqr/core/check.hpp"
#include "pilqr/core/sequence.hpp"

namespace pilqr {

/// What to do about exploration that shrinks. Ratios are of standard deviations, to those of the
/// first policy at the same step, in every direction of the control: with Sigma0 = L0 L0' they are
/// the roots of the eigenvalues of Sigma0^-1 Sigma, which do not depend on the controls' units.
struct ExplorationOptions {
  /// After each update the covariance is raised until no ratio is below this, in [0, 1); 0: no
  /// floor. The divergence that this costs comes on top of the update's KL step.
  double floor = 0.0;
  /// Exploration of a policy is spent if no ratio is above this, or above the floor; >= 0. 0: never
  /// spent, unless at a floor.
  double spent_ratio = 0.0;
  /// Iterations in a row after which the training ends if all conditions are spent; >= 1.
  int spent_iterations = 5;
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const ExplorationOptions& options);

/// The exploration noise of a policy over its horizon.
struct Exploration {
  double std_min = 0.0;    ///< least standard deviation of a control, its unit
  double ratio_min = 0.0;  ///< least and greatest ratio to the first policy, see ExplorationOptions
  double ratio_max = 0.0;  ///< the greatest, likewise
};

/// @param L lower Cholesky factors, nu x nu. @param first those of the first policy.
/// Throws InvalidArgument on shapes.
[[nodiscard]] Exploration describe_exploration(const SequenceView<>& L,
                                               const SequenceView<>& first);

/// Raises covariances to the floor: with L0^-1 L = U S V' and s = max(S, floor),
///   Sigma <- L0 U s^2 U' L0'.
/// Steps at which no ratio is below the floor keep their bits. Returns the number of the others.
/// Throws InvalidArgument on shapes.
[[nodiscard]] int raise_exploration(const SequenceView<>& first, double floor,
                                    Sequence<Dynamic, Dynamic>& L);

/// Whether a policy has no exploration left.
[[nodiscard]] bool is_spent(const Exploration& exploration, const ExplorationOptions& options);

}  // namespace pilqr
