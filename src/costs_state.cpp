#include <utility>

#include "pilqr/costs/shapes.hpp"
#include "pilqr/costs/state_cost.hpp"

namespace pilqr {

StateCost::StateCost(StateCostOptions options) : options_(std::move(options)) {
  StateCostOptions& o = options_;
  require(o.start >= 0, "state cost: first entry {}", o.start);
  require(o.target.rows() >= 1 && o.target.cols() >= 1,
          "state cost: the target is {}x{}, expected n x 1 or n x T", o.target.rows(),
          o.target.cols());
  require(o.target.allFinite(), "state cost: the target has a NaN or infinite entry");
  if (o.weights.size() == 0) o.weights = VectorX::Ones(o.target.rows());
  require(o.weights.size() == o.target.rows(), "state cost: {} weights for a target of {} entries",
          o.weights.size(), o.target.rows());
  require(
      o.target.cols() == 1 || o.multipliers.size() == 0 || o.multipliers.size() == o.target.cols(),
      "state cost: {} waypoints, but multipliers for {} steps", o.target.cols(),
      o.multipliers.size());
  require_weights("state cost", "weight", o.weights);
  require_weights("state cost", "multiplier", o.multipliers);
  require_valid(o.norm, "state cost");
}

Eigen::Index StateCost::target_column(int t) const {
  if (options_.target.cols() == 1) return 0;
  require(t >= 0 && t < options_.target.cols(), "state cost: step {}, but there are {} waypoints",
          t, options_.target.cols());
  return t;
}

double StateCost::operator()(int t, const ConstVectorRef& x, const ConstVectorRef& /*u*/) const {
  const StateCostOptions& o = options_;
  require_slice("state cost", o.start, o.target.rows(), x);
  const double multiplier = multiplier_at("state cost", o.multipliers, t);
  return norm_terms(o.norm, multiplier * o.weights,
                    x.segment(o.start, o.target.rows()) - o.target.col(target_column(t)))
      .value;
}

void StateCost::expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
                       CostExpansion& out) const {
  const StateCostOptions& o = options_;
  const Eigen::Index n = o.target.rows();
  require_slice("state cost", o.start, n, x);
  require_fits(out, x, u);
  const double multiplier = multiplier_at("state cost", o.multipliers, t);
  const auto w = multiplier * o.weights;
  const auto d = x.segment(o.start, n) - o.target.col(target_column(t));
  const NormTerms terms = norm_terms(o.norm, w, d);
  out.value += weight * terms.value;
  for (Eigen::Index j = 0; j < n; ++j) {
    out.gradient(o.start + j) += weight * terms.gradient(w(j), d(j));
    out.hessian(o.start + j, o.start + j) += weight * terms.diagonal(w(j));
    if (terms.curvature == 0.0) continue;
    const double vj = w(j) * w(j) * d(j);
    for (Eigen::Index i = 0; i < n; ++i) {
      const double vi = w(i) * w(i) * d(i);
      out.hessian(o.start + i, o.start + j) -= weight * terms.curvature * (vi * vj);
    }
  }
}

}  // namespace pilqr
