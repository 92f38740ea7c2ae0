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

/// The sum of the expansions of one step's samples, in absolute coordinates: of H, of g - H y and
/// of l - g'y + 1/2 y'Hy. No Hessian is looked at alone: with R_i = H_1 + .. + H_i and y_{N+1} = 0,
///   sum_i H_i y_i = -sum_i R_i (y_{i+1} - y_i)
/// and likewise for y'Hy, so that one product with what has been added up so far is all it takes.
class ExpansionSum {
 public:
  /// Of no sample.
  ExpansionSum(int nx, int nu);
  /// Begins a step with the sample at [x; u].
  void start(const ConstVectorRef& x, const ConstVectorRef& u);
  /// Of the sample, to add the cost's expansion to.
  CostExpansion& expansion() { return expansion_; }
  /// Takes the expansion in. False if an entry is not finite or a product overflows.
  /// @param x,u the next sample, which it goes on with; after the last one, `finish` instead.
  [[nodiscard]] bool add(const ConstVectorRef& x, const ConstVectorRef& u);
  /// Takes the last sample's expansion in; the step's model is then `share` of the sums.
  [[nodiscard]] bool finish(double share, MatrixRef C, VectorRef c, double& c0);

 private:
  bool add_product();

  CostExpansion expansion_;  // hessian: R_i; value and gradient of this sample
  VectorX y_, next_;         // ny
  VectorX c_;                // ny
  double c0_ = 0.0;
};

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
  detail::ExpansionSum sum(nx, nu);
  for (int t = 0; t < T; ++t) {
    MatrixRef C(out.C[t]);
    VectorRef c(out.c[t]);
    sum.start(rollouts.x[t].col(0), rollouts.u[t].col(0));
    for (int i = 0; i < N; ++i) {
      cost.expand(t, rollouts.x[t].col(i), rollouts.u[t].col(i), 1.0, sum.expansion());
      const double value = sum.expansion().value;
      const bool finite = i + 1 < N ? sum.add(rollouts.x[t].col(i + 1), rollouts.u[t].col(i + 1))
                                    : sum.finish(1.0 / N, C, c, out.c0(t));
      if (!finite) {
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
