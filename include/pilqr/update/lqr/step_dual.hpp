#pragma once
/// The dual of one step's KL constraint, in the basis that makes it a sum over scalars.

#include <algorithm>
#include <cmath>
#include <limits>

#include "pilqr/core/types.hpp"

namespace pilqr {

/// The KL divergence of a step's update as a function of its dual variable eta:
///   KL(eta) = 1/2 sum_i [ log(1 + lambda_i/eta) + eta/(eta + lambda_i) - 1 + m_i/(eta +
///   lambda_i)^2 ],
/// strictly decreasing on eta > max(0, -min lambda) unless it is zero throughout. lambda are the
/// eigenvalues of L' Quu L and m >= 0 the expected squared gradients in their basis, both in cost
/// units (squared for m); the dual of PILQR17 eq. 1 with the marginal of the reference policy.
///
/// With a floor on the variance ratios eta/(eta + lambda_i) (the exact minimiser under the
/// additional constraint that no variance shrinks further), floored ratios d contribute
/// 1/2 (d - 1 - log d) instead of their first three terms; KL then never rises.
template <int Nu = Dynamic>
struct StepKl {
  Vector<Nu> lambda;                ///< nu
  Vector<Nu> m;                     ///< nu
  double min_variance_ratio = 0.0;  ///< floor on eta/(eta + lambda), in [0, 1)

  /// The infimum of admissible duals.
  [[nodiscard]] double lower_bound() const { return std::max(0.0, -lambda.minCoeff()); }

  /// The factor on the variance in direction i.
  [[nodiscard]] double variance_ratio(Eigen::Index i, double excess) const {
    const double bound = lower_bound();
    return std::max((bound + excess) / ((lambda(i) + bound) + excess), min_variance_ratio);
  }

  /// KL at eta = lower_bound + excess, excess > 0; its derivative with respect to eta on request.
  [[nodiscard]] double at(double excess, double* derivative = nullptr) const {
    return at(lower_bound(), excess, derivative);
  }

  /// The same with the lower bound at hand.
  [[nodiscard]] double at(double bound, double excess, double* derivative) const {
    const double eta = bound + excess;
    const double inverse_eta = 1.0 / eta;
    double kl = 0.0;
    double slope = 0.0;
    double product = 1.0;  // of the p / eta whose logarithms are wanted
    int floored = 0;
    for (Eigen::Index i = 0; i < lambda.size(); ++i) {
      const double p = (lambda(i) + bound) + excess;  // eta + lambda, without cancellation
      const double inverse = 1.0 / p;
      const double squared = m(i) * inverse * inverse;
      kl += squared;
      slope -= 2.0 * squared * inverse;
      if (eta * inverse < min_variance_ratio) {
        ++floored;
        continue;
      }
      const double x = lambda(i) * inverse_eta;
      const double shrinkage = lambda(i) * inverse;  // x / (1 + x)
      slope -= shrinkage * shrinkage * inverse_eta;
      if (std::abs(x) < series_below) {
        kl += series(x);
        continue;
      }
      kl -= shrinkage;
      product *= p * inverse_eta;
      if (!(product > 1e-150 && product < 1e150)) {
        kl += std::log(product);
        product = 1.0;
      }
    }
    kl += std::log(product);
    if (floored > 0) {
      kl += floored * (min_variance_ratio - 1.0 - std::log(min_variance_ratio));
    }
    if (derivative != nullptr) *derivative = 0.5 * slope;
    return 0.5 * kl;
  }

 private:
  static constexpr double series_below = 0.03;

  /// log(1 + x) - x / (1 + x) = sum_n (-1)^n (n-1)/n x^n where the difference would cancel.
  static double series(double x) {
    double term = 0.0;
    for (int n = 12; n >= 2; --n) term = x * (static_cast<double>(n - 1) / n - term);
    return x * term;
  }
};

/// A dual variable with the divergence that it gives.
struct DualRoot {
  double dual = 0.0;    ///< eta
  double excess = 0.0;  ///< eta - lower bound; exact where eta and the bound nearly agree
  double kl = 0.0;      ///< divergence, nats
  bool active = true;   ///< false: KL stays below the step
  bool ok = true;       ///< false: the inputs hold NaN or infinity
};

/// Solves KL(eta) = kl_step by safeguarded Newton iteration on log KL over log excess, to rounding.
/// A KL that never reaches kl_step is satisfied, not unconverged: the dual then sits at `min_dual`
/// above the lower bound, or at the rounding level of the problem if that is larger.
/// @param guess an excess to start from, for example that of the step before; 0: none.
template <int Nu>
[[nodiscard]] DualRoot solve_step_dual(const StepKl<Nu>& kl, double kl_step, double min_dual,
                                       double guess = 0.0) {
  const double bound = kl.lower_bound();
  const double scale = std::max(kl.lambda.cwiseAbs().maxCoeff(), std::sqrt(kl.m.maxCoeff()));
  if (!std::isfinite(scale) || !kl.m.allFinite() || !kl.lambda.allFinite()) {
    return {.dual = std::numeric_limits<double>::quiet_NaN(), .ok = false};
  }
  const double floor =
      std::max({min_dual, 1e-14 * scale, std::numeric_limits<double>::min() * 1e8});
  double low = std::log(floor);
  double high = std::numeric_limits<double>::infinity();
  bool low_is_below = false;  // KL > kl_step at low is known
  // Beyond the scale KL falls like (scale / eta)^2.
  double s =
      guess > floor
          ? std::log(guess)
          : std::max(low + 1.0,
                     std::log(scale) + 0.5 * std::log(static_cast<double>(kl.m.size()) / kl_step));
  const double target = std::log(kl_step);
  double excess = 0.0;
  double value = 0.0;
  constexpr int max_iterations = 300;  // a handful are normal; bisection alone needs about 60
  for (int iteration = 1; iteration <= max_iterations; ++iteration) {
    double slope = 0.0;
    excess = std::exp(s);
    value = kl.at(bound, excess, &slope);
    const double error = std::log(value) - target;
    if (std::abs(error) < 4e-16) break;
    if (error > 0.0) {
      low = s;
      low_is_below = true;
    } else {
      high = s;
    }
    double next = s - error * value / (slope * excess);
    if (!low_is_below && error < 0.0 && !(next > low && next < s)) {
      const double at_floor = kl.at(bound, floor, nullptr);
      if (at_floor <= kl_step) return {bound + floor, floor, at_floor, false, true};
      low_is_below = true;
    }
    constexpr double leap = 20.0;  // in log excess
    if (!std::isfinite(high)) {
      if (!(next < s + leap)) next = s + leap;
    } else if (!(next > low && next < high) || iteration % 8 == 0) {
      next = 0.5 * (low + high);
    }
    if (next == s || high - low < 1e-16 * std::abs(s)) break;
    s = next;
  }
  return {bound + excess, excess, value, true, true};
}

/// The root itself or, if its dual is smaller, what the dual `least` gives: a smaller divergence.
template <int Nu>
[[nodiscard]] DualRoot raise_dual(const StepKl<Nu>& kl, const DualRoot& root, double least) {
  if (!root.ok || !(root.dual < least)) return root;
  const double excess = least - kl.lower_bound();  // > 0, as that of the root is
  return {least, excess, kl.at(excess), false, true};
}

}  // namespace pilqr
