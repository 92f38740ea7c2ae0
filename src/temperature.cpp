#include "pilqr/update/pi2/temperature.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pilqr {

void require_valid(const TemperatureOptions& o) {
  require(std::isfinite(o.kl_step) && o.kl_step > 0.0, "pi2: kl_step is {}, expected > 0",
          o.kl_step);
  require(o.kl_share > 0.0 && o.kl_share <= 1.0, "pi2: kl_share is {}, expected in (0, 1]",
          o.kl_share);
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

/// The costs of one step; with their minimum as offset they begin at 0.
struct Costs {
  const ConstVectorRef& S;
  double offset, range;

  explicit Costs(const ConstVectorRef& costs)
      : S(costs), offset(costs.minCoeff()), range(costs.maxCoeff() - offset) {}
};

/// KL(w(temperature) || uniform) and its derivative with respect to log temperature,
/// -Var_w(S) / temperature^2.
struct Divergence {
  double value;
  double slope;
};
Divergence divergence(const Costs& costs, double temperature) {
  // With x = S / temperature, sum w log(w N) = -(mean of x under w) - log(mean of exp(-x)).
  constexpr int chunk = 32;
  Eigen::Array<double, Dynamic, 1, Eigen::ColMajor, chunk, 1> x;
  Eigen::Array<double, Dynamic, 1, Eigen::ColMajor, chunk, 1> w;
  const Eigen::Index N = costs.S.size();
  const double inverse = 1.0 / temperature;
  const double widest = costs.range * inverse;
  const bool spread = widest > 1.0;
  double sum = 0.0;     // of w, less N unless spread
  double first = 0.0;   // of w x
  double second = 0.0;  // of w x^2
  for (Eigen::Index i = 0; i < N; i += chunk) {
    x = (costs.S.segment(i, std::min<Eigen::Index>(chunk, N - i)).array() - costs.offset) * inverse;
    if (spread) {
      w = (-x).exp();
      sum += w.sum();
    } else {  // expm1 keeps the digits of nearly uniform weights
      w = x.unaryExpr([](double value) { return std::expm1(-value); });
      sum += w.sum();
      w += 1.0;
    }
    first += (w * x).sum();
    second += (w * x.square()).sum();
  }
  const auto samples = static_cast<double>(N);
  const double log_mean = spread ? std::log(sum / samples) : std::log1p(sum / samples);
  if (!spread) sum += samples;
  const double mean = first / sum;
  const double variance = std::max(second / sum - mean * mean, 0.0);
  // For tiny x both nearly cancel, variance / 2 remains.
  return {widest < 1e-6 ? 0.5 * variance : -mean - log_mean, -variance};
}

/// See optimize_temperature.
/// @param guess of the logarithm of temperature / range, and that of the result; NaN: none.
double solve(const Costs& costs, const TemperatureOptions& options, double& guess) {
  const double range = costs.range;
  if (range == 0.0) return std::numeric_limits<double>::max();
  const double floor =
      std::max({options.min_temperature, 1e-12 * range, std::numeric_limits<double>::min() * 1e8});
  const double lowest = std::log(floor);
  double low = lowest;
  double kl_step = options.kl_step;
  if (options.kl_share < 1.0) {  // log N itself is beyond what weights reach
    const auto samples = static_cast<double>(costs.S.size());
    kl_step = std::min(kl_step, options.kl_share * std::log(samples));
  }
  // KL <= range^2 / (8 eta^2) (variance of a bounded variable), so this is on the other side.
  const double target = std::log(kl_step);
  const double log_range = std::log(range);
  double high = std::max(low + 1.0, log_range - 0.5 * target);
  double s = guess + log_range;
  if (!(s > low && s < high)) {
    // High temperatures have KL = variance / (2 eta^2).
    const double mean = (costs.S.array() - costs.offset).mean();
    const double variance = (costs.S.array() - costs.offset - mean).square().mean();
    s = 0.5 * (std::log(0.5 * variance) - target);
  }
  if (!(s > low && s < high)) s = 0.5 * (low + high);
  constexpr int max_iterations = 200;  // bisection alone needs about 60
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    const Divergence d = divergence(costs, std::exp(s));
    const double error = std::log(d.value) - target;  // -inf where the divergence underflows
    (error > 0.0 ? low : high) = s;
    const double step = -error * d.value / d.slope;
    if (std::abs(step) < 1e-9) {  // Newton's steps square the error: nothing is left
      s = std::clamp(s + step, low, high);
      break;
    }
    const bool inside = s + step > low && s + step < high;
    // Nothing is known of the lower end yet: the divergence may be below the step everywhere.
    if (!inside && low == lowest && divergence(costs, floor).value <= kl_step) return floor;
    s = inside ? s + step : 0.5 * (low + high);
    if (high - low < 1e-16 * std::abs(s)) break;
  }
  guess = s - log_range;
  return std::exp(s);
}

}  // namespace

double optimize_temperature(const ConstVectorRef& cost_to_go, const TemperatureOptions& options) {
  require_valid(options);
  require(cost_to_go.size() > 0 && cost_to_go.allFinite(),
          "pi2: {} costs-to-go, expected at least one and all finite", rows(cost_to_go));
  double guess = std::numeric_limits<double>::quiet_NaN();
  return solve(Costs(cost_to_go), options, guess);
}

VectorX optimize_temperatures(const MatrixX& cost_to_go, const TemperatureOptions& options) {
  require_valid(options);
  require(cost_to_go.size() > 0 && cost_to_go.allFinite(),
          "pi2: {} x {} costs-to-go, expected at least one and all finite", rows(cost_to_go),
          cols(cost_to_go));
  VectorX temperature(cost_to_go.cols());
  double guess = std::numeric_limits<double>::quiet_NaN();
  for (Eigen::Index t = 0; t < cost_to_go.cols(); ++t) {
    temperature(t) = solve(Costs(cost_to_go.col(t)), options, guess);
  }
  return temperature;
}

}  // namespace pilqr
