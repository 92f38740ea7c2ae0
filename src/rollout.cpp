#include "pilqr/model/rollout.hpp"

namespace pilqr {

MatrixX cost_to_go(const MatrixX& cost) {
  MatrixX sum = cost;
  for (Eigen::Index t = sum.cols() - 2; t >= 0; --t) sum.col(t) += sum.col(t + 1);
  return sum;
}

void require_valid(const RolloutsView& r) {
  const int T = r.steps();
  const int N = r.samples();
  require(T >= 1 && N >= 1, "rollouts with {} steps and {} samples", T, N);
  require(r.u.steps() == T && r.u.cols() == N, "rollouts: u is {} steps of {} samples, x {} of {}",
          r.u.steps(), r.u.cols(), T, N);
  require(r.xi.steps() == T && r.xi.cols() == N && r.xi.rows() == r.u.rows(),
          "rollouts: xi is {} steps of {}x{}, u {} of {}x{}", r.xi.steps(), r.xi.rows(),
          r.xi.cols(), T, r.u.rows(), N);
  require(rows(r.cost) == N && cols(r.cost) == T, "rollouts: cost is {}x{}, expected {}x{} (N x T)",
          rows(r.cost), cols(r.cost), N, T);
}

}  // namespace pilqr
