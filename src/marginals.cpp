#include "pilqr/update/lqr/marginals.hpp"

namespace pilqr {

VectorX expected_costs(const CostModelView& cost, const MarginalsView& marginals) {
  const int T = cost.steps();
  require(marginals.mu.steps() == T && marginals.mu.rows() == cost.C.rows(),
          "marginals have {} steps of {}, the cost model {} of {}", marginals.mu.steps(),
          marginals.mu.rows(), T, cost.C.rows());
  VectorX expected(T);
  for (int t = 0; t < T; ++t) {
    const auto mu = marginals.mu[t].col(0);
    const auto C = cost.C[t];
    double value = cost.c0(t) + cost.c[t].col(0).dot(mu);
    for (Eigen::Index j = 0; j < mu.size(); ++j) {
      value += 0.5 * (mu(j) * C.col(j).dot(mu) + C.col(j).dot(marginals.Sigma[t].col(j)));
    }
    expected(t) = value;
  }
  return expected;
}

}  // namespace pilqr
