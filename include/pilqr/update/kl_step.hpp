#pragma once
/// The KL step of the model-based update and its adaptation.

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// What the KL step adapts to.
enum class KlRule {
  improvement,  ///< predicted against actual improvement of the expected cost (LFDA16; ML16)
  residual,     ///< the share of the cost that the model leaves unexplained (PILQR17 section 4.4)
};

/// Base step (nats) and bounds of its multiplier. `_first` holds at t = 0, `_last` at t = T-1,
/// linear in between, so that nothing depends on the horizon's length; with a single step `_last`
/// holds.
struct KlStepOptions {
  double base_first = 0.2;             ///< nats, > 0
  double base_last = 0.1;              ///< nats, > 0
  double min_multiplier_first = 0.01;  ///< > 0
  /// Low everywhere: where the model cannot explain the cost, LQR-FLM must be able to get out of
  /// PI2's way. The paper's authors raise it to 0.5 at the end of the horizon.
  double min_multiplier_last = 0.01;
  double max_multiplier_first = 20.0;  ///< >= min_multiplier_first
  double max_multiplier_last = 20.0;   ///< >= min_multiplier_last
  double ratio_to_increase = 0.05;     ///< residual ratio below which the step doubles
  double ratio_to_decrease = 0.2;      ///< residual ratio above which the step halves
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const KlStepOptions& options);

/// eps_t = base_t * multiplier_t, the bound of PILQR17 eq. 1 (Algorithm 1 line 5). Multipliers
/// begin at 1, clipped to their bounds.
class KlStep {
 public:
  /// No steps; to be assigned to.
  KlStep() = default;
  /// For a horizon of `steps` >= 1 steps. Throws InvalidArgument for an option out of range.
  KlStep(const KlStepOptions& options, int steps);

  /// The steps to use now, T entries, nats.
  [[nodiscard]] VectorX value() const { return base_.cwiseProduct(multiplier_); }
  /// The factors on the base steps, T entries: what a checkpoint has to hold.
  [[nodiscard]] const VectorX& multiplier() const { return multiplier_; }
  /// Restores a saved multiplier; throws InvalidArgument on another size or on a value that is not
  /// positive and finite.
  void set_multiplier(const VectorX& multiplier);

  /// By the share of the cost that the model leaves unexplained (PILQR17 section 4.4): at every t
  /// the multiplier is halved if ratio_t > ratio_to_decrease, doubled if ratio_t <
  /// ratio_to_increase, and clipped to its bounds. A ratio that is not finite counts as large.
  void adapt_to_residual(const VectorX& ratio);

  /// By predicted against actual improvement of the expected cost (LFDA16; ML16, step size): all
  /// multipliers are multiplied by clamp(predicted / (2 max(1e-4, predicted - actual)), 0.1, 5) and
  /// clipped to their bounds. The 1e-4 is in cost units.
  void adapt_to_improvement(double predicted, double actual);

 private:
  void clip();

  double ratio_to_increase_ = 0.0;
  double ratio_to_decrease_ = 0.0;
  VectorX base_;
  VectorX min_;
  VectorX max_;
  VectorX multiplier_;
};

/// r_t = mean_i sum_{j >= t} |residual_{i,j}| / mean_i sum_{j >= t} |cost_{i,j}|, T entries
/// (PILQR17 section 4.4). Costs that vanish together with their residuals give 0, a residual
/// without a cost gives infinity. Both arguments N x T.
[[nodiscard]] VectorX residual_ratio(const MatrixX& residual, const MatrixX& cost);

}  // namespace pilqr
