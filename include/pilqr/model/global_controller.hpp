#pragma once
/// A global policy as something that acts.

#include <utility>
#include <variant>

#include "pilqr/core/check.hpp"
#include "pilqr/core/linalg.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/global_policy.hpp"

namespace pilqr {
namespace detail {

/// Buffers that a policy's mean() takes as its third argument, if it says so by a type Workspace.
template <class G>
struct WorkspaceOf {
  using Type = std::monostate;
};
template <class G>
requires requires {
  typename G::Workspace;
}
struct WorkspaceOf<G> {
  using Type = typename G::Workspace;
};

}  // namespace detail

/// An Actor (model/sample.hpp) for so many steps: u = mean(o) + L xi, L L' =
/// covariance(), as it was when this was made. Has a buffer: one thread at a time, copies are
/// cheap. The policy must outlive it.
template <GlobalPolicy G>
class GlobalController {
 public:
  /// @param observation makes o of the state x; nx() is the length of the latter. Throws
  /// InvalidArgument unless steps >= 1, the observation is valid, and the covariance is nu x nu and
  /// positive definite.
  GlobalController(const G& policy, int steps, Observation observation = {})
      : policy_(&policy),
        steps_(steps),
        observation_(std::move(observation)),
        L_(policy.covariance()),
        seen_(policy.nx(), 1),
        mean_(policy.nu(), 1) {
    require(steps >= 1, "a global policy for {} steps", steps);
    require(nx() >= 1, "global policy: it sees {} entries, {} of them besides the state",
            policy.nx(), observation_.extra());
    require_valid(observation_, nx());
    require(rows(L_) == nu() && cols(L_) == nu(),
            "global policy: the covariance is {}x{}, expected {}x{}", rows(L_), cols(L_), nu(),
            nu());
    const double smallest = L_.diagonal().minCoeff();
    require(cholesky_in_place(L_),
            "global policy: the covariance is not positive definite, its smallest variance is {}",
            smallest);
  }

  /// The horizon, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return steps_; }
  [[nodiscard]] int nx() const { return policy_->nx() - observation_.extra(); }
  [[nodiscard]] int nu() const { return policy_->nu(); }
  ///@}

  /// The control u (nu) at state x (nx) for unit-variance noise xi (nu); the step does not matter.
  /// Allocates no more than the policy's mean() does: nothing after the first call where that takes
  /// a G::Workspace, as NetworkPolicy's does.
  template <class X, class Xi, class U>
  void act(int /*t*/, const X& x, const Xi& xi, U& u) {
    observation_.see(x, seen_);
    if constexpr (requires { typename G::Workspace; }) {
      policy_->mean(seen_, mean_, workspace_);
    } else {
      policy_->mean(seen_, mean_);
    }
    u = mean_.col(0);
    u.noalias() += L_ * xi;
  }

 private:
  const G* policy_;
  int steps_;
  Observation observation_;
  MatrixX L_;     // nu x nu, lower
  MatrixX seen_;  // o
  MatrixX mean_;  // nu x 1
  [[no_unique_address]] typename detail::WorkspaceOf<G>::Type workspace_{};
};

}  // namespace pilqr
