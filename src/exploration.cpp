#include "pilqr/train/exploration.hpp"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

#include "pilqr/core/linalg.hpp"

namespace pilqr {
namespace {

/// A ratio that this much below the floor is at the floor: rounding.
constexpr double rounding = 1e-9;

void require_same_shape(const SequenceView<>& L, const SequenceView<>& first) {
  require(L.steps() == first.steps() && L.rows() == first.rows() && L.cols() == first.cols() &&
              L.rows() == L.cols() && L.rows() >= 1,
          "exploration: {} factors {}x{}, those of the first policy are {}, {}x{}", L.steps(),
          L.rows(), L.cols(), first.steps(), first.rows(), first.cols());
}

/// L0^-1 L = U S V': S are the ratios, U L0 their directions.
Eigen::JacobiSVD<MatrixX> ratios(const MatrixX& L, const MatrixX& first, unsigned options) {
  const MatrixX ratio = first.triangularView<Eigen::Lower>().solve(L);
  return Eigen::JacobiSVD<MatrixX>(ratio, options);
}

}  // namespace

void require_valid(const ExplorationOptions& o) {
  require(o.floor >= 0.0 && o.floor < 1.0, "exploration: floor is {}, expected in [0, 1)", o.floor);
  require(std::isfinite(o.spent_ratio) && o.spent_ratio >= 0.0,
          "exploration: spent_ratio is {}, expected >= 0", o.spent_ratio);
  require(o.spent_iterations >= 1, "exploration: spent_iterations is {}, expected >= 1",
          o.spent_iterations);
}

Exploration describe_exploration(const SequenceView<>& L, const SequenceView<>& first) {
  require_same_shape(L, first);
  Exploration all{infinity, infinity, 0.0};
  for (int t = 0; t < L.steps(); ++t) {
    const VectorX s = ratios(L[t], first[t], 0).singularValues();
    all.std_min = std::min(all.std_min, L[t].rowwise().norm().minCoeff());
    all.ratio_min = std::min(all.ratio_min, s.minCoeff());
    all.ratio_max = std::max(all.ratio_max, s.maxCoeff());
  }
  return all;
}

int raise_exploration(const SequenceView<>& first, double floor, Sequence<Dynamic, Dynamic>& L) {
  require_same_shape(L, first);
  int raised = 0;
  for (int t = 0; t < L.steps(); ++t) {
    const auto svd = ratios(L[t], first[t], Eigen::ComputeFullU);
    if (svd.singularValues().minCoeff() >= floor * (1.0 - rounding)) continue;
    const MatrixX root =
        first[t] * svd.matrixU() * svd.singularValues().cwiseMax(floor).asDiagonal();
    MatrixX Sigma = root * root.transpose();
    // The floor times Sigma0 is positive definite, but for underflow: then it stays as it was.
    if (!cholesky_in_place(Sigma)) continue;
    L[t] = Sigma;
    ++raised;
  }
  return raised;
}

bool is_spent(const Exploration& exploration, const ExplorationOptions& options) {
  const double most = std::max(options.spent_ratio, options.floor * (1.0 + rounding));
  return exploration.ratio_max <= most && most > 0.0;
}

}  // namespace pilqr
