#include "pilqr/fit/gmm_statistics.hpp"

#include <cmath>

#include "pilqr/core/check.hpp"

namespace pilqr {

void GmmStatistics::add(const GmmStatistics& others) {
  if (others.points == 0) return;
  if (points == 0) {
    *this = others;
    return;
  }
  const int D = rows(means);
  const int K = cols(means);
  require(rows(others.means) == D && cols(others.means) == K,
          "statistics of {} clusters in {} dimensions and of {} in {}", K, D, cols(others.means),
          rows(others.means));
  points += others.points;
  for (int k = 0; k < K; ++k) {
    const double total = counts(k) + others.counts(k);
    if (!(total > 0.0)) continue;
    const double before = counts(k) / total;
    const double added = others.counts(k) / total;
    counts(k) = total;
    const VectorX shift = others.means.col(k) - means.col(k);
    means.col(k) += added * shift;
    covariances.col(k) = before * covariances.col(k) + added * others.covariances.col(k);
    // The means are shift apart: n m / (n + m) shift shift' of scatter.
    double* entries = covariances.col(k).data();
    for (int j = 0; j < D; ++j) {
      const double factor = before * added * shift(j);
      for (int i = j; i < D; ++i) *entries++ += factor * shift(i);
    }
  }
}

void require_valid(const GmmStatistics& statistics, int points, int dim, int clusters) {
  const GmmStatistics& s = statistics;
  const int D = dim;
  const int K = clusters;
  require(s.points == points, "statistics of {} points, expected {}", s.points, points);
  require(rows(s.counts) == K && rows(s.means) == D && cols(s.means) == K,
          "statistics with {} counts and means {}x{}, expected {} and {}x{}", rows(s.counts),
          rows(s.means), cols(s.means), K, D, K);
  require(rows(s.covariances) == D * (D + 1) / 2 && cols(s.covariances) == K,
          "statistics with covariances {}x{}, expected {}x{}", rows(s.covariances),
          cols(s.covariances), D * (D + 1) / 2, K);
  require(s.counts.allFinite() && s.means.allFinite() && s.covariances.allFinite(),
          "statistics: a count, a mean or a covariance is NaN or infinite");
  require(s.counts.minCoeff() >= 0.0 && std::abs(s.counts.sum() - points) <= 1e-9 * points,
          "statistics: the counts are at least {} and sum to {}, expected 0 and {}",
          s.counts.minCoeff(), s.counts.sum(), points);
  for (int j = 0, diagonal = 0; j < D; diagonal += D - j++) {
    require(s.covariances.row(diagonal).minCoeff() >= 0.0,
            "statistics: a variance of entry {} is {}, expected at least 0", j,
            s.covariances.row(diagonal).minCoeff());
  }
}

}  // namespace pilqr
