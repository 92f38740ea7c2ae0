#pragma once
/// One step of trust region policy optimisation (Schulman, Levine, Moritz, Jordan, Abbeel, ICML
/// 2015; below: TRPO).

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/nn/mlp.hpp"

namespace pilqr {

/// The policy u ~ N(mean(z), diag(exp(log_std))^2). Its parameters are those of the network, then
/// log_std.
struct DiagonalGaussian {
  Mlp mean;         ///< of normalised states
  VectorX log_std;  ///< nu, the same at every state

  /// Of the network, and nu.
  [[nodiscard]] int parameter_count() const { return mean.parameter_count() + rows(log_std); }
  /// Adds to all parameters. Throws InvalidArgument on another size.
  void add(const ConstVectorRef& step);

  /// Equal in all parts.
  friend bool operator==(const DiagonalGaussian&, const DiagonalGaussian&) = default;
};

/// What a step learns from: P points in columns.
struct PolicyBatch {
  MatrixX z;          ///< inputs of the network x P
  MatrixX u;          ///< nu x P, controls that the policy drew there
  VectorX advantage;  ///< P, of the reward: large is good
};

/// How far a step may go, and how it is found.
struct TrustRegionOptions {
  double kl_step = 0.01;    ///< delta: allowed mean divergence from the old policy, nats, > 0
  double damping = 0.1;     ///< added to the diagonal of the Fisher matrix, >= 0
  int cg_iterations = 10;   ///< conjugate gradient steps at most
  int backtracks = 20;      ///< how often a step may be shortened
  double shrink = 0.85;     ///< by this factor each time, in (0, 1)
  double least_std = 1e-2;  ///< standard deviations stay above, > 0
  /// The Fisher matrix is that of every so-manieth point, which is enough to find a direction; the
  /// divergence that is bounded is that of all points.
  int fisher_stride = 5;
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const TrustRegionOptions& options);

/// What a step did.
struct TrustRegionReport {
  bool moved = false;        ///< false: the policy is as it was
  double gradient = 0.0;     ///< its norm; 0: there is nothing to move for
  double improvement = 0.0;  ///< of the surrogate, in advantages
  double kl = 0.0;           ///< mean divergence of the old policy from the new one, nats
  int backtracks = 0;        ///< how often the step was shortened
  double residual = 0.0;     ///< of the conjugate gradient, over the gradient's norm
  Failure failure{};         ///< if not ok, the policy is as it was
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
  /// no_improvement if there was a way to move and no step along it was good, however short; the
  /// value is the gradient's norm.
  [[nodiscard]] Failure rejected() const;
};

/// A step and its parts, with their buffers: steps of the same sizes do not allocate after the
/// first, except for the old policy's copy. The batch must outlive the calls after begin().
class TrustRegion {
 public:
  /// Throws InvalidArgument as require_valid does.
  explicit TrustRegion(const TrustRegionOptions& options = {});

  /// Makes this the old policy, and the batch the one that it drew. Throws InvalidArgument on sizes
  /// that do not fit.
  void begin(const DiagonalGaussian& policy, const PolicyBatch& batch);

  /// The gradient of the surrogate by all parameters at the old policy.
  void gradient(VectorRef out);

  /// F v, with F the Hessian of the mean divergence at the old policy over the points of the
  /// stride: by Jacobian products from both sides, TRPO appendix C. Without damping.
  void fisher_product(const ConstVectorRef& v, VectorRef out);

  /// Of a policy against the old one.
  struct Measure {
    double improvement = 0.0;  ///< mean of (ratio - 1) * advantage, TRPO eq. 14
    double kl = 0.0;           ///< mean of KL(old || policy)
  };
  /// Of the batch and the old policy of begin().
  Measure measure(const DiagonalGaussian& policy);

  /// The natural gradient by conjugate gradient, scaled to the allowed divergence, then shortened
  /// until the divergence is at most that and the surrogate is better. Reports non_finite_update if
  /// the gradient or the direction is not finite.
  TrustRegionReport step(DiagonalGaussian& policy, const PolicyBatch& batch);

  /// As they were given.
  [[nodiscard]] const TrustRegionOptions& options() const { return options_; }

 private:
  double conjugate_gradient(const VectorX& g);

  TrustRegionOptions options_;
  DiagonalGaussian old_{Mlp({.inputs = 1, .outputs = 1}), VectorX::Zero(1)};
  const PolicyBatch* batch_ = nullptr;
  MlpWorkspace all_, some_;     // of every point, of those of the stride
  MatrixX old_mean_, mean_;     // nu x P
  MatrixX some_z_, some_mean_;  // inputs x points of the stride, nu x the same
  VectorX g_, s_, r_, p_, Fp_;  // parameters; of the conjugate gradient
};

}  // namespace pilqr
