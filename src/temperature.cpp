#include "pilqr/update/pi2/temperature.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pilqr {

void require_valid(const TemperatureOptions& o) {
  require(std::isfinite(o.kl_step) && o.kl_step > 0.0, "pi2: kl_step is {}, expected > 0",
          o.kl_step);
  require(std::isfinite(o.min_temperature) && o.min_temperature >= 0.0,
          "pi2: min_temperature is {}, expected >= 0", o.min_temperature);
}

void path_integral_weights(const ConstVectorRef& cost_to_go, double temperature,
                           VectorRef weights) {
  const double offset = cost_to_go.minCoeff();
  weights = (-(cost_to_go.array() - offset) / temperature).exp().matrix();
  weights /= weights.sum();
}

double kl_to_uniform(const ConstVectorRef& weights) {
  double kl = std::log(static_cast<double>(weights.size()));
  for (Eigen::Index i = 0; i < weights.size(); ++i) {
    if (weights(i) > 0.0) kl += weights(i) * std::log(weights(i));
  }
  return std::max(kl, 0.0);
}

double effective_samples(const ConstVectorRef& weights) {
  return 1.0 / weights.squaredNorm();
}

namespace {

/// KL(w(temperature) || uniform) of shifted costs (minimum 0), and its derivative with respect to
/// log temperature, -Var_w(S) / temperature^2.
struct Divergence {
  double value;
  double slope;
};
Divergence divergence(const ConstVectorRef& S, double offset, double range, double temperature) {
  double sum = 0.0;
  double first = 0.0;
  double second = 0.0;
  double log_mean = 0.0;  // log of mean exp(-x); expm1 keeps the digits of nearly uniform weights
  for (Eigen::Index i = 0; i < S.size(); ++i) {
    const double x = (S(i) - offset) / temperature;
    const double change = std::expm1(-x);
    const double w = 1.0 + change;
    sum += w;
    first += w * x;
    second += w * x * x;
    log_mean += change;
  }
  log_mean = std::log1p(log_mean / static_cast<double>(S.size()));
  const double mean = first / sum;
  const double variance = std::max(second / sum - mean * mean, 0.0);
  // sum w log(w N) = -mean x - log mean exp(-x); for tiny x both nearly cancel, variance / 2
  // remains.
  const bool tiny = range / temperature < 1e-6;
  return {tiny ? 0.5 * variance : -mean - log_mean, -variance};
}

}  // namespace

double optimize_temperature(const ConstVectorRef& cost_to_go, const TemperatureOptions& options) {
  require_valid(options);
  require(cost_to_go.size() > 0 && cost_to_go.allFinite(),
          "pi2: {} costs-to-go, expected at least one and all finite", rows(cost_to_go));
  const double offset = cost_to_go.minCoeff();
  const double range = cost_to_go.maxCoeff() - offset;
  if (range == 0.0) return std::numeric_limits<double>::max();

  const double floor =
      std::max({options.min_temperature, 1e-12 * range, std::numeric_limits<double>::min() * 1e8});
  double low = std::log(floor);
  if (divergence(cost_to_go, offset, range, floor).value <= options.kl_step) return floor;
  // KL <= range^2 / (8 eta^2) (variance of a bounded variable), so this is on the other side.
  double high = std::max(low + 1.0, std::log(range) - 0.5 * std::log(options.kl_step));
  const double target = std::log(options.kl_step);
  double s = 0.5 * (low + high);
  constexpr int max_iterations = 200;  // bisection alone needs about 60
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    const Divergence d = divergence(cost_to_go, offset, range, std::exp(s));
    const double error = std::log(d.value) - target;  // -inf where the divergence underflows
    if (std::abs(error) < 4e-16) break;
    (error > 0.0 ? low : high) = s;
    double next = s - error * d.value / d.slope;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (next == s || high - low < 1e-16 * std::abs(s)) break;
    s = next;
  }
  return std::exp(s);
}

VectorX optimize_temperatures(const MatrixX& cost_to_go, const TemperatureOptions& options) {
  VectorX temperature(cost_to_go.cols());
  for (Eigen::Index t = 0; t < cost_to_go.cols(); ++t) {
    temperature(t) = optimize_temperature(cost_to_go.col(t), options);
  }
  return temperature;
}

}  // namespace pilqr
