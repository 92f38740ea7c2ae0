#pragma once
/// Multi-layer perceptrons with their derivatives, over batches and without allocation.

#include <vector>

#include "pilqr/core/panel.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// What a hidden unit makes of the sum s of its inputs: tanh(s) or max(s, 0).
enum class Activation { tanh, relu };

/// The fixed, lower-case name of an activation, as it stands in files.
const char* name(Activation activation);

/// Widths of a perceptron. Without hidden layers it is the affine map W x + b.
struct MlpShape {
  int inputs = 0;                            ///< entries of x
  std::vector<int> hidden{};                 ///< units of each hidden layer
  int outputs = 0;                           ///< entries of y
  Activation activation = Activation::tanh;  ///< of hidden units; outputs are linear

  /// Weight matrices: one more than there are hidden layers.
  [[nodiscard]] int layers() const { return static_cast<int>(hidden.size()) + 1; }
  /// Entries that go into layer l and come out of it, l = 0..layers()-1.
  ///@{
  [[nodiscard]] int layer_inputs(int l) const;
  [[nodiscard]] int layer_outputs(int l) const;
  ///@}

  /// Equal widths and activation.
  friend bool operator==(const MlpShape&, const MlpShape&) = default;
};

/// Throws InvalidArgument unless all widths are at least 1 and the parameters can be counted.
void require_valid(const MlpShape& shape);

/// Weights and biases of all layers. Throws InvalidArgument as require_valid does.
int parameter_count(const MlpShape& shape);

/// Buffers of one thread that evaluates perceptrons, and what forward() left for the derivatives. A
/// workspace takes its size from the first call; another call with the same shape and no more
/// columns than any before allocates nothing. Copies are independent.
class MlpWorkspace {
 private:
  friend class Mlp;
  void resize(const MlpShape& shape, int points);

  MlpShape shape_;
  int capacity_ = 0;  // columns that there is room for
  int points_ = 0;    // columns of the last forward(), 0 before
  // Per layer, its inputs x capacity and its outputs x capacity.
  std::vector<Panel<>> in_;      // activations; in_[0] holds the inputs
  std::vector<Panel<>> sum_;     // derivatives by, or tangents of, W_l a_l + b_l
  std::vector<Panel<>> single_;  // the layer's outputs x 1, for evaluate()
  Panel<> input_;                // the inputs' derivatives or tangents
  Panel<> output_;               // outputs x capacity
  VectorX weight_;               // a padded W_l' or the gradient by W_l, of the largest layer
  VectorX direction_;            // of the parameters, padded
};

/// Multi-layer perceptron: a_0 = x, a_l+1 = activation(W_l a_l + b_l), and the last layer without
/// activation. A point is a column: batches are inputs x P and outputs x P, P >= 1.
///
/// All parameters stand in one vector: layer by layer W_l, outputs x inputs of the layer by
/// columns, then b_l. Optimisers and target networks work on that vector.
///
/// Const members may be called concurrently, each thread with a workspace of its own. Everything
/// throws InvalidArgument, with the numbers, on sizes that do not fit; NaN goes through to the
/// result. A point's numbers do not depend on the batch that it is in.
class Mlp {
 public:
  /// Parameters are zero. Throws InvalidArgument as require_valid does.
  explicit Mlp(MlpShape shape);

  /// Weights and biases are uniform within +-1 / sqrt(inputs of the layer), drawn in their order;
  /// those of the last layer times `last_layer_scale` >= 0, so that a small one begins with outputs
  /// near zero.
  Mlp(MlpShape shape, RandomStream& stream, double last_layer_scale = 0.01);

  [[nodiscard]] const MlpShape& shape() const { return shape_; }        ///< widths and activation
  [[nodiscard]] int inputs() const { return shape_.inputs; }            ///< entries of x
  [[nodiscard]] int outputs() const { return shape_.outputs; }          ///< entries of y
  [[nodiscard]] int parameter_count() const { return offset_.back(); }  ///< entries of parameters()

  /// All parameters, to read and to change in place.
  ///@{
  [[nodiscard]] Eigen::Map<const VectorX> parameters() const {
    return {parameters_.data(), parameter_count()};
  }
  [[nodiscard]] Eigen::Map<VectorX> parameters() { return {parameters_.data(), parameter_count()}; }
  ///@}

  /// W_l and b_l: the same numbers, l = 0..layers()-1.
  ///@{
  [[nodiscard]] Eigen::Map<const MatrixX> weight(int l) const;
  [[nodiscard]] Eigen::Map<const VectorX> bias(int l) const;
  [[nodiscard]] Eigen::Map<MatrixX> weight(int l);
  [[nodiscard]] Eigen::Map<VectorX> bias(int l);
  ///@}

  /// The outputs y (outputs x P) at every column of x (inputs x P). The workspace remembers the
  /// activations: the derivatives below are taken there, and want the parameters as they were.
  void forward(const ConstMatrixRef& x, MlpWorkspace& workspace, MatrixRef y) const;

  /// The outputs y at one point. What forward() left in the workspace stays.
  void evaluate(const ConstVectorRef& x, MlpWorkspace& workspace, VectorRef y) const;

  /// Vector-Jacobian product: the derivative of a loss by the parameters, written into `gradient`
  /// (parameter_count()), from its derivative by the outputs of the last forward() (outputs x P);
  /// summed over the points.
  void backward(MlpWorkspace& workspace, const ConstMatrixRef& d_output, VectorRef gradient) const;

  /// The derivative of the loss by the inputs (inputs x P).
  void backward_inputs(MlpWorkspace& workspace, const ConstMatrixRef& d_output,
                       MatrixRef d_input) const;

  /// Jacobian-vector product: the derivative of the outputs of the last forward() (outputs x P)
  /// when the parameters move along `direction` (parameter_count()).
  void tangent(MlpWorkspace& workspace, const ConstVectorRef& direction, MatrixRef d_output) const;

  /// The same when the inputs move along `direction` (inputs x P).
  void tangent_inputs(MlpWorkspace& workspace, const ConstMatrixRef& direction,
                      MatrixRef d_output) const;

  /// Equal shapes and parameters.
  friend bool operator==(const Mlp& a, const Mlp& b) {
    return a.shape_ == b.shape_ && a.parameters_ == b.parameters_;
  }

 private:
  [[nodiscard]] int rows_of(int l) const { return shape_.layer_outputs(l); }
  [[nodiscard]] int columns_of(int l) const { return shape_.layer_inputs(l); }
  [[nodiscard]] Eigen::Index weight_at(int l) const { return offset_[static_cast<std::size_t>(l)]; }
  [[nodiscard]] Eigen::Index bias_at(int l) const {
    return weight_at(l) + Eigen::Index{rows_of(l)} * columns_of(l);
  }
  [[nodiscard]] tile::Input weight_tile(const VectorX& padded, int l) const;
  [[nodiscard]] tile::Input bias_tile(const VectorX& padded, int l) const;
  void require_forward(const MlpWorkspace& workspace, const char* what, int rows, int expected,
                       int columns) const;
  void to_sums(MlpWorkspace& workspace, const ConstMatrixRef& d_output) const;
  void to_inputs(MlpWorkspace& workspace, int l, Panel<>& out) const;
  void times_slope(const Panel<>& activations, int points, Panel<>& sums) const;

  MlpShape shape_;
  std::vector<int> offset_;  // of W_l per layer, then the number of parameters
  VectorX parameters_;       // and tile::padding numbers behind them
};

}  // namespace pilqr
