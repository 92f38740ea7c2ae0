#pragma once
/// The path-integral update of a TVLG policy.

#include <algorithm>
#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/linalg.hpp"
#include "pilqr/core/panel.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/update/pi2/temperature.hpp"

namespace pilqr {

/// Settings of the model-free update.
struct Pi2Options {
  /// Root taken of the change of the covariance: Sigma <- Sigma * ratio^(1/damping). 2 cools at a
  /// moderate pace, 10 slowly; 0 replaces the covariance by the weighted scatter of the samples
  /// (see pi2_update).
  double covariance_damping = 2.0;
  /// Subtract the effect of uniform weights, so that equal costs leave the policy exactly as it is.
  /// Otherwise the mean of a small number of noise samples leaks into k and Sigma.
  bool centered = true;
  /// Damping 0 only: pseudo-samples of the old covariance that are mixed into the scatter.
  double shrinkage = 1.0;
  /// The smallest ratio of variances before the root, in (0, 1], so that a single heavy weight
  /// cannot collapse a covariance: one update shrinks a variance at most by this^(1/damping), with
  /// damping 0 by this.
  double min_variance_ratio = 1e-3;
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const Pi2Options& o) {
  require(std::isfinite(o.covariance_damping) && o.covariance_damping >= 0.0,
          "pi2: covariance_damping is {}, expected >= 0", o.covariance_damping);
  require(std::isfinite(o.shrinkage) && o.shrinkage >= 0.0, "pi2: shrinkage is {}, expected >= 0",
          o.shrinkage);
  require(o.min_variance_ratio > 0.0 && o.min_variance_ratio <= 1.0,
          "pi2: min_variance_ratio is {}, expected in (0, 1]", o.min_variance_ratio);
}

/// The updated policy and the weights that made it.
template <int Nx = Dynamic, int Nu = Dynamic>
struct Pi2Result {
  LinearGaussianPolicy<Nx, Nu> policy;
  MatrixX weights;            ///< path-integral weights, N x T; each column sums to 1
  VectorX effective_samples;  ///< 1 / sum w^2, T
  VectorX variance_ratio;     ///< det(Sigma_new)^(1/nu) / det(Sigma_old)^(1/nu), T
  Failure failure;
  [[nodiscard]] bool ok() const { return failure.ok(); }
};

/// One PI2 step (PI2; PI2-CMA; PILQR17 eq. 2 and Algorithm 1 line 8). The feed-forward controls
/// that the samples took are s_i = u_i - K x_i = k + L xi_i, so in the coordinates of xi:
///   w_i ~ exp(-S_i / temperature),  k <- k + L sum_i w_i xi_i,
///   scatter = sum_i w_i (xi_i - mean)(xi_i - mean)',  ratio = tr(scatter) / nu,
///   Sigma <- Sigma ratio^(1/damping)  or  L scatter L'.  K is kept.
/// Centred, w_i - 1/N replaces w_i in k, the ratio is taken against the scatter under uniform
/// weights, and the undamped covariance is L (I + scatter - uniform scatter) L'.
/// @param policy the policy to improve: the sampled one (PI2 alone) or LQR-FLM's (PILQR).
/// @param xi the samples' noise, nu x N per step.
/// @param cost_to_go S, N x T: of the sampled cost (PI2 alone) or of its residual (PILQR).
/// @param temperature per step, cost units, T entries > 0.
///
/// Throws InvalidArgument on shapes, options and temperatures; costs-to-go, noise or results that
/// are not finite are reported as non_finite_update with their step.
template <int Nx, int Nu>
[[nodiscard]] Pi2Result<Nx, Nu> pi2_update(const LinearGaussianPolicy<Nx, Nu>& policy,
                                           const Sequence<Nu, Dynamic>& xi,
                                           const MatrixX& cost_to_go, const VectorX& temperature,
                                           const Pi2Options& options = {}) {
  require_valid(options);
  const int T = policy.steps();
  const int nu = policy.nu();
  const int N = xi.cols();
  require(xi.steps() == T && xi.rows() == nu && N >= 1,
          "pi2: noise has {} steps of {}x{}, the policy {} steps and nu = {}", xi.steps(),
          xi.rows(), N, T, nu);
  require(rows(cost_to_go) == N && cols(cost_to_go) == T,
          "pi2: cost-to-go is {}x{}, expected {}x{} (N x T)", rows(cost_to_go), cols(cost_to_go), N,
          T);
  require(rows(temperature) == T, "pi2: {} temperatures for {} steps", rows(temperature), T);

  Pi2Result<Nx, Nu> result{.policy = policy,
                           .weights = MatrixX::Zero(N, T),
                           .effective_samples = VectorX::Zero(T),
                           .variance_ratio = VectorX::Ones(T),
                           .failure = {}};
  Vector<Nu> mean(nu);          // sum w xi
  Vector<Nu> uniform_mean(nu);  // sum xi / N
  Vector<Nu> shift(nu);         // change of k in the coordinates of xi
  Matrix<Nu, Dynamic> deviation(nu, N);
  Matrix<Nu, Nu> scatter(nu, nu);
  Panel<Nu, Nu> S(nu, nu);
  Panel<Nu, Nu> U(nu, nu);
  Panel<Nu, 3> work(nu, 3);
  Vector<Nu> eigenvalues(nu);
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
    uniform_mean.noalias() = xi[t] * VectorX::Constant(N, 1.0 / N);
    mean.noalias() = xi[t] * w;
    shift = mean;
    if (options.centered) shift -= uniform_mean;

    auto L = result.policy.L[t];
    result.policy.k[t].noalias() += L * shift;

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
    if (!symmetric_eigen<Nu>(nu, S, U, eigenvalues.data(), work)) {
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
    const double sum = result.policy.k[t].sum() + result.policy.L[t].sum();
    if (!std::isfinite(sum)) {
      result.failure = {
          .kind = FailureKind::non_finite_update, .step = t, .value = sum, .detail = "PI2 policy"};
    }
  }
  return result;
}

// Compiled once for sizes known at run time only.
extern template Pi2Result<> pi2_update(const LinearGaussianPolicy<>&,
                                       const Sequence<Dynamic, Dynamic>&, const MatrixX&,
                                       const VectorX&, const Pi2Options&);

}  // namespace pilqr
