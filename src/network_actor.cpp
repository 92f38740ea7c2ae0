#include "pilqr/baselines/network_actor.hpp"

#include <cmath>

namespace pilqr {

NetworkPolicy scaled_policy(const Mlp& network, const Normalisation& normalisation,
                            const VectorX& scale, const VectorX& std) {
  Mlp scaled = network;
  const int last = scaled.shape().layers() - 1;
  scaled.weight(last).array().colwise() *= scale.array();
  scaled.bias(last).array() *= scale.array();
  require(scaled.parameters().allFinite(),
          "network policy: a parameter is not finite in the unit of the controls");
  NetworkPolicy policy(std::move(scaled));
  policy.set_normalisation(normalisation);
  policy.set_covariance_factor(scale.cwiseProduct(std).asDiagonal());
  return policy;
}

VectorX valid_action_scale(const VectorX& scale, int nu) {
  if (scale.size() == 0) return VectorX::Ones(nu);
  require(rows(scale) == nu, "action_scale has {} entries, expected {}", rows(scale), nu);
  for (int i = 0; i < nu; ++i) {
    require(std::isfinite(scale(i)) && scale(i) > 0.0, "action_scale: entry {} is {}, expected > 0",
            i, scale(i));
  }
  return scale;
}

}  // namespace pilqr
