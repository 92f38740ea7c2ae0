#include "pilqr/nn/normalisation.hpp"

#include <algorithm>
#include <cmath>

#include "pilqr/core/check.hpp"

namespace pilqr {

void require_valid(const NormalisationOptions& o) {
  require(std::isfinite(o.least_scale) && o.least_scale > 0.0,
          "normalisation: least_scale is {}, expected > 0", o.least_scale);
}

void Normalisation::apply(const ConstMatrixRef& x, MatrixRef z) const {
  require(rows(x) == nx() && rows(z) == nx() && cols(x) == cols(z),
          "normalisation of {} entries: from {}x{} to {}x{}", nx(), rows(x), cols(x), rows(z),
          cols(z));
  for (int p = 0; p < cols(x); ++p) {
    z.col(p).array() = (x.col(p) - mean).array() / scale.array();
  }
}

Normalisation no_normalisation(int nx) {
  require(nx >= 1, "normalisation of {} entries", nx);
  return {VectorX::Zero(nx), VectorX::Ones(nx)};
}

void require_valid(const Normalisation& n) {
  require(n.nx() >= 1 && rows(n.scale) == n.nx(), "normalisation: {} means and {} scales", n.nx(),
          rows(n.scale));
  for (int i = 0; i < n.nx(); ++i) {
    require(std::isfinite(n.mean(i)) && std::isfinite(n.scale(i)) && n.scale(i) > 0.0,
            "normalisation: entry {} has mean {} and scale {}", i, n.mean(i), n.scale(i));
  }
}

Normalisation fit_normalisation(const ConstMatrixRef& x, const NormalisationOptions& options) {
  require_valid(options);
  const int P = cols(x);
  require(rows(x) >= 1 && P >= 1, "normalisation from {} points of {} entries", P, rows(x));
  Normalisation out{VectorX::Zero(rows(x)), VectorX::Zero(rows(x))};
  for (int p = 0; p < P; ++p) out.mean += x.col(p) / P;
  for (int p = 0; p < P; ++p) out.scale.array() += (x.col(p) - out.mean).array().square() / P;
  for (double& scale : out.scale) {
    const double deviation = std::sqrt(scale);
    scale = deviation < options.least_scale ? options.least_scale : deviation;  // NaN stays
  }
  require_valid(out);
  return out;
}

}  // namespace pilqr
