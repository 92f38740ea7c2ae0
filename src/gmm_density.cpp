// Densities of the points under a mixture, and the E-step.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "pilqr/core/linalg.hpp"
#include "pilqr/fit/gmm.hpp"

namespace pilqr {

namespace {

using Eigen::ArrayXd;

constexpr int block_size = 48;  // points: what the tiles touch stays in the first-level cache

/// Log-densities (P x K) become probabilities in each row; their log-sum-exp goes to `log_sum` (P).
/// A point with no finite log-density is shared equally, with a log-sum of -infinity.
void normalize_rows(MatrixX& densities, VectorX& log_sum) {
  const int K = cols(densities);
  const ArrayXd largest = densities.rowwise().maxCoeff();
  ArrayXd sum = ArrayXd::Zero(densities.rows());
  for (int k = 0; k < K; ++k) {
    auto column = densities.col(k).array();
    column = (column - largest).exp();
    // Eigen's exp(-infinity) is not zero.
    column = (column < std::numeric_limits<double>::min()).select(0.0, column);
    sum += column;
  }
  densities.array().colwise() /= sum;
  log_sum = largest + sum.log();
  for (int j = 0; j < rows(densities); ++j) {
    if (std::isfinite(log_sum(j))) continue;
    log_sum(j) = -infinity;
    densities.row(j).setConstant(1.0 / K);
  }
}

}  // namespace

double Gmm::log_scale(int k) const {
  return parameters_.log_weights(k) + log_norms_(k);
}

/// The points in the workspace minus the mean of cluster k: entries g to end - 1.
void Gmm::centre(int k, int g, int end, int n, GmmWorkspace& workspace) const {
  for (int i = g; i < end; ++i) {
    workspace.centred.matrix().col(i).head(n).array() =
        workspace.points.matrix().col(i).head(n).array() - parameters_.means(i, k);
  }
}

/// Adds the squares of the entries g, g + 1, .. of L^-1 (z - mean), one group of them, to the
/// distances of the n points in the workspace; entries below g are centred already. Returns the
/// first entry that is left.
int Gmm::add_distances(int k, int g, int n, GmmWorkspace& workspace) const {
  const int end = std::min(g + tile::group, dim());
  centre(k, g, end, n, workspace);
  tile::full<Dynamic, Dynamic>(
      n, end - g, workspace.whitened, tile::zero,
      tile::times_transposed(workspace.centred, whitening_.at(g, k * dim()), end));
  double* distance = &workspace.distances(0, k);
  for (int i = 0; i < end - g; ++i) {
    const double* entry = &workspace.whitened(0, i);
    for (int j = 0; j < n; ++j) distance[j] += entry[j] * entry[j];
  }
  for (int j = 0; j < n; ++j) distance[j] = distance[j] < infinity ? distance[j] : infinity;  // NaN
  return end;
}

/// Squared distances of the n points in the workspace to all means, each in units of its cluster's
/// covariance. A cluster is left, with distances of infinity, as soon as a part of them shows that
/// at every point its density is below exp(-cutoff) of another one's.
void Gmm::block_distances(double cutoff, int n, GmmWorkspace& workspace) const {
  auto distances = workspace.distances.matrix().topRows(n);
  distances.setZero();
  const int begin = std::min(tile::group, dim());
  std::vector<std::pair<double, int>> order;  // clusters that promise most come first
  for (int k = 0; k < clusters(); ++k) {
    (void)add_distances(k, 0, n, workspace);
    order.emplace_back(0.5 * distances.col(k).sum() - n * log_scale(k), k);
  }
  std::sort(order.begin(), order.end());
  ArrayXd best = ArrayXd::Constant(n, -infinity);
  for (const auto& [loss, k] : order) {
    auto distance = distances.col(k).array();
    centre(k, 0, begin, n, workspace);
    for (int g = begin; g < dim();) {
      if ((log_scale(k) - 0.5 * distance < best - cutoff).all()) {
        distance.setConstant(infinity);
        break;
      }
      g = add_distances(k, g, n, workspace);
    }
    best = best.max(log_scale(k) - 0.5 * distance);
  }
}

void Gmm::log_densities(const ConstMatrixRef& points, double cutoff,
                        GmmWorkspace& workspace) const {
  const int P = cols(points);
  workspace.responsibilities.resize(P, clusters());
  size_panel(workspace.points, block_size, dim());
  size_panel(workspace.centred, block_size, dim());
  size_panel(workspace.whitened, block_size, tile::group);
  size_panel(workspace.distances, block_size, clusters());
  for (int first = 0; first < P; first += block_size) {
    const int n = std::min(block_size, P - first);
    workspace.points.matrix().topRows(n) = points.middleCols(first, n).transpose();
    block_distances(cutoff, n, workspace);
    for (int k = 0; k < clusters(); ++k) {
      workspace.responsibilities.col(k).segment(first, n).array() =
          log_scale(k) - 0.5 * workspace.distances.matrix().col(k).head(n).array();
    }
  }
}

double Gmm::e_step(const ConstMatrixRef& points, double cutoff, GmmWorkspace& workspace) const {
  log_densities(points, cutoff, workspace);
  normalize_rows(workspace.responsibilities, workspace.log_likelihoods);
  return workspace.log_likelihoods.sum();
}

void Gmm::require_points(const ConstMatrixRef& points) const {
  require(!empty() && rows(points) == dim(),
          "a mixture of {} clusters in {} dimensions evaluated at points {}x{}", clusters(), dim(),
          rows(points), cols(points));
  require(points.allFinite(), "mixture evaluated at a point with a NaN or infinite entry");
}

MatrixX Gmm::log_densities(const ConstMatrixRef& points) const {
  require_points(points);
  GmmWorkspace workspace;
  log_densities(points, infinity, workspace);
  return workspace.responsibilities.transpose();
}

VectorX Gmm::log_likelihoods(const ConstMatrixRef& points) const {
  require_points(points);
  GmmWorkspace workspace;
  (void)e_step(points, infinity, workspace);
  return std::move(workspace.log_likelihoods);
}

double Gmm::log_likelihood(const ConstMatrixRef& points) const {
  return log_likelihoods(points).sum();
}

MatrixX Gmm::responsibilities(const ConstMatrixRef& points) const {
  require_points(points);
  GmmWorkspace workspace;
  (void)e_step(points, infinity, workspace);
  return workspace.responsibilities.transpose();
}

VectorX Gmm::average_responsibilities(const ConstMatrixRef& points) const {
  require_points(points);
  GmmWorkspace workspace;
  (void)e_step(points, negligible_log_ratio, workspace);
  return workspace.responsibilities.colwise().mean();
}

}  // namespace pilqr
