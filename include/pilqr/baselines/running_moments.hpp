#pragma once
/// Mean and variance of points that come batch by batch.

#include "pilqr/core/types.hpp"
#include "pilqr/nn/normalisation.hpp"

namespace pilqr {

/// The moments of all points so far, entry by entry (Chan, Golub, LeVeque: Algorithms for Computing
/// the Sample Variance, 1983, eq. 2.1).
struct RunningMoments {
  double points = 0.0;  ///< their number
  VectorX mean;         ///< n
  VectorX squares;      ///< n, sum of the squared deviations from the mean

  RunningMoments() = default;
  /// Of no points of n entries.
  explicit RunningMoments(int n) : mean(VectorX::Zero(n)), squares(VectorX::Zero(n)) {}

  /// Takes the columns of x, n x P, P >= 1, in. Throws InvalidArgument on another number of rows or
  /// if an entry is NaN or infinite; nothing is then taken in.
  void add(const ConstMatrixRef& x);

  /// Whether the sums have not overflowed; normalisation() would throw then.
  [[nodiscard]] bool finite() const { return mean.allFinite() && squares.allFinite(); }

  /// Mean and standard deviation, or least_scale where that is larger; those of no points are 0
  /// and 1. Throws InvalidArgument on invalid options.
  [[nodiscard]] Normalisation normalisation(const NormalisationOptions& options) const;

  /// Equal in all parts.
  friend bool operator==(const RunningMoments&, const RunningMoments&) = default;
};

/// Throws InvalidArgument unless sizes agree, all is finite, no square is negative, and the points
/// are a whole number; of none there are no sums.
void require_valid(const RunningMoments& moments);

}  // namespace pilqr
