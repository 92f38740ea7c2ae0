#include "pilqr/baselines/advantage.hpp"

#include "pilqr/core/check.hpp"

namespace pilqr {

double time_feature(int t, int steps) {
  return steps > 1 ? 2.0 * t / (steps - 1) - 1.0 : 0.0;
}

void generalized_advantage(const ConstMatrixRef& cost, const ConstMatrixRef& value, double discount,
                           double lambda, MatrixRef advantage) {
  const auto same = [&](const auto& m) {
    return m.rows() == cost.rows() && m.cols() == cost.cols();
  };
  require(same(value) && same(advantage), "advantage: costs are {}x{}, values {}x{}, results {}x{}",
          rows(cost), cols(cost), rows(value), cols(value), rows(advantage), cols(advantage));
  require(discount >= 0.0 && discount <= 1.0 && lambda >= 0.0 && lambda <= 1.0,
          "advantage: discount is {}, lambda is {}, expected 0 to 1", discount, lambda);
  for (int t = cols(cost) - 1; t >= 0; --t) {
    advantage.col(t) = -cost.col(t) - value.col(t);
    if (t + 1 == cols(cost)) continue;
    advantage.col(t) += discount * value.col(t + 1) + discount * lambda * advantage.col(t + 1);
  }
}

}  // namespace pilqr
