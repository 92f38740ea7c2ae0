#include "pilqr/core/linalg.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/shapes.hpp"

namespace pilqr {

ActionCost::ActionCost(const ActionCostOptions& options) {
  require((options.weights.size() > 0) != (options.R.size() > 0),
          "action cost: {} weights and a {}x{} R, expected exactly one of them",
          options.weights.size(), options.R.rows(), options.R.cols());
  if (options.weights.size() > 0) {
    require_weights("action cost", "weight", options.weights);
    R_ = options.weights.asDiagonal();
    return;
  }
  R_ = options.R;
  require(R_.rows() == R_.cols(), "action cost: R is {}x{}", R_.rows(), R_.cols());
  require(R_.allFinite(), "action cost: R has a NaN or infinite entry");
  const double asymmetry = (R_ - R_.transpose()).cwiseAbs().maxCoeff();
  require(asymmetry <= 1e-12 * R_.cwiseAbs().maxCoeff(),
          "action cost: R differs from its transpose by {}", asymmetry);
  symmetrize(R_);
}

double ActionCost::operator()(int /*t*/, const ConstVectorRef& /*x*/,
                              const ConstVectorRef& u) const {
  require(u.size() == R_.rows(), "action cost: u has {} entries, expected {}", u.size(), R_.rows());
  double sum = 0.0;
  for (Eigen::Index j = 0; j < u.size(); ++j) sum += u(j) * R_.col(j).dot(u);
  return 0.5 * sum;
}

void ActionCost::expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
                        CostExpansion& out) const {
  require_fits(out, x, u);
  out.value += weight * (*this)(t, x, u);
  for (Eigen::Index j = 0; j < u.size(); ++j) out.gradient(out.nx + j) += weight * R_.col(j).dot(u);
  out.hessian.bottomRightCorner(R_.rows(), R_.cols()) += weight * R_;
}

}  // namespace pilqr
