#pragma once
/// KL divergence between two TVLG policies along a trajectory distribution.

#include "pilqr/core/types.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/update/lqr/marginals.hpp"

namespace pilqr {

/// E_x KL( policy(. | x_t) || reference(. | x_t) ) for every t under the given marginals of x, T:
///   1/2 [ ln det S_ref / det S - nu + tr(S_ref^-1 S) + e' S_ref^-1 e + tr(dK' S_ref^-1 dK
///   Sigma_xx) ], dK = K - K_ref, e = dK mu_x + k - k_ref
/// (LA14 section 3.1 and supplement), nats. Clamped at zero against rounding.
[[nodiscard]] VectorX trajectory_kl(const PolicyView& policy, const PolicyView& reference,
                                    const MarginalsView& marginals);

}  // namespace pilqr
