#include "pilqr/update/lqr/marginals.hpp"

namespace pilqr {

VectorX expected_costs(const CostModelView& cost, const PolicyView& policy,
                       const StateMarginalsView& states) {
  const int T = cost.steps();
  const int nx = cost.nx();
  const int nu = cost.nu();
  require(policy.steps() == T && policy.nx() == nx && policy.nu() == nu,
          "the policy has {} steps, nx = {}, nu = {}; the cost model {}, {}, {}", policy.steps(),
          policy.nx(), policy.nu(), T, nx, nu);
  require(states.mu.steps() == T && states.mu.rows() == nx,
          "state marginals have {} steps of {}, the cost model {} of {}", states.mu.steps(),
          states.mu.rows(), T, nx);
  VectorX expected(T);
  VectorX y(nx + nu);
  Panel<> Sxu(nx, nu);
  Panel<> Suu(nu, nu);  // lower triangle
  for (int t = 0; t < T; ++t) {
    const auto C = cost.C[t];
    const auto Sigma = states.Sigma[t];
    const tile::Input K = tile::input(policy.K[t]);
    const tile::Input L = tile::input(policy.L[t]);
    tile::full<Dynamic, Dynamic>(nx, nu, Sxu, tile::zero,
                                 tile::times_transposed(tile::input(Sigma), K, nx));
    tile::lower<Dynamic>(nu, Suu, tile::zero, tile::times(K, Sxu, nx),
                         tile::times_transposed(L, L, nu));
    y.head(nx) = states.mu[t].col(0);
    y.tail(nu).noalias() = policy.K[t] * y.head(nx);
    y.tail(nu) += policy.k[t].col(0);
    double trace = 0.0;  // tr(C Sigma_yy)
    for (int j = 0; j < nx; ++j) trace += C.col(j).head(nx).dot(Sigma.col(j));
    for (int j = 0; j < nu; ++j) {
      trace +=
          2.0 * C.col(nx + j).head(nx).dot(Sxu.matrix().col(j)) + C(nx + j, nx + j) * Suu(j, j);
      for (int i = j + 1; i < nu; ++i) trace += 2.0 * C(nx + i, nx + j) * Suu(i, j);
    }
    double value = cost.c0(t) + cost.c[t].col(0).dot(y) + 0.5 * trace;
    for (int j = 0; j < nx + nu; ++j) value += 0.5 * y(j) * C.col(j).dot(y);
    expected(t) = value;
  }
  return expected;
}

}  // namespace pilqr
