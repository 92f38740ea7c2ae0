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

/// The costs of one step, shifted to a minimum of 0, and room for their weights.
struct Costs {
  Eigen::ArrayXd shifted;
  Eigen::ArrayXd weights;
  double range = 0.0;

  explicit Costs(Eigen::Index samples) : shifted(samples), weights(samples) {}
  void set(const ConstVectorRef& S) {
    shifted = S.array() - S.minCoeff();
    range = shifted.maxCoeff();
  }
};

/// KL(w(temperature) || uniform) and its derivative with respect to log temperature,
/// -Var_w(S) / temperature^2.
struct Divergence {
  double value;
  double slope;
};
Divergence divergence(Costs& costs, double temperature) {
  // With x = S / temperature, sum w log(w N) = -(mean of x under w) - log(mean of exp(-x)).
  const Eigen::ArrayXd& S = costs.shifted;
  Eigen::ArrayXd& w = costs.weights;
  const double inverse = 1.0 / temperature;
  const double widest = costs.range * inverse;
  double log_mean = 0.0;
  if (widest > 1.0) {
    w = (S * -inverse).exp();
    log_mean = std::log(w.mean());
  } else {  // expm1 keeps the digits of nearly uniform weights
    double change = 0.0;
    for (Eigen::Index i = 0; i < S.size(); ++i) {
      w(i) = std::expm1(-S(i) * inverse);
      change += w(i);
    }
    w += 1.0;
    log_mean = std::log1p(change / static_cast<double>(S.size()));
  }
  const double sum = w.sum();
  const double mean = (w * S).sum() * inverse / sum;
  const double variance =
      std::max((w * S.square()).sum() * inverse * inverse / sum - mean * mean, 0.0);
  // For tiny x both nearly cancel, variance / 2 remains.
  return {widest < 1e-6 ? 0.5 * variance : -mean - log_mean, -variance};
}

/// See optimize_temperature.
double solve(Costs& costs, const TemperatureOptions& options) {
  const double range = costs.range;
  if (range == 0.0) return std::numeric_limits<double>::max();
  const double floor =
      std::max({options.min_temperature, 1e-12 * range, std::numeric_limits<double>::min() * 1e8});
  double low = std::log(floor);
  if (divergence(costs, floor).value <= options.kl_step) return floor;
  // KL <= range^2 / (8 eta^2) (variance of a bounded variable), so this is on the other side.
  const double target = std::log(options.kl_step);
  double high = std::max(low + 1.0, std::log(range) - 0.5 * target);
  // High temperatures have KL = variance / (2 eta^2).
  const double variance = (costs.shifted - costs.shifted.mean()).square().mean();
  double s = 0.5 * (std::log(0.5 * variance) - target);
  if (!(s > low && s < high)) s = 0.5 * (low + high);
  constexpr int max_iterations = 200;  // bisection alone needs about 60
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    const Divergence d = divergence(costs, std::exp(s));
    const double error = std::log(d.value) - target;  // -inf where the divergence underflows
    (error > 0.0 ? low : high) = s;
    const double step = -error * d.value / d.slope;
    const bool inside = s + step > low && s + step < high;
    s = inside ? s + step : 0.5 * (low + high);
    // Newton's steps square the error: after one as small as this nothing is left.
    if ((inside && std::abs(step) < 1e-9) || high - low < 1e-16 * std::abs(s)) break;
  }
  return std::exp(s);
}

void require_costs(const ConstVectorRef& cost_to_go) {
  require(cost_to_go.size() > 0 && cost_to_go.allFinite(),
          "pi2: {} costs-to-go, expected at least one and all finite", rows(cost_to_go));
}

}  // namespace

double optimize_temperature(const ConstVectorRef& cost_to_go, const TemperatureOptions& options) {
  require_valid(options);
  require_costs(cost_to_go);
  Costs costs(cost_to_go.size());
  costs.set(cost_to_go);
  return solve(costs, options);
}

VectorX optimize_temperatures(const MatrixX& cost_to_go, const TemperatureOptions& options) {
  require_valid(options);
  VectorX temperature(cost_to_go.cols());
  Costs costs(cost_to_go.rows());
  for (Eigen::Index t = 0; t < cost_to_go.cols(); ++t) {
    require_costs(cost_to_go.col(t));
    costs.set(cost_to_go.col(t));
    temperature(t) = solve(costs, options);
  }
  return temperature;
}

}  // namespace pilqr
