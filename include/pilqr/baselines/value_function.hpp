#pragma once
/// The value of a policy, learnt from its returns.

#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/nn/adam.hpp"
#include "pilqr/nn/mlp.hpp"

namespace pilqr {

/// How a value function is fitted.
struct ValueOptions {
  std::vector<int> hidden{64, 64};           ///< units of each hidden layer
  Activation activation = Activation::tanh;  ///< of hidden units
  int epochs = 20;                           ///< passes over the points in each fit, >= 1
  int batch = 64;                            ///< points per step of Adam, >= 1
  AdamOptions adam{.learning_rate = 1e-3};   ///< carried from fit to fit
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const ValueOptions& options);

/// All that a value function carries from fit to fit.
struct ValueState {
  Mlp network;         ///< of points to standardised returns
  AdamState adam;      ///< of the network
  double mean = 0.0;   ///< value = mean + scale * network
  double scale = 1.0;  ///< > 0

  /// Equal in all parts.
  friend bool operator==(const ValueState&, const ValueState&) = default;
};

/// A perceptron from points to returns. The returns of each fit are brought to mean 0 and deviation
/// 1, and the last layer changed so that the function is the one before (van Hasselt, Guez, Hessel,
/// Mnih, Silver: Learning Values Across Many Orders of Magnitude, NIPS 2016); the first fit begins
/// at their mean instead, since a new network knows nothing.
class ValueFunction {
 public:
  /// @param inputs entries of a point. Throws InvalidArgument on invalid options or no inputs.
  ValueFunction(int inputs, const ValueOptions& options, RandomStream& stream);

  /// The values at every column of z, inputs x P, into the P entries of `values`.
  void evaluate(const ConstMatrixRef& z, VectorRef values);

  /// Least squares by Adam on shuffled batches. Returns non_finite_update, and stays as it was, if
  /// a return or the loss is not finite, or their mean or deviation is above 1e100. Allocates
  /// nothing in its loop.
  [[nodiscard]] Failure fit(const ConstMatrixRef& z, const ConstVectorRef& returns,
                            RandomStream& stream);

  /// What a checkpoint has to hold.
  [[nodiscard]] const ValueState& state() const { return state_; }
  /// Throws InvalidArgument unless the sizes are the same and all is finite.
  void restore(ValueState state);

 private:
  void standardise(const ConstVectorRef& returns, ValueState& state) const;

  ValueOptions options_;
  ValueState state_;
  MlpWorkspace all_, some_;
  MatrixX values_, z_, error_;  // 1 x P, inputs x batch, 1 x batch
  VectorX gradient_;
  std::vector<int> order_;
};

}  // namespace pilqr
