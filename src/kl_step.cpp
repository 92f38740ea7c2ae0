#include "pilqr/update/kl_step.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pilqr/model/rollout.hpp"

namespace pilqr {

void require_valid(const KlStepOptions& o) {
  const auto positive = [](double value, const char* name) {
    require(std::isfinite(value) && value > 0.0, "kl_step: {} is {}, expected > 0", name, value);
  };
  positive(o.base_first, "base_first");
  positive(o.base_last, "base_last");
  positive(o.min_multiplier_first, "min_multiplier_first");
  positive(o.min_multiplier_last, "min_multiplier_last");
  require(o.max_multiplier_first >= o.min_multiplier_first && std::isfinite(o.max_multiplier_first),
          "kl_step: max_multiplier_first is {}, expected at least min_multiplier_first = {}",
          o.max_multiplier_first, o.min_multiplier_first);
  require(o.max_multiplier_last >= o.min_multiplier_last && std::isfinite(o.max_multiplier_last),
          "kl_step: max_multiplier_last is {}, expected at least min_multiplier_last = {}",
          o.max_multiplier_last, o.min_multiplier_last);
  require(o.ratio_to_increase >= 0.0 && o.ratio_to_decrease >= o.ratio_to_increase,
          "kl_step: ratios to increase and decrease are {} and {}, expected 0 <= first <= second",
          o.ratio_to_increase, o.ratio_to_decrease);
}

KlStep::KlStep(const KlStepOptions& options, int steps)
    : ratio_to_increase_(options.ratio_to_increase), ratio_to_decrease_(options.ratio_to_decrease) {
  require_valid(options);
  require(steps >= 1, "a KL step for {} steps", steps);
  base_ = VectorX::LinSpaced(steps, options.base_first, options.base_last);
  min_ = VectorX::LinSpaced(steps, options.min_multiplier_first, options.min_multiplier_last);
  max_ = VectorX::LinSpaced(steps, options.max_multiplier_first, options.max_multiplier_last);
  multiplier_ = VectorX::Ones(steps);
  clip();
}

void KlStep::set_multiplier(const VectorX& multiplier) {
  require(multiplier.size() == multiplier_.size(), "KL multiplier of {} steps, expected {}",
          rows(multiplier), rows(multiplier_));
  for (int t = 0; t < rows(multiplier); ++t) {
    require(std::isfinite(multiplier(t)) && multiplier(t) > 0.0,
            "KL multiplier at step {} is {}, expected > 0", t, multiplier(t));
  }
  multiplier_ = multiplier;
}

void KlStep::adapt_to_residual(const VectorX& ratio) {
  require(ratio.size() == multiplier_.size(), "residual ratio of {} steps, expected {}",
          rows(ratio), rows(multiplier_));
  for (Eigen::Index t = 0; t < ratio.size(); ++t) {
    if (ratio(t) < ratio_to_increase_) {
      multiplier_(t) *= 2.0;
    } else if (!(ratio(t) <= ratio_to_decrease_)) {
      multiplier_(t) *= 0.5;
    }
  }
  clip();
}

void KlStep::adapt_to_improvement(double predicted, double actual) {
  const double shortfall = predicted - actual;
  const double factor = predicted / (2.0 * std::max(1e-4, shortfall));
  const bool finite = std::isfinite(shortfall) && std::isfinite(factor);
  multiplier_ *= finite ? std::clamp(factor, 0.1, 5.0) : 0.1;
  clip();
}

void KlStep::clip() {
  multiplier_ = multiplier_.cwiseMin(max_).cwiseMax(min_);
}

VectorX residual_ratio(const MatrixX& residual, const MatrixX& cost) {
  require(residual.rows() == cost.rows() && residual.cols() == cost.cols(),
          "residual is {}x{}, cost {}x{}", rows(residual), cols(residual), rows(cost), cols(cost));
  const VectorX numerator = cost_to_go(residual.cwiseAbs()).colwise().mean();
  const VectorX denominator = cost_to_go(cost.cwiseAbs()).colwise().mean();
  VectorX ratio(numerator.size());
  for (Eigen::Index t = 0; t < ratio.size(); ++t) {
    if (numerator(t) == 0.0) {
      ratio(t) = 0.0;
    } else if (denominator(t) == 0.0) {
      ratio(t) = std::numeric_limits<double>::infinity();
    } else {
      ratio(t) = numerator(t) / denominator(t);
    }
  }
  return ratio;
}

}  // namespace pilqr
