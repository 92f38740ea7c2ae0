#pragma once
/// Path-integral weights and the temperature that bounds their divergence.

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// What bounds the temperature.
struct TemperatureOptions {
  double kl_step = 1.0;  ///< allowed KL(weights || uniform), nats
  /// The same as a share of log N, the divergence of a single heavy weight; the smaller bound
  /// holds. With it the weights stay spread over about N^(1 - kl_share) samples however few there
  /// are.
  double kl_share = 1.0;
  double min_temperature = 0.0;  ///< lower bound, cost units; at least 1e-12 of the costs' range
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const TemperatureOptions& options);

/// w_i = exp(-S_i / temperature) / sum (PI2; PILQR17 eq. 2). S is shifted by its minimum first.
void path_integral_weights(const ConstVectorRef& cost_to_go, double temperature, VectorRef weights);

/// log N - H(w): the divergence of weights from the uniform distribution, nats.
[[nodiscard]] double kl_to_uniform(const ConstVectorRef& weights);

/// 1 / sum w^2.
[[nodiscard]] double effective_samples(const ConstVectorRef& weights);

/// The REPS temperature of one step (REPS; PILQR17 eq. 4): the root eta of
/// KL(w(eta) || uniform) = kl, kl = min(kl_step, kl_share log N), which minimises
/// eta kl + eta log mean_i exp(-S_i/eta). The
/// divergence falls monotonically in eta, so the root is bracketed in log eta and found to
/// rounding; a common offset of S has no effect. If even the smallest temperature keeps the
/// divergence below that (as for kl_step > log N with kl_share 1), the temperature sits at its
/// bound. Costs that are all equal carry no information; the temperature is then infinite in effect
/// (max double), the weights are uniform. Throws InvalidArgument for no costs or costs that are not
/// finite.
[[nodiscard]] double optimize_temperature(const ConstVectorRef& cost_to_go,
                                          const TemperatureOptions& options);

/// One temperature per step from the cost-to-go S, N x T; T entries.
[[nodiscard]] VectorX optimize_temperatures(const MatrixX& cost_to_go,
                                            const TemperatureOptions& options);

}  // namespace pilqr
