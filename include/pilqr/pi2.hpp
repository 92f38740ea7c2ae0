#pragma once
/// PI2 alone: the model-free trajectory optimiser (PI2; PILQR17 eq. 2 to 4).

#include <utility>

#include "pilqr/iteration.hpp"
#include "pilqr/update/pi2/pi2.hpp"
#include "pilqr/update/pi2/temperature.hpp"

namespace pilqr {

/// Alone, PI2 gains from longer steps and slower cooling than as the second half of PILQR.
struct Pi2AloneOptions {
  TemperatureOptions temperature{.kl_step = 1.5, .kl_share = 0.5};  ///< of the weights
  Pi2Options pi2{.covariance_damping = 3.0};                        ///< of the update
};

/// The policy of one condition. PI2 carries nothing else from one iteration to the next.
template <int Nx = Dynamic, int Nu = Dynamic>
class Pi2 {
 public:
  using Policy = LinearGaussianPolicy<Nx, Nu>;  ///< of one condition
  using Options = Pi2AloneOptions;              ///< its settings

  /// Throws InvalidArgument if the policy or an option is invalid.
  explicit Pi2(Policy initial, const Options& options = {})
      : options_(options), policy_(valid_initial(std::move(initial))) {
    require_valid(options.temperature);
    require_valid(options.pi2);
  }

  /// The last good policy; the next rollouts are to be sampled from it.
  [[nodiscard]] const Policy& policy() const { return policy_; }

  /// Goes on from a saved policy. Throws InvalidArgument if it is not of this horizon.
  void restore(Policy policy) {
    require_same_shape(policy_, policy);
    require_valid(policy, "restored policy");
    policy_ = std::move(policy);
  }

  /// Makes the next update start from `reference` and bound the divergence from it, in place of
  /// policy(); what else is carried stays. The xi of that update's rollouts must be those of the
  /// reference: u = K x + k + L xi. Throws InvalidArgument if it is not valid or not of this
  /// horizon.
  void set_policy(Policy reference) {
    require_same_shape(policy_, reference);
    require_valid(reference, "reference policy");
    policy_ = std::move(reference);
  }

  /// One iteration on rollouts of policy(): temperature from, and weights by, the sampled
  /// cost-to-go. A numerical failure leaves the policy as it was.
  template <Cost C>
  UpdateReport update(const Rollouts<Nx, Nu>& rollouts, const C& /*cost*/,
                      const RandomStream& /*stream*/ = RandomStream({})) {
    UpdateReport report;
    describe_samples(rollouts, report);
    const MatrixX S = cost_to_go(rollouts.cost);
    if (const Failure overflow = first_non_finite(S); !overflow.ok()) {
      return failed(report, overflow);
    }
    const VectorX temperature = optimize_temperatures(S, options_.temperature);
    auto pi2 = pi2_update(policy_, rollouts.xi, S, temperature, options_.pi2);
    if (!pi2.ok()) return failed(report, pi2.failure);
    describe_weights(temperature, pi2, report);
    policy_ = std::move(pi2.policy);
    return report;
  }

 private:
  Options options_;
  Policy policy_;
};

}  // namespace pilqr
