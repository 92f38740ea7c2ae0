#include "pilqr/fit/gmm_prior.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pilqr {

namespace {

int total_points(const std::deque<MatrixX>& history) {
  int total = 0;
  for (const MatrixX& batch : history) total += cols(batch);
  return total;
}

}  // namespace

void require_valid(const GmmPriorOptions& options) {
  require(options.max_clusters >= 2, "mixture prior: max_clusters is {}, expected at least 2",
          options.max_clusters);
  require(options.min_points_per_cluster >= 1,
          "mixture prior: min_points_per_cluster is {}, expected at least 1",
          options.min_points_per_cluster);
  require(options.max_points >= 1, "mixture prior: max_points is {}, expected at least 1",
          options.max_points);
  require(std::isfinite(options.strength) && options.strength >= 0.0,
          "mixture prior: strength is {}, expected a number >= 0", options.strength);
  require(options.warm_iterations >= 0, "mixture prior: warm_iterations is {}, expected at least 0",
          options.warm_iterations);
  require_valid(options.em);
}

GmmPrior::GmmPrior(const GmmPriorOptions& options) : options_(options) {
  require_valid(options_);
}

GmmFit GmmPrior::update(const ConstMatrixRef& points, RandomStream& stream) {
  const int D = rows(points);
  require(D >= 1 && cols(points) >= 1, "mixture prior: a batch of points {}x{}", D, cols(points));
  require(history_.empty() || rows(history_.front()) == D,
          "mixture prior: points of {} entries, those before had {}", D,
          history_.empty() ? 0 : rows(history_.front()));

  // The number of old batches, from the newest backwards, that fit beside the new one.
  int total = cols(points);
  std::size_t kept = 0;
  while (kept < history_.size()) {
    const int batch = cols(history_[history_.size() - 1 - kept]);
    if (total + batch > options_.max_points) break;
    total += batch;
    ++kept;
  }
  const std::size_t dropped = history_.size() - kept;
  const int clusters =
      std::clamp(total / options_.min_points_per_cluster, 2, options_.max_clusters);
  const bool warm = options_.warm_iterations > 0 && clusters == mixture_.clusters();
  const GmmFit fit =
      warm ? advance(dropped, points, stream) : refit(dropped, points, clusters, stream);
  if (!fit.ok()) return fit;
  history_.erase(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(dropped));
  history_.emplace_back(points);
  return fit;
}

/// EM over all points; then the statistics of every batch under the mixture that comes of it.
GmmFit GmmPrior::refit(std::size_t dropped, const ConstMatrixRef& points, int clusters,
                       RandomStream& stream) {
  int total = cols(points);
  for (std::size_t i = dropped; i < history_.size(); ++i) total += cols(history_[i]);
  MatrixX all(points.rows(), total);
  int column = 0;
  for (std::size_t i = dropped; i < history_.size(); ++i) {
    all.middleCols(column, history_[i].cols()) = history_[i];
    column += cols(history_[i]);
  }
  all.rightCols(points.cols()) = points;
  GmmFit fit = mixture_.fit(all, clusters, options_.em, stream);
  if (!fit.ok() || options_.warm_iterations == 0) return fit;
  statistics_.clear();
  for (std::size_t i = dropped; i < history_.size(); ++i) {
    statistics_.push_back(mixture_.statistics(history_[i]));
  }
  statistics_.push_back(mixture_.statistics(points));
  return fit;
}

/// Incremental EM on the newest points, beside the statistics that the batches before have.
GmmFit GmmPrior::advance(std::size_t dropped, const ConstMatrixRef& points, RandomStream& stream) {
  GmmFit fit;
  fit.warm_started = true;
  GmmStatistics others;
  for (std::size_t i = dropped; i < statistics_.size(); ++i) others.add(statistics_[i]);
  Gmm next = mixture_;
  GmmWorkspace workspace;
  while (fit.iterations < options_.warm_iterations) {
    const EmStep step = next.em_step(points, others, options_.em, stream, workspace);
    fit.failure = step.failure;
    if (!fit.ok()) return fit;
    fit.log_likelihoods.push_back(step.log_likelihood);
    fit.reseeded += step.reseeded;
    ++fit.iterations;
  }
  fit.status = GmmStatus::max_iterations;
  mixture_ = std::move(next);
  statistics_.erase(statistics_.begin(),
                    statistics_.begin() + static_cast<std::ptrdiff_t>(dropped));
  statistics_.push_back(std::move(workspace.statistics));
  return fit;
}

NormalInverseWishart GmmPrior::at(const ConstMatrixRef& points) const {
  require(!mixture_.empty(), "mixture prior: used before its first update");
  require(cols(points) >= 1, "mixture prior: evaluated at points {}x{}", rows(points),
          cols(points));
  NormalInverseWishart prior = mixture_.moment_matched(mixture_.average_responsibilities(points));
  prior.m *= options_.strength;
  prior.n0 *= options_.strength;
  prior.Phi *= prior.m;
  return prior;
}

void GmmPrior::restore(std::deque<MatrixX> history, Gmm mixture,
                       std::deque<GmmStatistics> statistics) {
  for (const MatrixX& batch : history) {
    require(rows(batch) == mixture.dim() && cols(batch) >= 1,
            "mixture prior: a batch of points {}x{} with a mixture in {} dimensions", rows(batch),
            cols(batch), mixture.dim());
  }
  require(total_points(history) == mixture.points(),
          "mixture prior: {} points with a mixture that was fitted to {}", total_points(history),
          mixture.points());
  const std::size_t expected = options_.warm_iterations > 0 ? history.size() : 0;
  require(statistics.size() == expected, "mixture prior: statistics of {} batches, expected {}",
          statistics.size(), expected);
  for (std::size_t i = 0; i < expected; ++i) {
    require_valid(statistics[i], cols(history[i]), mixture.dim(), mixture.clusters());
  }
  history_ = std::move(history);
  mixture_ = std::move(mixture);
  statistics_ = std::move(statistics);
}

}  // namespace pilqr
