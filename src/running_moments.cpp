#include "pilqr/baselines/running_moments.hpp"

#include <cmath>

#include "pilqr/core/check.hpp"

namespace pilqr {

void RunningMoments::add(const ConstMatrixRef& x) {
  const int n = rows(mean);
  require(rows(x) == n && cols(x) >= 1, "moments of {} entries: {}x{} points", n, rows(x), cols(x));
  require(x.allFinite(), "moments: a point has a NaN or infinite entry");
  const double count = cols(x);
  VectorX batch = VectorX::Zero(n);
  for (int p = 0; p < cols(x); ++p) batch += x.col(p) / count;
  VectorX deviations = VectorX::Zero(n);
  for (int p = 0; p < cols(x); ++p) deviations += (x.col(p) - batch).cwiseAbs2();
  const VectorX apart = batch - mean;
  const double total = points + count;
  squares += deviations + points * count / total * apart.cwiseAbs2();
  mean += count / total * apart;
  points = total;
}

Normalisation RunningMoments::normalisation(const NormalisationOptions& options) const {
  require_valid(options);
  Normalisation out = no_normalisation(rows(mean));
  if (points == 0.0) return out;
  out.mean = mean;
  out.scale = (squares / points).cwiseSqrt().cwiseMax(options.least_scale);
  require_valid(out);
  return out;
}

void require_valid(const RunningMoments& m) {
  require(rows(m.mean) == rows(m.squares) && m.finite() && std::isfinite(m.points),
          "moments: {} means and {} squares of {} points, or one of them is not finite",
          rows(m.mean), rows(m.squares), m.points);
  require(m.points >= 0.0 && m.points == std::floor(m.points) && (m.squares.array() >= 0.0).all(),
          "moments: {} points and a smallest square of {}, expected whole points, both >= 0",
          m.points, m.squares.minCoeff());
  require(m.points > 0.0 || (m.mean.isZero(0.0) && m.squares.isZero(0.0)),
          "moments: there are sums of no points");
}

}  // namespace pilqr
