#include "pilqr/fit/gmm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace pilqr {

namespace {

constexpr int batch_size = 256;  // points of a cluster whose products are added at a time

/// The cluster's smallest number of points before it counts as empty.
double empty_count(const GmmOptions& options, int clusters, int points) {
  return options.empty_share * points / clusters;
}

std::vector<int> empty_clusters(const GmmOptions& options, const GmmStatistics& statistics) {
  const int K = rows(statistics.counts);
  std::vector<int> empty;
  for (int k = 0; k < K; ++k) {
    if (statistics.counts(k) < empty_count(options, K, statistics.points)) empty.push_back(k);
  }
  return empty;
}

Failure non_finite_point(const ConstMatrixRef& points) {
  for (int j = 0; j < cols(points); ++j) {
    for (int i = 0; i < rows(points); ++i) {
      if (std::isfinite(points(i, j))) continue;
      return {.kind = FailureKind::non_finite_state,
              .value = points(i, j),
              .detail = fmt::format("entry {} of point {} of the mixture", i, j)};
    }
  }
  return {};
}

}  // namespace

void require_valid(const GmmOptions& options) {
  require(options.max_iterations >= 0, "mixture: max_iterations is {}, expected at least 0",
          options.max_iterations);
  require(std::isfinite(options.tolerance) && options.tolerance >= 0.0,
          "mixture: tolerance is {}, expected a number >= 0", options.tolerance);
  require(std::isfinite(options.ridge) && options.ridge > 0.0,
          "mixture: ridge is {}, expected a number > 0", options.ridge);
  require(options.empty_share >= 0.0 && options.empty_share < 1.0,
          "mixture: empty_share is {}, expected a number in [0, 1)", options.empty_share);
}

bool likelihood_converged(double previous, double current, double tolerance) {
  return std::abs(current - previous) <= tolerance * std::abs(current);
}

Gmm::Gmm(GmmParameters parameters) : parameters_(std::move(parameters)) {
  const int D = dim();
  const int K = clusters();
  const GmmParameters& p = parameters_;
  require(D >= 1 && K >= 1, "a mixture of {} clusters in {} dimensions", K, D);
  require(rows(p.log_weights) == K, "mixture: {} weights for {} clusters", rows(p.log_weights), K);
  require(p.covariances.steps() == K && p.covariances.rows() == D && p.covariances.cols() == D,
          "mixture: {} covariances of {}x{}, expected {} of {}x{}", p.covariances.steps(),
          p.covariances.rows(), p.covariances.cols(), K, D, D);
  require(p.points >= 1, "a mixture fitted to {} points", p.points);
  require(p.log_weights.allFinite() && p.means.allFinite(),
          "mixture: a weight or a mean is NaN or infinite");
  require(std::abs(p.log_weights.array().exp().sum() - 1.0) <= 1e-9,
          "mixture: weights sum to {}, expected 1", p.log_weights.array().exp().sum());
  resize_factors();
  for (int k = 0; k < K; ++k) {
    require(p.covariances[k].allFinite() && factorize(k),
            "mixture: covariance of cluster {} is not positive definite", k);
  }
}

void Gmm::resize(int dim, int clusters) {
  parameters_.log_weights.resize(clusters);
  parameters_.means.resize(dim, clusters);
  parameters_.covariances.resize(clusters, dim, dim);
  resize_factors();
}

void Gmm::resize_factors() {
  factors_ = Panel<>(dim(), dim() * clusters());
  whitening_ = Panel<>(dim(), dim() * clusters());
  log_norms_.resize(clusters());
}

bool Gmm::factorize(int k) {
  const int D = dim();
  const tile::Output L = tile::Output(factors_).at(0, k * D);
  auto factor = factors_.matrix().middleCols(Eigen::Index{k} * D, D);
  factor = parameters_.covariances[k];
  if (!cholesky_in_place(D, L, 0.0)) return false;
  whitening_.matrix().middleCols(Eigen::Index{k} * D, D).setIdentity();
  solve_from_right(D, D, tile::Output(whitening_).at(0, k * D), {L.data, L.stride});
  log_norms_(k) =
      -0.5 * (D * std::log(2.0 * std::numbers::pi) + log_determinant_from_cholesky(factor));
  return std::isfinite(log_norms_(k));
}

bool Gmm::add_ridge_and_factorize(int k, double ridge) {
  constexpr double relative_ridge = 1e-10;
  auto covariance = parameters_.covariances[k];
  covariance.diagonal().array() += (relative_ridge * covariance.diagonal().array()).max(ridge);
  return factorize(k);
}

Failure Gmm::singular_cluster(int k) const {
  return {.kind = FailureKind::singular_fit,
          .value = parameters_.covariances[k].diagonal().minCoeff<Eigen::PropagateNaN>(),
          .detail = fmt::format("smallest variance of cluster {} of {}, whose covariance has no "
                                "Cholesky factor",
                                k, clusters())};
}

/// The statistics of the points under the responsibilities in the workspace.
void Gmm::gather(const ConstMatrixRef& points, GmmWorkspace& workspace) const {
  const int P = cols(points);
  const int D = dim();
  const int K = clusters();
  size_panel(workspace.weighted, D, batch_size);
  size_panel(workspace.covariance, D, D);
  GmmStatistics& out = workspace.statistics;
  out.points = P;
  out.counts = workspace.responsibilities.colwise().sum();
  out.means.setZero(D, K);
  out.covariances.setZero(D * (D + 1) / 2, K);
  for (int k = 0; k < K; ++k) {
    const double count = out.counts(k);
    if (!(count > 0.0)) continue;
    // Points that are worth less than this cannot change a sum: what matters is the product with
    // the squared distance in units of the cluster, of which -2 log(responsibility) is the size.
    const double negligible = 1e-20 * count;
    auto mean = out.means.col(k);
    for (int j = 0; j < P; ++j) {
      const double r = workspace.responsibilities(j, k);
      if (r > negligible) mean += (r / count) * points.col(j);
    }
    workspace.covariance.matrix().setZero();
    int gathered = 0;
    const auto flush = [&] {
      tile::lower<Dynamic>(
          D, workspace.covariance, workspace.covariance,
          tile::times_transposed(workspace.weighted, workspace.weighted, gathered));
      gathered = 0;
    };
    for (int j = 0; j < P; ++j) {
      const double r = workspace.responsibilities(j, k);
      if (!(r > negligible)) continue;
      workspace.weighted.matrix().col(gathered++) = std::sqrt(r / count) * (points.col(j) - mean);
      if (gathered == batch_size) flush();
    }
    flush();
    double* entries = out.covariances.col(k).data();
    for (int j = 0; j < D; ++j) {
      entries = std::copy_n(&workspace.covariance(j, j), D - j, entries);
    }
  }
}

/// Empty clusters keep their means and covariances.
Failure Gmm::m_step(const GmmStatistics& statistics, const GmmOptions& options) {
  const int P = statistics.points;
  const int D = dim();
  const int K = clusters();
  parameters_.points = P;
  for (int k = 0; k < K; ++k) {
    const double count = statistics.counts(k);
    parameters_.log_weights(k) = std::log(std::max(count / P, std::numeric_limits<double>::min()));
    if (count < empty_count(options, K, P)) continue;
    parameters_.means.col(k) = statistics.means.col(k);
    auto covariance = parameters_.covariances[k];
    const double* entries = statistics.covariances.col(k).data();
    for (int j = 0; j < D; ++j) {
      for (int i = j; i < D; ++i) covariance(i, j) = covariance(j, i) = *entries++;
    }
    if (!add_ridge_and_factorize(k, options.ridge)) return singular_cluster(k);
  }
  return {};
}

Failure Gmm::reseed(const ConstMatrixRef& points, const std::vector<int>& empty,
                    const GmmOptions& options, RandomStream& stream,
                    const GmmWorkspace& workspace) {
  const int P = cols(points);
  const int wanted = std::min(static_cast<int>(empty.size()), P);
  const int candidates = std::max(wanted, (P + 19) / 20);  // the worst twentieth
  std::vector<int> worst(static_cast<std::size_t>(P));
  std::iota(worst.begin(), worst.end(), 0);
  const VectorX& score = workspace.log_likelihoods;
  std::partial_sort(worst.begin(), worst.begin() + candidates, worst.end(), [&](int a, int b) {
    return score(a) < score(b) || (score(a) == score(b) && a < b);
  });
  worst.resize(static_cast<std::size_t>(candidates));
  VectorX mean;
  MatrixX covariance;
  MatrixX centred;
  moments(points, mean, covariance, centred);
  for (int i = 0; i < wanted; ++i) {
    const int k = empty[static_cast<std::size_t>(i)];
    const auto pick =
        static_cast<std::size_t>(static_cast<double>(worst.size()) * stream.uniform());
    parameters_.means.col(k) = points.col(worst[pick]);
    worst[pick] = worst.back();
    worst.pop_back();
    parameters_.covariances[k] = covariance;
    parameters_.log_weights(k) = -std::log(clusters());
    if (!add_ridge_and_factorize(k, options.ridge)) return singular_cluster(k);
  }
  parameters_.log_weights.array() -= std::log(parameters_.log_weights.array().exp().sum());
  return {};
}

EmStep Gmm::em_step(const ConstMatrixRef& points, const GmmOptions& options, RandomStream& stream,
                    GmmWorkspace& workspace) {
  return em_step(points, {}, options, stream, workspace);
}

EmStep Gmm::em_step(const ConstMatrixRef& points, const GmmStatistics& others,
                    const GmmOptions& options, RandomStream& stream, GmmWorkspace& workspace) {
  require_valid(options);
  require(!empty() && rows(points) == dim() && cols(points) >= 1,
          "EM step of a mixture of {} clusters in {} dimensions on points {}x{}", clusters(), dim(),
          rows(points), cols(points));
  EmStep step;
  step.failure = non_finite_point(points);
  if (!step.failure.ok()) return step;
  Gmm next = *this;
  step.log_likelihood = next.e_step(points, negligible_log_ratio, workspace);
  next.gather(points, workspace);
  GmmStatistics all = others;
  all.add(workspace.statistics);
  step.failure = next.m_step(all, options);
  if (!step.failure.ok()) return step;
  const std::vector<int> without = empty_clusters(options, all);
  if (!without.empty()) {
    step.failure = next.reseed(points, without, options, stream, workspace);
    if (!step.failure.ok()) return step;
    step.reseeded = static_cast<int>(without.size());
  }
  *this = std::move(next);
  return step;
}

GmmStatistics Gmm::statistics(const ConstMatrixRef& points) const {
  require_points(points);
  GmmWorkspace workspace;
  (void)e_step(points, negligible_log_ratio, workspace);
  gather(points, workspace);
  return std::move(workspace.statistics);
}

GmmFit Gmm::fit(const ConstMatrixRef& points, int clusters, const GmmOptions& options,
                RandomStream& stream) {
  require_valid(options);
  require(rows(points) >= 1 && cols(points) >= 1 && clusters >= 1,
          "a mixture of {} clusters of {} points in {} dimensions", clusters, cols(points),
          rows(points));
  const int P = cols(points);
  GmmFit fit;
  fit.failure = non_finite_point(points);
  if (!fit.failure.ok()) return fit;
  fit.warm_started = dim() == rows(points) && this->clusters() == clusters;
  Gmm next;
  if (fit.warm_started) {
    next = *this;
    next.parameters_.points = P;
  } else {
    fit.failure = next.initialize(points, clusters, options.ridge, stream);
    if (!fit.failure.ok()) return fit;
  }

  GmmWorkspace workspace;
  double current = next.e_step(points, negligible_log_ratio, workspace);
  fit.log_likelihoods.push_back(current);
  fit.status = GmmStatus::max_iterations;
  while (fit.status == GmmStatus::max_iterations && fit.iterations < options.max_iterations) {
    next.gather(points, workspace);
    fit.failure = next.m_step(workspace.statistics, options);
    const std::vector<int> without = empty_clusters(options, workspace.statistics);
    // Each cluster may move once on average; one that is empty again and again is then left alone.
    const bool move = !without.empty() && fit.reseeded < next.clusters();
    if (fit.failure.ok() && move) {
      fit.failure = next.reseed(points, without, options, stream, workspace);
      fit.reseeded += static_cast<int>(without.size());
    }
    const double previous = current;
    if (fit.failure.ok()) {
      current = next.e_step(points, negligible_log_ratio, workspace);
      if (!std::isfinite(current)) {
        fit.failure = {.kind = FailureKind::non_finite_update,
                       .value = current,
                       .detail = "log-likelihood of the mixture"};
      }
    }
    if (!fit.failure.ok()) {
      fit.status = GmmStatus::failed;
      return fit;
    }
    ++fit.iterations;
    fit.log_likelihoods.push_back(current);
    if (!move && likelihood_converged(previous, current, options.tolerance)) {
      fit.status = GmmStatus::converged;
    }
  }
  *this = std::move(next);
  return fit;
}

NormalInverseWishart Gmm::moment_matched(const VectorX& weights) const {
  require(!empty() && rows(weights) == clusters(), "{} cluster weights for {} clusters",
          rows(weights), clusters());
  require(weights.minCoeff() >= 0.0 && std::abs(weights.sum() - 1.0) <= 1e-9,
          "cluster weights sum to {}, expected weights >= 0 that sum to 1", weights.sum());
  NormalInverseWishart matched;
  matched.mu0.noalias() = parameters_.means * weights;
  matched.Phi = MatrixX::Zero(dim(), dim());
  for (int k = 0; k < clusters(); ++k) {
    if (weights(k) == 0.0) continue;
    const VectorX shift = parameters_.means.col(k) - matched.mu0;
    matched.Phi += weights(k) * parameters_.covariances[k];
    matched.Phi += weights(k) * shift * shift.transpose();
  }
  mirror_lower(matched.Phi);
  matched.m = 1.0;
  matched.n0 = std::max(0.0, static_cast<double>(points() - 2 - dim()) / points());
  return matched;
}

}  // namespace pilqr
