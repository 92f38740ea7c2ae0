#include "pilqr/update/pi2/pi2.hpp"

#include <algorithm>
#include <cmath>

#include "pilqr/core/linalg.hpp"
#include "pilqr/core/panel.hpp"

namespace pilqr {

Pi2Weights detail::pi2_update(MatrixRef k_all, MatrixRef L_all, const SequenceView<>& xi,
                              const MatrixX& cost_to_go, const VectorX& temperature,
                              const Pi2Options& options) {
  require_valid(options);
  const int nu = rows(k_all);
  const int T = cols(k_all);
  const int N = xi.cols();
  require(xi.steps() == T && xi.rows() == nu && N >= 1,
          "pi2: noise has {} steps of {}x{}, the policy {} steps and nu = {}", xi.steps(),
          xi.rows(), N, T, nu);
  require(rows(cost_to_go) == N && cols(cost_to_go) == T,
          "pi2: cost-to-go is {}x{}, expected {}x{} (N x T)", rows(cost_to_go), cols(cost_to_go), N,
          T);
  require(rows(temperature) == T, "pi2: {} temperatures for {} steps", rows(temperature), T);

  Pi2Weights result{.weights = MatrixX::Zero(N, T),
                    .effective_samples = VectorX::Zero(T),
                    .variance_ratio = VectorX::Ones(T),
                    .failure = {}};
  VectorX mean(nu);          // sum w xi
  VectorX uniform_mean(nu);  // sum xi / N
  VectorX shift(nu);         // change of k in the coordinates of xi
  MatrixX deviation(nu, N);
  MatrixX scatter(nu, nu);
  Panel<> S(nu, nu);
  Panel<> U(nu, nu);
  Panel<> work(nu, 3);
  VectorX eigenvalues(nu);
  for (int t = 0; t < T; ++t) {
    auto w = result.weights.col(t);
    require(temperature(t) > 0.0, "pi2: temperature at step {} is {}, expected > 0", t,
            temperature(t));
    path_integral_weights(cost_to_go.col(t), temperature(t), w);
    if (!cost_to_go.col(t).allFinite() || !w.allFinite()) {
      result.failure = {.kind = FailureKind::non_finite_update,
                        .step = t,
                        .value = cost_to_go.col(t).sum(),
                        .detail = "path-integral weights"};
      return result;
    }
    result.effective_samples(t) = effective_samples(w);
    uniform_mean = xi[t].rowwise().mean();
    mean.noalias() = xi[t] * w;
    shift = mean;
    if (options.centered) shift -= uniform_mean;

    auto L = L_all.middleCols(Eigen::Index{t} * nu, nu);
    k_all.col(t).noalias() += L * shift;

    deviation = xi[t].colwise() - mean;
    if (options.covariance_damping > 0.0) {
      const double spread = deviation.colwise().squaredNorm().dot(w);
      const double uniform =
          options.centered ? (xi[t].colwise() - uniform_mean).squaredNorm() / N : nu;
      const double ratio = uniform > 0.0 ? spread / uniform : 1.0;
      const double factor =
          std::pow(std::max(ratio, options.min_variance_ratio), 1.0 / options.covariance_damping);
      result.variance_ratio(t) = factor;
      L *= std::sqrt(factor);
      continue;
    }
    scatter.noalias() = deviation * w.asDiagonal() * deviation.transpose();
    if (options.centered) {
      deviation = xi[t].colwise() - uniform_mean;
      scatter.noalias() -= deviation * deviation.transpose() / N;
      scatter.diagonal().array() += 1.0;
    }
    const double n_eff = result.effective_samples(t);
    scatter *= n_eff / (n_eff + options.shrinkage);
    scatter.diagonal().array() += options.shrinkage / (n_eff + options.shrinkage);
    symmetrize(scatter);
    S.matrix() = scatter;
    if (!symmetric_eigen<Dynamic>(nu, S, U, eigenvalues.data(), work)) {
      result.failure = {.kind = FailureKind::non_finite_update,
                        .step = t,
                        .value = scatter.sum(),
                        .detail = "scatter of the weighted samples"};
      return result;
    }
    eigenvalues = eigenvalues.cwiseMax(options.min_variance_ratio);
    result.variance_ratio(t) = std::exp(eigenvalues.array().log().mean());
    scatter = L * U.matrix() * eigenvalues.cwiseSqrt().asDiagonal();
    lower_factor_in_place(scatter);
    L = scatter;
  }
  for (int t = 0; t < T && result.ok(); ++t) {
    const double sum = k_all.col(t).sum() + L_all.middleCols(Eigen::Index{t} * nu, nu).sum();
    if (!std::isfinite(sum)) {
      result.failure = {
          .kind = FailureKind::non_finite_update, .step = t, .value = sum, .detail = "PI2 policy"};
    }
  }
  return result;
}

Failure detail::carry_over(const RolloutsView& rollouts, const MatrixX& weights,
                           const PolicyView& policy, MatrixRef k) {
  require_valid(rollouts);
  const int T = policy.steps();
  const int N = rollouts.samples();
  require(rollouts.steps() == T && rollouts.nx() == policy.nx() && rollouts.nu() == policy.nu(),
          "carry over: rollouts have {} steps, nx = {}, nu = {}, the policy {}, {}, {}",
          rollouts.steps(), rollouts.nx(), rollouts.nu(), T, policy.nx(), policy.nu());
  require(rows(weights) == N && cols(weights) == T,
          "carry over: weights are {}x{}, expected {}x{} (N x T)", rows(weights), cols(weights), N,
          T);
  MatrixX updated(policy.nu(), T);
  VectorX w(N);
  VectorX x(policy.nx());
  for (int t = 0; t < T; ++t) {
    w = weights.col(t).array() - 1.0 / N;
    x.noalias() = rollouts.x[t] * w;
    auto control = updated.col(t);
    control = policy.k[t];
    control.noalias() += rollouts.u[t] * w;
    control.noalias() -= policy.K[t] * x;
    if (!control.allFinite()) {
      return {.kind = FailureKind::non_finite_update,
              .step = t,
              .value = control.sum(),
              .detail = "PI2 policy"};
    }
  }
  k = updated;
  return {};
}

}  // namespace pilqr
