#include "pilqr/nn/mlp.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "pilqr/core/check.hpp"
#include "tanh.hpp"

namespace pilqr {
namespace {

/// Points whose part of the gradient is added at once: their activations stay in the cache.
constexpr int block = 256;

/// Over whole columns of the panel; what is in their padding has no meaning.
void activate(Activation activation, int points, Panel<>& a) {
  const Eigen::Index n = Eigen::Index{a.stride()} * points;
  if (activation == Activation::tanh) {
    tanh_in_place(a.data(), n);
  } else {
    for (Eigen::Index i = 0; i < n; ++i) a.data()[i] = a.data()[i] < 0.0 ? 0.0 : a.data()[i];
  }
}

void require_layer(int l, const MlpShape& shape) {
  require(l >= 0 && l < shape.layers(), "layer {} of a perceptron with {}", l, shape.layers());
}

}  // namespace

const char* name(Activation activation) {
  return activation == Activation::relu ? "relu" : "tanh";
}

int MlpShape::layer_inputs(int l) const {
  return l == 0 ? inputs : hidden[static_cast<std::size_t>(l - 1)];
}
int MlpShape::layer_outputs(int l) const {
  return l + 1 == layers() ? outputs : hidden[static_cast<std::size_t>(l)];
}

void require_valid(const MlpShape& shape) {
  require(shape.inputs >= 1 && shape.outputs >= 1, "a perceptron with {} inputs and {} outputs",
          shape.inputs, shape.outputs);
  require(shape.hidden.size() <= 1000, "a perceptron with {} hidden layers, at most 1000",
          shape.hidden.size());
  std::int64_t count = 0;
  for (int l = 0; l < shape.layers(); ++l) {
    require(shape.layer_outputs(l) >= 1, "a perceptron with {} units in hidden layer {}",
            shape.layer_outputs(l), l);
    count += (std::int64_t{shape.layer_inputs(l)} + 1) * shape.layer_outputs(l);
    require(count <= (1 << 30), "a perceptron with more than 2^30 parameters in {} layers", l + 1);
  }
}

int parameter_count(const MlpShape& shape) {
  require_valid(shape);
  int count = 0;
  for (int l = 0; l < shape.layers(); ++l) {
    count += (shape.layer_inputs(l) + 1) * shape.layer_outputs(l);
  }
  return count;
}

void MlpWorkspace::resize(const MlpShape& shape, int points) {
  const bool other = !(shape == shape_);
  if (!other && points <= capacity_) return;
  shape_ = shape;
  capacity_ = other ? points : std::max(points, capacity_);
  points_ = 0;
  in_.clear();
  sum_.clear();
  int largest = 0;
  for (int l = 0; l < shape.layers(); ++l) {
    const int n = shape.layer_inputs(l);
    const int m = shape.layer_outputs(l);
    in_.emplace_back(n, capacity_);
    sum_.emplace_back(m, capacity_);
    largest = std::max({largest, tile::padded(m) * n, tile::padded(n) * m});
  }
  input_ = Panel<>(shape.inputs, capacity_);
  output_ = Panel<>(shape.outputs, capacity_);
  weight_ = VectorX::Zero(largest + tile::padding);
}

Mlp::Mlp(MlpShape shape) : shape_(std::move(shape)) {
  parameters_ = VectorX::Zero(pilqr::parameter_count(shape_) + tile::padding);
  offset_.push_back(0);
  for (int l = 0; l < shape_.layers(); ++l) {
    offset_.push_back(offset_.back() + (shape_.layer_inputs(l) + 1) * shape_.layer_outputs(l));
  }
}

Mlp::Mlp(MlpShape shape, RandomStream& stream, double last_layer_scale) : Mlp(std::move(shape)) {
  require(std::isfinite(last_layer_scale) && last_layer_scale >= 0.0,
          "perceptron: last_layer_scale is {}, expected >= 0", last_layer_scale);
  for (int l = 0; l < shape_.layers(); ++l) {
    double width = 1.0 / std::sqrt(static_cast<double>(shape_.layer_inputs(l)));
    if (l + 1 == shape_.layers()) width *= last_layer_scale;
    const auto begin = static_cast<std::size_t>(l);
    for (int i = offset_[begin]; i < offset_[begin + 1]; ++i) {
      parameters_(i) = width * (2.0 * stream.uniform() - 1.0);
    }
  }
}

Eigen::Map<const MatrixX> Mlp::weight(int l) const {
  require_layer(l, shape_);
  return {parameters_.data() + weight_at(l), rows_of(l), columns_of(l)};
}
Eigen::Map<const VectorX> Mlp::bias(int l) const {
  require_layer(l, shape_);
  return {parameters_.data() + bias_at(l), rows_of(l)};
}
Eigen::Map<MatrixX> Mlp::weight(int l) {
  require_layer(l, shape_);
  return {parameters_.data() + weight_at(l), rows_of(l), columns_of(l)};
}
Eigen::Map<VectorX> Mlp::bias(int l) {
  require_layer(l, shape_);
  return {parameters_.data() + bias_at(l), rows_of(l)};
}

/// W_l of a parameter vector with padding behind it; b_l as a matrix of equal columns.
tile::Input Mlp::weight_tile(const VectorX& padded, int l) const {
  return {padded.data() + weight_at(l), rows_of(l)};
}
tile::Input Mlp::bias_tile(const VectorX& padded, int l) const {
  return {padded.data() + bias_at(l), 0};
}

void Mlp::forward(const ConstMatrixRef& x, MlpWorkspace& ws, MatrixRef y) const {
  const int P = cols(x);
  require(rows(x) == inputs() && P >= 1, "perceptron: inputs are {}x{}, expected {} by at least 1",
          rows(x), P, inputs());
  require(rows(y) == outputs() && cols(y) == P, "perceptron: outputs are {}x{}, expected {}x{}",
          rows(y), cols(y), outputs(), P);
  ws.resize(shape_, P);
  ws.points_ = P;
  ws.in_.front().matrix().leftCols(P) = x;
  for (int l = 0; l < shape_.layers(); ++l) {
    const auto here = static_cast<std::size_t>(l);
    const bool last = l + 1 == shape_.layers();
    Panel<>& out = last ? ws.output_ : ws.in_[here + 1];
    tile::full<Dynamic, Dynamic>(
        rows_of(l), P, out, bias_tile(parameters_, l),
        tile::times(weight_tile(parameters_, l), ws.in_[here], columns_of(l)));
    if (!last) activate(shape_.activation, P, out);
  }
  y = ws.output_.matrix().leftCols(P);
}

void Mlp::evaluate(const ConstVectorRef& x, MlpWorkspace& ws, VectorRef y) const {
  require(rows(x) == inputs() && rows(y) == outputs(),
          "perceptron: {} inputs and {} outputs, expected {} and {}", rows(x), rows(y), inputs(),
          outputs());
  ws.single_.resize(static_cast<std::size_t>(shape_.layers()));
  tile::Input a = {x.data(), inputs()};
  for (int l = 0; l < shape_.layers(); ++l) {
    Panel<>& out = ws.single_[static_cast<std::size_t>(l)];
    size_panel(out, rows_of(l), 1);
    tile::full<Dynamic, Dynamic>(rows_of(l), 1, out, bias_tile(parameters_, l),
                                 tile::times(weight_tile(parameters_, l), a, columns_of(l)));
    if (l + 1 < shape_.layers()) activate(shape_.activation, 1, out);
    a = out;
  }
  y = ws.single_.back().matrix().col(0);
}

/// Throws unless a matrix of `rows` x `columns` suits the last forward().
void Mlp::require_forward(const MlpWorkspace& ws, const char* what, int rows, int expected,
                          int columns) const {
  require(ws.points_ >= 1 && ws.shape_ == shape_,
          "perceptron: a derivative without forward() of this shape before");
  require(rows == expected && columns == ws.points_, "perceptron: {} is {}x{}, expected {}x{}",
          what, rows, columns, expected, ws.points_);
}

/// The derivative by a layer's sums from that by its activations, and the same for tangents.
void Mlp::times_slope(const Panel<>& activations, int points, Panel<>& sums) const {
  const double* a = activations.data();
  double* s = sums.data();
  const Eigen::Index n = Eigen::Index{sums.stride()} * points;
  if (shape_.activation == Activation::tanh) {
    for (Eigen::Index i = 0; i < n; ++i) s[i] *= 1.0 - a[i] * a[i];
  } else {
    for (Eigen::Index i = 0; i < n; ++i) s[i] = a[i] <= 0.0 ? 0.0 : s[i];
  }
}

/// The derivative by the inputs of layer l from that by its sums: out = W' s.
void Mlp::to_inputs(MlpWorkspace& ws, int l, Panel<>& out) const {
  const int m = rows_of(l);
  const int n = columns_of(l);
  Eigen::Map<MatrixX, 0, Eigen::OuterStride<>> transposed(ws.weight_.data(), n, m,
                                                          Eigen::OuterStride<>(tile::padded(n)));
  transposed = weight(l).transpose();
  tile::full<Dynamic, Dynamic>(
      n, ws.points_, out, tile::zero,
      tile::times(tile::input(transposed), ws.sum_[static_cast<std::size_t>(l)], m));
}

/// The derivatives by the sums of all layers, from that by the outputs.
void Mlp::to_sums(MlpWorkspace& ws, const ConstMatrixRef& d_output) const {
  const int P = ws.points_;
  ws.sum_.back().matrix().leftCols(P) = d_output;
  for (int l = shape_.layers() - 1; l > 0; --l) {
    const auto here = static_cast<std::size_t>(l);
    to_inputs(ws, l, ws.sum_[here - 1]);
    times_slope(ws.in_[here], P, ws.sum_[here - 1]);
  }
}

void Mlp::backward(MlpWorkspace& ws, const ConstMatrixRef& d_output, VectorRef gradient) const {
  require_forward(ws, "the derivative by the outputs", rows(d_output), outputs(), cols(d_output));
  require(rows(gradient) == parameter_count(), "perceptron: the gradient has {} entries, not {}",
          rows(gradient), parameter_count());
  to_sums(ws, d_output);
  for (int l = 0; l < shape_.layers(); ++l) {
    const auto here = static_cast<std::size_t>(l);
    const int m = rows_of(l);
    const int n = columns_of(l);
    const Panel<>& s = ws.sum_[here];
    const tile::Output dW = {ws.weight_.data(), tile::padded(m)};
    for (int p = 0; p < ws.points_; p += block) {  // dW += s a'
      const tile::Input init = p == 0 ? tile::zero : tile::Input{dW.data, dW.stride};
      tile::full<Dynamic, Dynamic>(m, n, dW, init,
                                   tile::times_transposed(s.at(0, p), ws.in_[here].at(0, p),
                                                          std::min(block, ws.points_ - p)));
    }
    Eigen::Map<MatrixX>(gradient.data() + weight_at(l), m, n) =
        Eigen::Map<const MatrixX, 0, Eigen::OuterStride<>>(dW.data, m, n,
                                                           Eigen::OuterStride<>(dW.stride));
    auto db = gradient.segment(bias_at(l), m);
    db = s.matrix().col(0);
    for (int p = 1; p < ws.points_; ++p) db += s.matrix().col(p);
  }
}

void Mlp::backward_inputs(MlpWorkspace& ws, const ConstMatrixRef& d_output,
                          MatrixRef d_input) const {
  require_forward(ws, "the derivative by the outputs", rows(d_output), outputs(), cols(d_output));
  require_forward(ws, "the derivative by the inputs", rows(d_input), inputs(), cols(d_input));
  to_sums(ws, d_output);
  to_inputs(ws, 0, ws.input_);
  d_input = ws.input_.matrix().leftCols(ws.points_);
}

void Mlp::tangent(MlpWorkspace& ws, const ConstVectorRef& direction, MatrixRef d_output) const {
  require_forward(ws, "the outputs' tangent", rows(d_output), outputs(), cols(d_output));
  require(rows(direction) == parameter_count(), "perceptron: the direction has {} entries, not {}",
          rows(direction), parameter_count());
  ws.direction_.resize(parameters_.size());
  ws.direction_ << direction, VectorX::Zero(tile::padding);
  for (int l = 0; l < shape_.layers(); ++l) {
    const auto here = static_cast<std::size_t>(l);
    const auto moved = tile::times(weight_tile(ws.direction_, l), ws.in_[here], columns_of(l));
    const tile::Input db = bias_tile(ws.direction_, l);
    if (l == 0) {
      tile::full<Dynamic, Dynamic>(rows_of(l), ws.points_, ws.sum_[here], db, moved);
    } else {
      tile::full<Dynamic, Dynamic>(
          rows_of(l), ws.points_, ws.sum_[here], db, moved,
          tile::times(weight_tile(parameters_, l), ws.sum_[here - 1], columns_of(l)));
    }
    if (l + 1 < shape_.layers()) times_slope(ws.in_[here + 1], ws.points_, ws.sum_[here]);
  }
  d_output = ws.sum_.back().matrix().leftCols(ws.points_);
}

void Mlp::tangent_inputs(MlpWorkspace& ws, const ConstMatrixRef& direction,
                         MatrixRef d_output) const {
  require_forward(ws, "the direction of the inputs", rows(direction), inputs(), cols(direction));
  require_forward(ws, "the outputs' tangent", rows(d_output), outputs(), cols(d_output));
  ws.input_.matrix().leftCols(ws.points_) = direction;
  for (int l = 0; l < shape_.layers(); ++l) {
    const auto here = static_cast<std::size_t>(l);
    tile::full<Dynamic, Dynamic>(
        rows_of(l), ws.points_, ws.sum_[here], tile::zero,
        tile::times(weight_tile(parameters_, l), l == 0 ? ws.input_ : ws.sum_[here - 1],
                    columns_of(l)));
    if (l + 1 < shape_.layers()) times_slope(ws.in_[here + 1], ws.points_, ws.sum_[here]);
  }
  d_output = ws.sum_.back().matrix().leftCols(ws.points_);
}

}  // namespace pilqr
