#pragma once
/// A network policy as something that acts, and how the baselines make one.

#include "pilqr/nn/network_policy.hpp"

namespace pilqr {

/// An Actor (model/sample.hpp) for so many steps, with the policy's limits. A copy for each thread.
class NetworkActor {
 public:
  /// @param observation makes what the policy sees of the state x; nx() is the length of the
  /// latter. Throws InvalidArgument unless steps >= 1 and the observation is valid.
  NetworkActor(NetworkPolicy policy, int steps, Observation observation = {})
      : policy_(std::move(policy)),
        steps_(steps),
        observation_(std::move(observation)),
        seen_(policy_.nx(), 1) {
    require(steps >= 1, "a network policy for {} steps", steps);
    require(nx() >= 1, "network policy: it sees {} entries, {} of them besides the state",
            policy_.nx(), observation_.extra());
    require_valid(observation_, nx());
  }

  /// The horizon, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return steps_; }
  [[nodiscard]] int nx() const { return policy_.nx() - observation_.extra(); }
  [[nodiscard]] int nu() const { return policy_.nu(); }
  ///@}

  /// See NetworkPolicy::act.
  template <class X, class Xi, class U>
  void act(int t, const X& x, const Xi& xi, U& u) {
    observation_.see(x, seen_);
    policy_.act(t, seen_.col(0), xi, u);
  }

 private:
  NetworkPolicy policy_;
  int steps_;
  Observation observation_;
  MatrixX seen_;  // nx + extra, 1
};

/// The policy u ~ N(S network(z), (S diag(std))^2) with S = diag(scale): a network whose outputs
/// are shares of `scale`, as one in the unit of the controls. Without limits.
[[nodiscard]] NetworkPolicy scaled_policy(const Mlp& network, const Normalisation& normalisation,
                                          const VectorX& scale, const VectorX& std);

/// Whether a saved number of rollouts, steps or updates is one that can be added to: 0 to 10^18.
[[nodiscard]] constexpr bool is_count(long number) {
  return number >= 0 && number <= 1'000'000'000'000'000'000;
}

/// The scale of the controls: ones if there are no numbers. Throws InvalidArgument unless there are
/// none or nu, all positive.
[[nodiscard]] VectorX valid_action_scale(const VectorX& scale, int nu);

}  // namespace pilqr
