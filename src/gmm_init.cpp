#include <cmath>
#include <limits>

#include "pilqr/fit/gmm.hpp"

namespace pilqr {

namespace {

/// Each point's nearest centre; the centres are points, drawn one by one with probability
/// proportional to the squared distance to those already drawn (k-means++; Arthur & Vassilvitskii,
/// SODA 2007), entries measured in their standard deviations. Ends early when all points coincide
/// with a centre. Returns the number of centres.
int draw_assignment(const ConstMatrixRef& points, int clusters, RandomStream& stream,
                    std::vector<int>& assignment) {
  const int P = cols(points);
  const VectorX mean = points.rowwise().mean();
  VectorX scale = ((points.colwise() - mean).rowwise().squaredNorm() / P).cwiseSqrt();
  for (double& s : scale) s = s > 0.0 ? 1.0 / s : 1.0;
  assignment.assign(static_cast<std::size_t>(P), 0);
  VectorX distance = VectorX::Constant(P, std::numeric_limits<double>::infinity());
  int centre = static_cast<int>(P * stream.uniform());
  for (int k = 0;; ++k) {
    int farthest = 0;
    for (int j = 0; j < P; ++j) {
      const double d =
          ((points.col(j) - points.col(centre)).array() * scale.array()).matrix().squaredNorm();
      if (d < distance(j)) {
        distance(j) = d;
        assignment[static_cast<std::size_t>(j)] = k;
      }
      if (distance(j) > distance(farthest)) farthest = j;
    }
    const double total = distance.sum();
    if (k + 1 == clusters || !(total > 0.0)) return k + 1;
    double rest = total * stream.uniform();
    centre = farthest;  // where rounding leaves a rest
    for (int j = 0; j < P; ++j) {
      rest -= distance(j);
      if (rest < 0.0) {
        centre = j;
        break;
      }
    }
  }
}

}  // namespace

Failure Gmm::assign(const ConstMatrixRef& points, const std::vector<int>& assignment, int clusters,
                    double ridge) {
  const int D = rows(points);
  const int P = cols(points);
  resize(D, clusters);
  parameters_.points = P;
  parameters_.log_weights.setConstant(-std::log(clusters));
  MatrixX own(D, P);
  MatrixX centred;
  for (int k = 0; k < clusters; ++k) {
    int count = 0;
    for (int j = 0; j < P; ++j) {
      if (assignment[static_cast<std::size_t>(j)] == k) own.col(count++) = points.col(j);
    }
    require(count > 0, "assignment of points to clusters: cluster {} has no point", k);
    moments(own.leftCols(count), parameters_.means.col(k), parameters_.covariances[k], centred);
    if (!add_ridge_and_factorize(k, ridge)) return singular_cluster(k);
  }
  return {};
}

Gmm Gmm::from_assignment(const ConstMatrixRef& points, const std::vector<int>& assignment,
                         int clusters, double ridge) {
  require(rows(points) >= 1 && cols(points) >= 1 && clusters >= 1,
          "a mixture of {} clusters of {} points in {} dimensions", clusters, cols(points),
          rows(points));
  require(static_cast<int>(assignment.size()) == cols(points), "{} assignments of {} points",
          assignment.size(), cols(points));
  require(std::isfinite(ridge) && ridge > 0.0, "mixture: ridge is {}, expected a number > 0",
          ridge);
  require(points.allFinite(), "mixture: a point has a NaN or infinite entry");
  for (const int k : assignment) {
    require(k >= 0 && k < clusters, "a point is assigned to cluster {} of {}", k, clusters);
  }
  Gmm mixture;
  const Failure failure = mixture.assign(points, assignment, clusters, ridge);
  require(failure.ok(), "mixture: {}", failure.message());
  return mixture;
}

Failure Gmm::initialize(const ConstMatrixRef& points, int clusters, double ridge,
                        RandomStream& stream) {
  std::vector<int> assignment;
  const int drawn = draw_assignment(points, clusters, stream, assignment);
  Failure failure = assign(points, assignment, drawn, ridge);
  if (!failure.ok()) return failure;

  // A cluster with no more points than dimensions starts from the covariance within all clusters:
  // its own is singular, and a spike on an outlier would never let go of it.
  const int D = dim();
  VectorX counts = VectorX::Zero(drawn);
  for (const int k : assignment) counts(k) += 1.0;
  MatrixX within = MatrixX::Zero(D, D);
  for (int k = 0; k < drawn; ++k) within += counts(k) / cols(points) * parameters_.covariances[k];
  for (int k = 0; k < drawn; ++k) {
    if (counts(k) > D) continue;
    parameters_.covariances[k] = within;
    if (!factorize(k)) return singular_cluster(k);
  }
  return {};
}

}  // namespace pilqr
