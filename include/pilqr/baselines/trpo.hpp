#pragma once
/// Trust region policy optimisation with generalised advantage estimation (TRPO; GAE).

#include <vector>

#include "pilqr/baselines/network_actor.hpp"
#include "pilqr/baselines/running_moments.hpp"
#include "pilqr/baselines/trust_region.hpp"
#include "pilqr/baselines/value_function.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// Rewards are negative costs. Nothing has to be scaled to the size of the costs: advantages are
/// brought to mean 0 and deviation 1, and so are the returns that the value function learns. The
/// discount and lambda were found on the reacher; few rollouts per update, 2 of each of its four
/// conditions, learn from the fewest in all.
struct TrpoOptions {
  std::vector<int> hidden{64, 64};           ///< units of each hidden layer of the policy
  Activation activation = Activation::tanh;  ///< of hidden units of the policy
  VectorX action_scale{};             ///< nu, what a control of 1 means to the network; empty: ones
  double initial_std = 0.5;           ///< of the exploration, 1e-100 to 1e100 action_scale
  double discount = 0.95;             ///< gamma of GAE, in [0, 1]
  double lambda = 0.9;                ///< of GAE, in [0, 1]
  TrustRegionOptions trust_region{};  ///< of the policy's step
  ValueOptions value{};               ///< of the value function
  NormalisationOptions normalisation{};  ///< of the states, by the moments of all so far
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const TrpoOptions& options);

/// One update.
struct TrpoReport {
  TrustRegionReport step{};  ///< of the policy
  /// 1 - variance of (return - value) over variance of the returns, of the value function that the
  /// advantages are from; 1 is perfect, NaN if the returns are all equal.
  double explained_variance = 0.0;
  double std_mean = 0.0;  ///< of the exploration after the update, in shares of action_scale
  long samples = 0;       ///< rollouts of all updates so far
  long steps = 0;         ///< their control steps
  Failure failure{};      ///< if not ok, all is as before the update
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
  /// Why the policy did not move though it had a gradient; the value function and the moments of
  /// the states have learnt all the same.
  [[nodiscard]] Failure rejected() const { return step.rejected(); }
};

/// All that decides the future of a run, besides the options.
struct TrpoState {
  DiagonalGaussian policy;  ///< of normalised states, in shares of action_scale
  ValueState value;         ///< of [normalised state; time feature]
  RunningMoments states;    ///< of the states, as the policy acts by
  long samples = 0;         ///< rollouts of all updates so far
  long steps = 0;           ///< their control steps

  /// Equal in all parts.
  friend bool operator==(const TrpoState&, const TrpoState&) = default;
};

/// One policy for all conditions and steps. The value function, which only training needs, knows
/// the time (time_feature), since what is still to be gained depends on it. A value.
class Trpo {
 public:
  /// @param steps the horizon. @param stream draws the networks.
  /// Throws InvalidArgument on invalid options or sizes.
  Trpo(int nx, int nu, int steps, const TrpoOptions& options, RandomStream& stream);

  [[nodiscard]] const TrpoOptions& options() const { return options_; }  ///< as they were given
  [[nodiscard]] int steps() const { return steps_; }                     ///< the horizon

  /// The present policy, with its exploration as covariance and without limits.
  [[nodiscard]] NetworkPolicy policy() const;

  /// One step on rollouts of policy(), one batch per condition. The moments of the states, and with
  /// them the policy, take the batch in after the step; those of the first batch are needed before
  /// it, when the policy is hardly more than its noise. Reports non_finite_update if a sum of the
  /// rollouts overflows, as finite numbers may. Throws InvalidArgument on rollouts of other sizes.
  /// @param stream for the order of the points.
  TrpoReport update(const std::vector<RolloutsView>& batches, RandomStream stream);

  /// What a checkpoint has to hold.
  [[nodiscard]] const TrpoState& state() const { return state_; }
  /// Throws InvalidArgument unless the sizes are the same and all is finite, the policy's numbers
  /// in the unit of the controls too.
  void restore(TrpoState state);

 private:
  void gather(const std::vector<RolloutsView>& batches);
  Failure estimate(const std::vector<RolloutsView>& batches, ValueFunction& value,
                   double& explained_variance);
  [[nodiscard]] NetworkPolicy policy_of(const TrpoState& state) const;

  TrpoOptions options_;
  int steps_;
  VectorX scale_;  // nu, of the controls
  ValueFunction value_;
  TrpoState state_;
  TrustRegion region_;

  // Of update(): P points, of batch after batch, step after step, sample after sample.
  PolicyBatch points_;
  MatrixX x_;                 // nx x P
  MatrixX inputs_;            // (nx + 1) x P, of the value function
  VectorX values_, returns_;  // P
};

}  // namespace pilqr
