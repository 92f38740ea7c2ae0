#pragma once
/// The quadratic cost model, and what it and the fitted dynamics predict for each sample (line 4 of
/// PILQR17 Algorithm 1).

#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// The quadratic cost model, or why there is none.
template <int Nx = Dynamic, int Nu = Dynamic>
struct CostFit {
  QuadraticCost<Nx, Nu> cost;
  Failure failure;
  [[nodiscard]] bool ok() const { return failure.ok(); }
};

/// Expands the cost to second order at every sampled (x, u) and averages over the samples, in
/// absolute coordinates (PILQR17 section 4.3; LFDA16):
///   C = mean(H),  c = mean(g - H y),  c0 = mean(l - g'y + 1/2 y'Hy).
/// Reports non_finite_cost with sample and step if a derivative is NaN or infinite.
template <int Nx, int Nu, Cost Term>
[[nodiscard]] CostFit<Nx, Nu> fit_cost(const Rollouts<Nx, Nu>& rollouts, const Term& cost) {
  require_valid(rollouts);
  const int T = rollouts.steps();
  const int N = rollouts.samples();
  const int nx = rollouts.nx();
  const int nu = rollouts.nu();
  CostFit<Nx, Nu> fit{QuadraticCost<Nx, Nu>(T, nx, nu), {}};
  fit.cost.C.set_zero();
  fit.cost.c.set_zero();
  CostExpansion e(nx, nu);
  Vector<Nx> x(nx);
  Vector<Nu> u(nu);
  Vector<joint_size<Nx, Nu>> y(nx + nu);
  Vector<joint_size<Nx, Nu>> Hy(nx + nu);
  const int ny = nx + nu;
  const double share = 1.0 / N;
  for (int t = 0; t < T; ++t) {
    auto C = fit.cost.C[t];
    auto c = fit.cost.c[t];
    for (int i = 0; i < N; ++i) {
      x = rollouts.x[t].col(i);
      u = rollouts.u[t].col(i);
      y.head(nx) = x;
      y.tail(nu) = u;
      e.set_zero();
      cost.expand(t, x, u, 1.0, e);
      // One pass over the Hessian: C += H / N, H y, and a sum that is finite only if H is.
      double sum = e.value + e.gradient.sum();
      Hy.setZero();
      for (int j = 0; j < ny; ++j) {
        const double* h = e.hessian.data() + Eigen::Index{j} * ny;
        double* mean = C.data() + Eigen::Index{j} * ny;
        double* product = Hy.data();
        const double yj = y(j);
        for (int k = 0; k < ny; ++k) {
          mean[k] += share * h[k];
          product[k] += h[k] * yj;
        }
      }
      sum += Hy.sum();
      if (!std::isfinite(sum) &&
          !(std::isfinite(e.value) && e.gradient.allFinite() && e.hessian.allFinite())) {
        fit.failure = {.kind = FailureKind::non_finite_cost,
                       .sample = i,
                       .step = t,
                       .value = e.value,
                       .detail = "value, gradient or Hessian of the cost's expansion"};
        return fit;
      }
      c += share * (e.gradient - Hy);
      fit.cost.c0(t) += share * (e.value - e.gradient.dot(y) + 0.5 * Hy.dot(y));
    }
    symmetrize(C);
  }
  return fit;
}

/// When a replay counts as diverged.
struct ReplayOptions {
  /// A replayed state may leave the range of the batch's states, over all steps and samples, by
  /// this many half-widths, in any dimension, before the replay counts as diverged. > 0.
  double range = 10.0;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const ReplayOptions& o) {
  require(std::isfinite(o.range) && o.range > 0.0, "replay: range is {}, expected finite and > 0",
          o.range);
}

/// What the model predicts for each sample.
struct PredictedCosts {
  MatrixX cost;  ///< c-hat, N x T; zero from first_diverged_step on
  /// The first step at which any sample's replay left the range of the data or its cost is not
  /// finite; T if none did. From there on the model is worthless, and the whole sampled cost counts
  /// as residual.
  int first_diverged_step = 0;
};

/// What the model believes each sample costs (PILQR17 section 4.3): the SAME noise xi_i under the
/// fitted dynamics from the sample's own first state, with the policy that was sampled:
///   u = K x + k + L xi_i,  x' = F [x; u] + f,  c-hat = 1/2 y'Cy + c'y + c0.
/// A fitted closed loop can be unstable over the horizon; see PredictedCosts. Throws
/// InvalidArgument on shapes and on rollouts whose states or noise are not finite.
template <int Nx, int Nu>
[[nodiscard]] PredictedCosts predict_costs(const LinearGaussianDynamics<Nx, Nu>& dynamics,
                                           const QuadraticCost<Nx, Nu>& cost,
                                           const LinearGaussianPolicy<Nx, Nu>& policy,
                                           const Rollouts<Nx, Nu>& rollouts,
                                           const ReplayOptions& options = {}) {
  require_valid(options);
  require_valid(rollouts);
  const int T = rollouts.steps();
  const int N = rollouts.samples();
  const int nx = rollouts.nx();
  const int nu = rollouts.nu();
  require(policy.steps() == T && dynamics.steps() == T && cost.steps() == T,
          "replay: rollouts have {} steps, the policy {}, dynamics {}, cost {}", T, policy.steps(),
          dynamics.steps(), cost.steps());
  require(policy.nx() == nx && policy.nu() == nu && cost.nx() == nx && cost.nu() == nu,
          "replay: rollouts have nx = {}, nu = {}, the policy {}, {}, cost {}, {}", nx, nu,
          policy.nx(), policy.nu(), cost.nx(), cost.nu());
  require(T == 1 || (dynamics.nx() == nx && dynamics.nu() == nu),
          "replay: rollouts have nx = {}, nu = {}, dynamics {}, {}", nx, nu, dynamics.nx(),
          dynamics.nu());
  require(rollouts.x.all_finite() && rollouts.xi.all_finite(),
          "replay: states or noise of the rollouts have a NaN or infinite entry");

  Vector<Nx> low = rollouts.x[0].rowwise().minCoeff();
  Vector<Nx> high = rollouts.x[0].rowwise().maxCoeff();
  for (int t = 1; t < T; ++t) {
    low = low.cwiseMin(rollouts.x[t].rowwise().minCoeff());
    high = high.cwiseMax(rollouts.x[t].rowwise().maxCoeff());
  }
  // A dimension that never moves gets the rounding of its size.
  const Vector<Nx> slack = (0.5 * options.range * (high - low))
                               .cwiseMax(1e-6 * low.cwiseAbs().cwiseMax(high.cwiseAbs())) +
                           Vector<Nx>::Constant(nx, 1e-9);
  low -= slack;
  high += slack;

  PredictedCosts predicted{MatrixX::Zero(N, T), T};
  constexpr int Ny = joint_size<Nx, Nu>;
  Matrix<Ny, Dynamic> y(nx + nu, N);
  Matrix<Ny, Dynamic> Cy(nx + nu, N);
  Matrix<Nx, Dynamic> next(nx, N);
  y.topRows(nx) = rollouts.x[0];
  for (int t = 0; t < T; ++t) {
    const auto x = y.topRows(nx);
    const bool inside = x.allFinite() && ((x.colwise() - low).array() >= 0.0).all() &&
                        ((x.colwise() - high).array() <= 0.0).all();
    if (!inside) {
      predicted.first_diverged_step = t;
      break;
    }
    auto u = y.bottomRows(nu);
    u.noalias() = policy.K[t] * x;
    u.noalias() += policy.L[t] * rollouts.xi[t];
    u.colwise() += policy.k[t];
    Cy.noalias() = 0.5 * cost.C[t] * y;
    Cy.colwise() += cost.c[t];
    predicted.cost.col(t) = Cy.cwiseProduct(y).colwise().sum().transpose();
    predicted.cost.col(t).array() += cost.c0(t);
    if (!predicted.cost.col(t).allFinite()) {
      predicted.cost.col(t).setZero();
      predicted.first_diverged_step = t;
      break;
    }
    if (t + 1 == T) break;
    next.noalias() = dynamics.F[t] * y;
    next.colwise() += dynamics.f[t];
    y.topRows(nx) = next;
  }
  return predicted;
}

// Compiled once for sizes known at run time only.
extern template PredictedCosts predict_costs(const LinearGaussianDynamics<>&,
                                             const QuadraticCost<>&, const LinearGaussianPolicy<>&,
                                             const Rollouts<>&, const ReplayOptions&);

}  // namespace pilqr
