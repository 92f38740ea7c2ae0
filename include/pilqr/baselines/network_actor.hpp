#pragma once
/// A network policy as something that acts, and how the baselines make one.

#include "pilqr/nn/network_policy.hpp"

namespace pilqr {

/// An Actor (model/sample.hpp) for so many steps, with the policy's limits. A copy for each thread.
class NetworkActor {
 public:
  /// Throws InvalidArgument unless steps >= 1.
  NetworkActor(NetworkPolicy policy, int steps) : policy_(std::move(policy)), steps_(steps) {
    require(steps >= 1, "a network policy for {} steps", steps);
  }

  [[nodiscard]] int steps() const { return steps_; }
  [[nodiscard]] int nx() const { return policy_.nx(); }
  [[nodiscard]] int nu() const { return policy_.nu(); }

  /// See NetworkPolicy::act.
  template <class X, class Xi, class U>
  void act(int t, const X& x, const Xi& xi, U& u) {
    policy_.act(t, x, xi, u);
  }

 private:
  NetworkPolicy policy_;
  int steps_;
};

/// The policy u ~ N(S network(z), (S diag(std))^2) with S = diag(scale): a network whose outputs
/// are shares of `scale`, as one in the unit of the controls. Without limits.
[[nodiscard]] NetworkPolicy scaled_policy(const Mlp& network, const Normalisation& normalisation,
                                          const VectorX& scale, const VectorX& std);

/// The scale of the controls: ones if there are no numbers. Throws InvalidArgument unless there are
/// none or nu, all positive.
[[nodiscard]] VectorX valid_action_scale(const VectorX& scale, int nu);

}  // namespace pilqr
