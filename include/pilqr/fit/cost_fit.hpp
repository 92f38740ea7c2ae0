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
  QuadraticCost<Nx, Nu> cost;  ///< only if ok()
  Failure failure;             ///< of the cost, with the step and the sample
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

namespace detail {

/// Adds `share` of an expansion at y, ny, to C, c and c0 as fit_cost says, and clears it. Columns
/// of zeros, most of a Hessian as a rule, cost no more than a look. False if an entry is not
/// finite or a product overflows; the sums are then spoilt.
bool add_expansion(double share, const ConstVectorRef& y, CostExpansion& expansion, MatrixRef C,
                   VectorRef c, double& c0);

}  // namespace detail

/// Expands the cost to second order at every sampled (x, u) and averages over the samples, in
/// absolute coordinates (PILQR17 section 4.3; LFDA16):
///   C = mean(H),  c = mean(g - H y),  c0 = mean(l - g'y + 1/2 y'Hy).
/// Reports non_finite_cost with sample and step if a derivative is NaN or infinite, or overflows.
/// Throws InvalidArgument on shapes.
/// @param out the model; resized if needed, incomplete on failure.
template <int Nx, int Nu, Cost Term>
[[nodiscard]] Failure fit_cost(const Rollouts<Nx, Nu>& rollouts, const Term& cost,
                               QuadraticCost<Nx, Nu>& out) {
  require_valid(rollouts);
  const int T = rollouts.steps();
  const int N = rollouts.samples();
  const int nx = rollouts.nx();
  const int nu = rollouts.nu();
  if (out.steps() != T || out.nx() != nx || out.nu() != nu) {
    out = QuadraticCost<Nx, Nu>(T, nx, nu);
  }
  CostExpansion e(nx, nu);
  VectorX y(nx + nu);
  for (int t = 0; t < T; ++t) {
    MatrixRef C(out.C[t]);
    VectorRef c(out.c[t]);
    C.setZero();
    c.setZero();
    out.c0(t) = 0.0;
    for (int i = 0; i < N; ++i) {
      y.head(nx) = rollouts.x[t].col(i);
      y.tail(nu) = rollouts.u[t].col(i);
      cost.expand(t, y.head(nx), y.tail(nu), 1.0, e);
      const double value = e.value;
      if (!detail::add_expansion(1.0 / N, y, e, C, c, out.c0(t))) {
        return {.kind = FailureKind::non_finite_cost,
                .sample = i,
                .step = t,
                .value = value,
                .detail = "value, gradient or Hessian of the cost's expansion"};
      }
    }
    symmetrize(C);
  }
  return {};
}

/// The same as a value.
template <int Nx, int Nu, Cost Term>
[[nodiscard]] CostFit<Nx, Nu> fit_cost(const Rollouts<Nx, Nu>& rollouts, const Term& cost) {
  CostFit<Nx, Nu> fit;
  fit.failure = fit_cost(rollouts, cost, fit.cost);
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
[[nodiscard]] PredictedCosts predict_costs(const DynamicsView& dynamics, const CostModelView& cost,
                                           const PolicyView& policy, const RolloutsView& rollouts,
                                           const ReplayOptions& options = {});

}  // namespace pilqr
