#pragma once
/// The random problems that all benchmarks share.

#include "pilqr/model/concepts.hpp"
#include "pilqr/model/rollout.hpp"
#include "support/random_problem.hpp"

namespace pilqr::bench {

/// Rollouts of random stable dynamics with process noise under a random policy, with a quadratic
/// cost.
template <int Nx, int Nu>
struct Problem {
  LinearGaussianDynamics<Nx, Nu> dynamics;
  LinearGaussianPolicy<Nx, Nu> policy;
  QuadraticCost<Nx, Nu> cost;
  InitialState<Nx> start;
  Rollouts<Nx, Nu> rollouts;

  Problem(int T, int N, int nx, int nu) {
    test::Random random(42);
    dynamics = random.dynamics<Nx, Nu>(T, nx, nu);
    policy = random.policy<Nx, Nu>(T, nx, nu, 0.1 / nx);
    cost = random.cost<Nx, Nu>(T, nx, nu);
    start = {random.vector(nx), 0.01 * random.positive_definite(nx, 0.1)};
    rollouts = Rollouts<Nx, Nu>(T, N, nx, nu);
    Vector<joint_size<Nx, Nu>> y(nx + nu);
    for (int i = 0; i < N; ++i) {
      y.head(nx) = start.mu + 0.1 * random.vector(nx);
      for (int t = 0; t < T; ++t) {
        const VectorX xi = random.vector(nu);
        y.tail(nu) = policy.K[t] * y.head(nx) + policy.k[t] + policy.L[t] * xi;
        rollouts.x[t].col(i) = y.head(nx);
        rollouts.u[t].col(i) = y.tail(nu);
        rollouts.xi[t].col(i) = xi;
        rollouts.cost(i, t) = cost(t, y);
        if (t + 1 < T) {
          y.head(nx) = (dynamics.F[t] * y + dynamics.f[t] + 0.05 * random.vector(nx)).eval();
        }
      }
    }
  }
};

/// A cost of the shape robots have: a quadratic of some states and of all controls.
struct ReachCost {
  int reach = 3;  ///< the first entries of the state

  double operator()(int, const ConstVectorRef& x, const ConstVectorRef& u) const {
    return 0.5 * x.head(reach).squaredNorm() + 5e-4 * u.squaredNorm();
  }
  void expand(int, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    out.value += weight * (*this)(0, x, u);
    out.gradient.head(reach) += weight * x.head(reach);
    out.gradient.tail(u.size()) += weight * 1e-3 * u;
    out.hessian.diagonal().head(reach).array() += weight;
    out.hessian.diagonal().tail(u.size()).array() += weight * 1e-3;
  }
};

}  // namespace pilqr::bench
