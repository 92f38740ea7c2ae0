#pragma once
/// The path-integral update of a TVLG policy.

#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/rollout.hpp"
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

/// The weights of a path-integral update and what they did.
struct Pi2Weights {
  MatrixX weights;            ///< path-integral weights, N x T; each column sums to 1
  VectorX effective_samples;  ///< 1 / sum w^2, T
  VectorX variance_ratio;     ///< det(Sigma_new)^(1/nu) / det(Sigma_old)^(1/nu), T
  Failure failure;            ///< what stopped it, with the step
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// The updated policy and the weights that made it.
template <int Nx = Dynamic, int Nu = Dynamic>
struct Pi2Result : Pi2Weights {
  LinearGaussianPolicy<Nx, Nu> policy;  ///< only if ok()
};

namespace detail {

/// pi2_update of the feed-forward controls k, nu x T, and the factors L, nu x nu T.
[[nodiscard]] Pi2Weights pi2_update(MatrixRef k, MatrixRef L, const SequenceView<>& xi,
                                    const MatrixX& cost_to_go, const VectorX& temperature,
                                    const Pi2Options& options);

}  // namespace detail

/// One PI2 step (PI2; PI2-CMA; PILQR17 eq. 2 and Algorithm 1 line 8). The feed-forward controls
/// that the samples took are s_i = u_i - K x_i = k + L xi_i, so in the coordinates of xi:
///   w_i ~ exp(-S_i / temperature),  k <- k + L sum_i w_i xi_i,
///   scatter = sum_i w_i (xi_i - mean)(xi_i - mean)',  ratio = tr(scatter) / nu,
///   Sigma <- Sigma ratio^(1/damping)  or  L scatter L'.  K is kept.
/// Centred, w_i - 1/N replaces w_i in k, the ratio is taken against the scatter under uniform
/// weights, and the undamped covariance is L (I + scatter - uniform scatter) L'.
/// @param policy the policy to improve: the sampled one (PI2 alone) or LQR-FLM's (PILQR).
/// @param xi the samples' noise, nu x N per step.
/// @param cost_to_go S, N x T: of the sampled cost or of its residual (PILQR17).
/// @param temperature per step, cost units, T entries > 0.
///
/// Throws InvalidArgument on shapes, options and temperatures; costs-to-go, noise or results that
/// are not finite are reported as non_finite_update with their step.
template <int Nx, int Nu>
[[nodiscard]] Pi2Result<Nx, Nu> pi2_update(const LinearGaussianPolicy<Nx, Nu>& policy,
                                           const Sequence<Nu, Dynamic>& xi,
                                           const MatrixX& cost_to_go, const VectorX& temperature,
                                           const Pi2Options& options = {}) {
  const int nu = policy.nu();
  const int T = policy.steps();
  require(policy.k.steps() == T && policy.L.steps() == T && policy.k.rows() == nu &&
              policy.L.rows() == nu && policy.L.cols() == nu,
          "pi2: K of the policy has {} steps and {} controls, k {} and {}, L {} and {}x{}", T, nu,
          policy.k.steps(), policy.k.rows(), policy.L.steps(), policy.L.rows(), policy.L.cols());
  Pi2Result<Nx, Nu> result;
  result.policy = policy;
  static_cast<Pi2Weights&>(result) = detail::pi2_update(
      Eigen::Map<MatrixX>(result.policy.k.flat().data(), nu, T),
      Eigen::Map<MatrixX>(result.policy.L.flat().data(), nu, Eigen::Index{nu} * T), xi, cost_to_go,
      temperature, options);
  return result;
}

namespace detail {

/// carry_over to the feed-forward controls k, nu x T.
[[nodiscard]] Failure carry_over(const RolloutsView& rollouts, const MatrixX& weights,
                                 const PolicyView& policy, MatrixRef k);

}  // namespace detail

/// The weighted deviation of the samples from their mean, added to a policy whose gains are not
/// those that were sampled:
///   k <- k_policy + sum_i (w_i - 1/N) (u_i - K_policy x_i).
/// Under linear dynamics the new mean trajectory is the policy's plus sum_i w_i of the samples'
/// deviations, in states and controls, whatever its gains: a sample that has found something is
/// followed there, even if the policy's gains would hold its noise down. For the policy that was
/// sampled this is pi2_update's centred k.
/// @param weights N x T, columns sum to 1.
/// @param policy has the gains and the k to start from.
/// @param updated gets the new k; if one is not finite it keeps the old, and non_finite_update is
/// returned with the step.
///
/// Throws InvalidArgument on shapes.
template <int Nx, int Nu>
[[nodiscard]] Failure carry_over(const Rollouts<Nx, Nu>& rollouts, const MatrixX& weights,
                                 const LinearGaussianPolicy<Nx, Nu>& policy,
                                 LinearGaussianPolicy<Nx, Nu>& updated) {
  require_same_shape(policy, updated);
  const auto fits = [&](const auto& k) {
    return k.steps() == policy.steps() && k.rows() == policy.nu();
  };
  require(fits(policy.k) && fits(updated.k),
          "carry over: K has {} steps and {} controls, k {} and {}, the updated k {} and {}",
          policy.steps(), policy.nu(), policy.k.steps(), policy.k.rows(), updated.k.steps(),
          updated.k.rows());
  return detail::carry_over(
      rollouts, weights, policy,
      Eigen::Map<MatrixX>(updated.k.flat().data(), policy.nu(), policy.steps()));
}

}  // namespace pilqr
