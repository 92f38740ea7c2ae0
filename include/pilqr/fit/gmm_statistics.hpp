#pragma once
/// What the M-step of a mixture has to know of points.

#include "pilqr/core/types.hpp"

namespace pilqr {

/// The sufficient statistics of P points for K Gaussians: the moments of each cluster, to which a
/// point counts as much as its responsibility. Those of two sets of points add up to those of both,
/// so that EM can renew the responsibilities of one set at a time (Neal & Hinton, Learning in
/// Graphical Models, 1998). Second moments are about the means: no offset of the points cancels.
struct GmmStatistics {
  int points = 0;         ///< P
  VectorX counts{};       ///< K; they sum to P
  MatrixX means{};        ///< D x K; zero for a cluster without points
  MatrixX covariances{};  ///< D (D + 1) / 2 x K; lower triangles by columns, divided by the count

  /// Those of both sets of points (Chan, Golub & LeVeque, COMPSTAT 1982). Either may be of none,
  /// as it is by default. Throws InvalidArgument for those of other sizes.
  void add(const GmmStatistics& others);

  /// Equal shapes and entries.
  friend bool operator==(const GmmStatistics&, const GmmStatistics&) = default;
};

/// Throws InvalidArgument unless they can be those of `points` points of `dim` entries for
/// `clusters` clusters: shapes, finite entries, no negative count or variance, counts that sum to
/// the points.
void require_valid(const GmmStatistics& statistics, int points, int dim, int clusters);

}  // namespace pilqr
