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
    rollouts = run(policy, N, random);
  }

  /// N rollouts of a policy.
  Rollouts<Nx, Nu> run(const LinearGaussianPolicy<Nx, Nu>& own, int N, test::Random& random) const {
    const int T = own.steps();
    const int nx = own.nx();
    const int nu = own.nu();
    Rollouts<Nx, Nu> out(T, N, nx, nu);
    Vector<joint_size<Nx, Nu>> y(nx + nu);
    for (int i = 0; i < N; ++i) {
      y.head(nx) = start.mu + 0.1 * random.vector(nx);
      for (int t = 0; t < T; ++t) {
        const VectorX xi = random.vector(nu);
        y.tail(nu) = own.K[t] * y.head(nx) + own.k[t] + own.L[t] * xi;
        out.x[t].col(i) = y.head(nx);
        out.u[t].col(i) = y.tail(nu);
        out.xi[t].col(i) = xi;
        out.cost(i, t) = cost(t, y);
        if (t + 1 < T) {
          y.head(nx) = (dynamics.F[t] * y + dynamics.f[t] + 0.05 * random.vector(nx)).eval();
        }
      }
    }
    return out;
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
