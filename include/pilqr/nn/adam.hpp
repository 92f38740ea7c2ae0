#pragma once
/// Adam (Kingma, Ba: Adam, a Method for Stochastic Optimization, ICLR 2015, algorithm 1), with
/// decoupled weight decay.

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// The paper's names; its defaults.
struct AdamOptions {
  double learning_rate = 1e-3;  ///< alpha: about the step of each parameter, in its unit
  double beta1 = 0.9;           ///< decay of the gradient's mean, in [0, 1)
  double beta2 = 0.999;         ///< decay of the squared gradient's mean, in [0, 1)
  double epsilon = 1e-8;        ///< added to the root of that mean, > 0, unit of the gradient
  /// lambda of the decoupled decay (Loshchilov, Hutter: Decoupled Weight Decay Regularization, ICLR
  /// 2019): every step takes learning_rate * lambda of each parameter off it. 0: none.
  double weight_decay = 0.0;
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const AdamOptions& options);

/// All that Adam carries from step to step.
struct AdamState {
  VectorX m;      ///< decaying mean of the gradient
  VectorX v;      ///< decaying mean of its squares
  long step = 0;  ///< steps done

  AdamState() = default;
  /// The state before the first step of so many parameters.
  explicit AdamState(int parameters) : m(VectorX::Zero(parameters)), v(VectorX::Zero(parameters)) {}

  /// Equal in all parts.
  friend bool operator==(const AdamState&, const AdamState&) = default;
};

/// Throws InvalidArgument unless both means have so many entries, all finite, those of the squares
/// not negative, and the steps are 0 to 10^18.
void require_valid(const AdamState& state, int parameters);

/// One step against the gradient, with both means corrected for their start at zero. Reports
/// non_finite_update, and changes nothing, if the gradient is NaN or infinite or its squares
/// overflow. Throws InvalidArgument unless the options are valid and all sizes agree. Does not
/// allocate.
[[nodiscard]] Failure adam_step(const ConstVectorRef& gradient, const AdamOptions& options,
                                AdamState& state, VectorRef parameters);

}  // namespace pilqr
