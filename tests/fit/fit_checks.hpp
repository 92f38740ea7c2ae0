#pragma once
/// Rollouts for the tests of fits: golden ones and exact ones of linear systems.

#include "pilqr/model/rollout.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr::test {

template <int Nx_, int Nu_>
struct Sizes {
  static constexpr int Nx = Nx_;
  static constexpr int Nu = Nu_;
};

/// "X" and "U" of a file's inputs; no noise, no cost.
template <int Nx, int Nu>
Rollouts<Nx, Nu> golden_rollouts(const golden::Json& inputs) {
  Rollouts<Nx, Nu> r;
  r.x = golden::samples<Nx>(inputs.at("X"));
  r.u = golden::samples<Nu>(inputs.at("U"));
  r.xi = r.u;
  r.xi.set_zero();
  r.cost = MatrixX::Zero(r.samples(), r.steps());
  return r;
}

/// Rollouts of the dynamics without their noise, from random first states; costs of `cost`.
template <int Nx, int Nu>
Rollouts<Nx, Nu> simulate(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                          const QuadraticCost<Nx, Nu>& cost,
                          const LinearGaussianPolicy<Nx, Nu>& policy, int samples, Random& random) {
  const int T = policy.steps();
  const int nx = policy.nx();
  const int nu = policy.nu();
  Rollouts<Nx, Nu> r(T, samples, nx, nu);
  for (int i = 0; i < samples; ++i) {
    VectorX x = random.vector(nx);
    for (int t = 0; t < T; ++t) {
      const VectorX xi = random.vector(nu);
      VectorX y(nx + nu);
      y << x, policy.K[t] * x + policy.k[t] + policy.L[t] * xi;
      r.x[t].col(i) = x;
      r.u[t].col(i) = y.tail(nu);
      r.xi[t].col(i) = xi;
      r.cost(i, t) = 0.5 * y.dot(cost.C[t] * y) + cost.c[t].dot(y) + cost.c0(t);
      if (t + 1 < T) x = dynamics.F[t] * y + dynamics.f[t];
    }
  }
  return r;
}

/// The same rollouts, sample i being sample order[i] of the argument.
template <int Nx, int Nu>
Rollouts<Nx, Nu> permuted(const Rollouts<Nx, Nu>& r, const std::vector<int>& order) {
  Rollouts<Nx, Nu> p = r;
  for (int i = 0; i < r.samples(); ++i) {
    const int from = order[static_cast<std::size_t>(i)];
    for (int t = 0; t < r.steps(); ++t) {
      p.x[t].col(i) = r.x[t].col(from);
      p.u[t].col(i) = r.u[t].col(from);
      p.xi[t].col(i) = r.xi[t].col(from);
    }
    p.cost.row(i) = r.cost.row(from);
  }
  return p;
}

}  // namespace pilqr::test
