#pragma once
/// Random LQR problems, and plain formulas on them that share no code with the library.

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"
#include "support/random_problem.hpp"

namespace pilqr::test {

template <int Nx = Dynamic, int Nu = Dynamic>
struct LqrProblem {
  LinearGaussianDynamics<Nx, Nu> dynamics;
  QuadraticCost<Nx, Nu> cost;
  LinearGaussianPolicy<Nx, Nu> reference;
  InitialState<Nx> start;

  LqrProblem(std::uint64_t seed, int T, int nx, int nu) {
    Random random(seed);
    dynamics = random.dynamics<Nx, Nu>(T, nx, nu);
    cost = random.cost<Nx, Nu>(T, nx, nu);
    reference = random.policy<Nx, Nu>(T, nx, nu);
    start.mu = random.vector(nx);
    start.Sigma = random.positive_definite(nx, 0.1);
  }

  /// Replaces the cost by one whose Hessians are indefinite.
  void make_indefinite(std::uint64_t seed) {
    Random random(seed);
    for (int t = 0; t < cost.steps(); ++t) cost.C[t] = random.symmetric(cost.nx() + cost.nu());
  }
};

/// |a - b| / (1 + |b|); NaN if either holds NaN.
template <class A, class B>
double deviation(const A& a, const B& b) {
  return (a - b).norm() / (1.0 + b.norm());
}

/// One step of a policy, u ~ N(K x + k, Sigma).
struct StepPolicy {
  MatrixX K;      // nu x nx
  VectorX k;      // nu
  MatrixX Sigma;  // nu x nu
};
template <int Nx, int Nu>
StepPolicy step_of(const LinearGaussianPolicy<Nx, Nu>& policy, int t) {
  return {policy.K[t], policy.k[t], policy.L[t] * policy.L[t].transpose()};
}

/// Largest deviation of two policies over K, k and Sigma.
template <class P, class R>
double policy_deviation(const P& a, const R& b) {
  double worst = 0.0;
  for (int t = 0; t < b.steps(); ++t) {
    const StepPolicy p = step_of(a, t);
    const StepPolicy q = step_of(b, t);
    const double d = deviation(p.K, q.K) + deviation(p.k, q.k) + deviation(p.Sigma, q.Sigma);
    if (std::isnan(d)) return d;
    worst = std::max(worst, d);
  }
  return worst;
}

/// Whether A >= floor B as symmetric matrices, up to rounding.
inline bool at_least(const MatrixX& A, double floor, const MatrixX& B) {
  MatrixX difference = A - (1.0 - 1e-9) * floor * B;
  return cholesky_in_place(difference);
}

/// E [1/2 y'Qy + q'y] over x ~ N(mu, Omega), u ~ p(. | x), by the joint moments of y = [x; u].
inline double expected_quadratic(const MatrixX& Q, const VectorX& q, const VectorX& mu,
                                 const MatrixX& Omega, const StepPolicy& p) {
  VectorX mean(q.size());
  mean << mu, p.K * mu + p.k;
  MatrixX S(q.size(), q.size());
  S << Omega, Omega * p.K.transpose(), p.K * Omega, p.K * Omega * p.K.transpose() + p.Sigma;
  return 0.5 * mean.dot(Q * mean) + q.dot(mean) + 0.5 * (Q * S).trace();
}

/// E KL(p(. | x) || r(. | x)) over x ~ N(mu, Omega), by inverses and determinants.
inline double expected_kl(const StepPolicy& p, const StepPolicy& r, const VectorX& mu,
                          const MatrixX& Omega) {
  const MatrixX precision = r.Sigma.inverse();
  const MatrixX dK = p.K - r.K;
  const VectorX e = dK * mu + p.k - r.k;
  const double log_ratio = std::log(r.Sigma.determinant()) - std::log(p.Sigma.determinant());
  return 0.5 * (log_ratio - static_cast<double>(p.k.size()) + (precision * p.Sigma).trace() +
                e.dot(precision * e) + (precision * dK * Omega * dK.transpose()).trace());
}

/// Mean and covariance of x at every step, propagated through the closed loop.
struct StateMarginals {
  std::vector<VectorX> mu;
  std::vector<MatrixX> Omega;

  template <int Nx, int Nu>
  StateMarginals(const LqrProblem<Nx, Nu>& p, const LinearGaussianPolicy<Nx, Nu>& policy)
      : mu{p.start.mu}, Omega{p.start.Sigma} {
    for (int t = 0; t + 1 < policy.steps(); ++t) {
      const StepPolicy s = step_of(policy, t);
      const MatrixX fx = p.dynamics.F[t].leftCols(policy.nx());
      const MatrixX fu = p.dynamics.F[t].rightCols(policy.nu());
      const MatrixX closed = fx + fu * s.K;
      const auto i = static_cast<std::size_t>(t);
      mu.push_back(closed * mu[i] + fu * s.k + p.dynamics.f[t]);
      Omega.push_back(closed * Omega[i] * closed.transpose() + fu * s.Sigma * fu.transpose() +
                      p.dynamics.W[t]);
    }
  }
};

/// Expected cost of the whole trajectory without the constants c0, and the total divergence from
/// the reference, both under the policy's own marginals.
struct TrajectoryTotals {
  double cost = 0.0;
  double kl = 0.0;
  double entropy = 0.0;  // without the constant nu/2 log(2 pi e)
};
template <int Nx, int Nu>
TrajectoryTotals totals(const LqrProblem<Nx, Nu>& p, const LinearGaussianPolicy<Nx, Nu>& policy) {
  const StateMarginals x(p, policy);
  TrajectoryTotals sum;
  for (int t = 0; t < policy.steps(); ++t) {
    const auto i = static_cast<std::size_t>(t);
    const StepPolicy s = step_of(policy, t);
    sum.cost += expected_quadratic(p.cost.C[t], p.cost.c[t], x.mu[i], x.Omega[i], s);
    sum.kl += expected_kl(s, step_of(p.reference, t), x.mu[i], x.Omega[i]);
    sum.entropy += 0.5 * std::log(s.Sigma.determinant());
  }
  return sum;
}

}  // namespace pilqr::test
