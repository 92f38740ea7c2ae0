#include "pilqr/nn/mlp.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "pilqr/core/check.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

/// The definition, point by point. `least` becomes the least absolute sum that enters a unit.
MatrixX by_definition(const Mlp& net, const MatrixX& x, double* least = nullptr) {
  MatrixX y(net.outputs(), x.cols());
  double smallest = std::numeric_limits<double>::infinity();
  for (int p = 0; p < cols(x); ++p) {
    VectorX a = x.col(p);
    for (int l = 0; l < net.shape().layers(); ++l) {
      VectorX s = net.weight(l) * a + net.bias(l);
      if (l + 1 < net.shape().layers()) {
        smallest = std::min(smallest, s.cwiseAbs().minCoeff());
        for (double& entry : s) {
          entry =
              net.shape().activation == Activation::tanh ? std::tanh(entry) : std::max(entry, 0.0);
        }
      }
      a = s;
    }
    y.col(p) = a;
  }
  if (least != nullptr) *least = smallest;
  return y;
}

MatrixX outputs(const Mlp& net, const MatrixX& x) {
  MlpWorkspace ws;
  MatrixX y(net.outputs(), x.cols());
  net.forward(x, ws, y);
  return y;
}

/// A network of full scale and points at which it is differentiable in a neighbourhood.
struct Case {
  Mlp net;
  MatrixX x;
};
Case make_case(const MlpShape& shape, int points, Random& random) {
  RandomStream stream({.seed = 3, .sample = static_cast<std::uint32_t>(points)});
  Case c{Mlp(shape, stream, 1.0), MatrixX()};
  const bool kinks = shape.activation == Activation::relu;
  double least = 0.0;
  for (int trial = 0; trial < 1000 && !(least > 1e-3); ++trial) {
    c.x = random.matrix(shape.inputs, points);
    (void)by_definition(c.net, c.x, &least);
    if (!kinks) return c;
  }
  EXPECT_GT(least, 1e-3);
  return c;
}

std::vector<MlpShape> shapes() {
  std::vector<MlpShape> all;
  for (const Activation activation : {Activation::tanh, Activation::relu}) {
    all.push_back({3, {}, 2, activation});
    all.push_back({1, {}, 1, activation});
    all.push_back({4, {7}, 3, activation});
    all.push_back({2, {1}, 1, activation});
    all.push_back({5, {9, 8}, 2, activation});
    all.push_back({1, {1, 1}, 1, activation});
    all.push_back({3, {4, 17, 6}, 9, activation});
    all.push_back({16, {24, 8}, 8, activation});
  }
  return all;
}

std::string text(const MlpShape& shape, int points) {
  std::string s = std::to_string(shape.inputs);
  for (const int n : shape.hidden) s += "-" + std::to_string(n);
  return s + "-" + std::to_string(shape.outputs) + " " + name(shape.activation) + ", " +
         std::to_string(points) + " points";
}

template <class Check>
void for_all(const Check& check) {
  Random random(1);
  for (const MlpShape& shape : shapes()) {
    for (const int points : {1, 2, 11}) {
      SCOPED_TRACE(text(shape, points));
      Case c = make_case(shape, points, random);
      check(c, random);
    }
  }
}

/// Entries agree to `tolerance` of the largest one.
void expect_close(const MatrixX& a, const MatrixX& b, double tolerance) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.cols(), b.cols());
  EXPECT_LE((a - b).cwiseAbs().maxCoeff(), tolerance * b.cwiseAbs().maxCoeff());
}

constexpr double h = 1e-5;  // of the central differences

TEST(Mlp, OutputsAreTheDefinition) {
  for_all([](Case& c, Random&) {
    expect_close(outputs(c.net, c.x), by_definition(c.net, c.x), 1e-14);
  });
}

TEST(Mlp, WithoutHiddenLayersIsWxPlusB) {
  Random random(2);
  Mlp net({3, {}, 2});
  const MatrixX W = random.matrix(2, 3);
  const VectorX b = random.vector(2);
  net.parameters() << W.reshaped(), b;
  const MatrixX x = random.matrix(3, 5);
  expect_close(outputs(net, x), (W * x).colwise() + b, 1e-15);
}

// The layout that other code may rely on: weights by columns, then the bias, layer by layer.
TEST(Mlp, LayoutOfTheParameters) {
  const MlpShape shape{2, {3}, 1};
  Mlp net(shape);
  ASSERT_EQ(parameter_count(shape), 13);
  ASSERT_EQ(net.parameter_count(), 13);
  for (int i = 0; i < 13; ++i) net.parameters()(i) = i;
  const Mlp& constant = net;
  EXPECT_EQ(constant.weight(0), (MatrixX(3, 2) << 0, 3, 1, 4, 2, 5).finished());
  EXPECT_EQ(constant.bias(0), (VectorX(3) << 6, 7, 8).finished());
  EXPECT_EQ(constant.weight(1), (MatrixX(1, 3) << 9, 10, 11).finished());
  EXPECT_EQ(constant.bias(1), VectorX::Constant(1, 12.0));
  net.weight(0)(2, 1) = -5.0;
  net.bias(1)(0) = -12.0;
  EXPECT_EQ(constant.parameters()(5), -5.0);
  EXPECT_EQ(constant.parameters()(12), -12.0);
}

TEST(Mlp, GradientAgreesWithDifferences) {
  for_all([](Case& c, Random& random) {
    const MatrixX weight = random.matrix(c.net.outputs(), cols(c.x));  // loss = sum of weight * y
    MlpWorkspace ws;
    MatrixX y(weight.rows(), weight.cols());
    VectorX gradient = random.vector(c.net.parameter_count());
    c.net.forward(c.x, ws, y);
    c.net.backward(ws, weight, gradient);
    VectorX expected(gradient.size());
    for (int i = 0; i < rows(gradient); ++i) {
      const double value = c.net.parameters()(i);
      c.net.parameters()(i) = value + h;
      const MatrixX above = by_definition(c.net, c.x);
      c.net.parameters()(i) = value - h;
      const MatrixX below = by_definition(c.net, c.x);
      c.net.parameters()(i) = value;
      expected(i) = weight.cwiseProduct(above - below).sum() / (2.0 * h);
    }
    expect_close(gradient, expected, 1e-7);
  });
}

TEST(Mlp, InputGradientAgreesWithDifferences) {
  for_all([](Case& c, Random& random) {
    const MatrixX weight = random.matrix(c.net.outputs(), cols(c.x));
    MlpWorkspace ws;
    MatrixX y(weight.rows(), weight.cols());
    MatrixX d_input = random.matrix(rows(c.x), cols(c.x));
    c.net.forward(c.x, ws, y);
    c.net.backward_inputs(ws, weight, d_input);
    MatrixX expected(c.x.rows(), c.x.cols());
    for (Eigen::Index i = 0; i < c.x.size(); ++i) {
      MatrixX above = c.x;
      MatrixX below = c.x;
      above.reshaped()(i) += h;
      below.reshaped()(i) -= h;
      expected.reshaped()(i) =
          weight.cwiseProduct(by_definition(c.net, above) - by_definition(c.net, below)).sum() /
          (2.0 * h);
    }
    expect_close(d_input, expected, 1e-7);
  });
}

TEST(Mlp, TangentsAgreeWithDifferences) {
  for_all([](Case& c, Random& random) {
    MlpWorkspace ws;
    MatrixX y(c.net.outputs(), c.x.cols());
    MatrixX dy = y;
    c.net.forward(c.x, ws, y);
    const VectorX direction = random.vector(c.net.parameter_count()).normalized();
    c.net.tangent(ws, direction, dy);
    Mlp above = c.net;
    Mlp below = c.net;
    above.parameters() += h * direction;
    below.parameters() -= h * direction;
    expect_close(dy, (by_definition(above, c.x) - by_definition(below, c.x)) / (2.0 * h), 1e-7);

    const MatrixX dx = random.matrix(rows(c.x), cols(c.x)).normalized();
    c.net.tangent_inputs(ws, dx, dy);
    const MatrixX expected =
        (by_definition(c.net, c.x + h * dx) - by_definition(c.net, c.x - h * dx)) / (2.0 * h);
    EXPECT_LE((dy - expected).cwiseAbs().maxCoeff(), 1e-7 * expected.cwiseAbs().maxCoeff() + 1e-10);
  });
}

// <v, J d> = <J'v, d>, for parameters and inputs, to rounding.
TEST(Mlp, ProductsWithTheJacobianAreAdjoint) {
  for_all([](Case& c, Random& random) {
    MlpWorkspace ws;
    MatrixX y(c.net.outputs(), c.x.cols());
    MatrixX dy = y;
    c.net.forward(c.x, ws, y);
    const MatrixX v = random.matrix(c.net.outputs(), cols(c.x));
    const VectorX d = random.vector(c.net.parameter_count());
    VectorX gradient(d.size());
    c.net.tangent(ws, d, dy);
    c.net.backward(ws, v, gradient);
    const double scale = v.norm() * dy.norm() + gradient.norm() * d.norm();
    EXPECT_NEAR(v.cwiseProduct(dy).sum(), gradient.dot(d), 1e-14 * scale);

    const MatrixX dx = random.matrix(rows(c.x), cols(c.x));
    MatrixX d_input(c.x.rows(), c.x.cols());
    c.net.tangent_inputs(ws, dx, dy);
    c.net.backward_inputs(ws, v, d_input);
    EXPECT_NEAR(v.cwiseProduct(dy).sum(), d_input.cwiseProduct(dx).sum(),
                1e-14 * (v.norm() * dy.norm() + d_input.norm() * dx.norm()));
  });
}

TEST(Mlp, ABatchIsItsPoints) {
  Random random(4);
  for (const int points : {2, 9, 600}) {  // the last in several blocks
    Case c = make_case({4, {9, 5}, 3}, points, random);
    const MatrixX v = random.matrix(3, points);
    const int half = points / 2;
    const int rest = points - half;
    MlpWorkspace ws;
    VectorX whole(c.net.parameter_count());
    VectorX left = whole;
    VectorX right = whole;
    MatrixX y(3, points);
    MatrixX part(3, half);
    MatrixX d_input(4, points);
    c.net.forward(c.x, ws, y);
    c.net.backward(ws, v, whole);
    c.net.backward_inputs(ws, v, d_input);
    c.net.forward(c.x.leftCols(half), ws, part);
    EXPECT_EQ(part, y.leftCols(half));
    c.net.backward(ws, v.leftCols(half), left);
    part.resize(3, rest);
    c.net.forward(c.x.rightCols(rest), ws, part);
    EXPECT_EQ(part, y.rightCols(rest));
    c.net.backward(ws, v.rightCols(rest), right);
    expect_close(left + right, whole, 1e-13);
    MatrixX d_right(4, rest);
    c.net.backward_inputs(ws, v.rightCols(rest), d_right);
    EXPECT_EQ(d_right, d_input.rightCols(rest));

    VectorX single(3);
    c.net.evaluate(c.x.col(1), ws, single);
    EXPECT_EQ(single, y.col(1));
    VectorX again(whole.size());
    c.net.backward(ws, v.rightCols(rest), again);  // evaluate left the activations alone
    EXPECT_EQ(again, right);
  }
}

TEST(Mlp, OneWorkspaceServesAllShapes) {
  MlpWorkspace ws;
  for_all([&](Case& c, Random& random) {
    const MatrixX v = random.matrix(c.net.outputs(), cols(c.x));
    MlpWorkspace fresh;
    MatrixX y(c.net.outputs(), c.x.cols());
    VectorX gradient(c.net.parameter_count());
    VectorX expected = gradient;
    c.net.forward(c.x, ws, y);
    c.net.backward(ws, v, gradient);
    c.net.forward(c.x, fresh, y);
    c.net.backward(fresh, v, expected);
    EXPECT_EQ(gradient, expected);
  });
}

TEST(Mlp, InitialParameters) {
  const MlpShape shape{16, {400}, 25};
  RandomStream stream({.seed = 6});
  RandomStream same({.seed = 6});
  const Mlp net(shape, stream, 0.01);
  EXPECT_EQ(net, Mlp(shape, same, 0.01));
  EXPECT_FALSE(net == Mlp(shape, same, 0.01));  // the stream went on
  // Uniform within +-w: largest near w, mean square w^2 / 3.
  const auto expect_uniform = [](const auto& values, double w) {
    EXPECT_LE(values.cwiseAbs().maxCoeff(), w);
    EXPECT_GE(values.maxCoeff(), 0.95 * w);
    EXPECT_LE(values.minCoeff(), -0.95 * w);
    const double n = static_cast<double>(values.size());
    EXPECT_NEAR(values.squaredNorm() / n, w * w / 3.0, 5.0 * w * w * std::sqrt(4.0 / 45.0 / n));
  };
  expect_uniform(net.weight(0), 0.25);
  expect_uniform(net.bias(0), 0.25);
  expect_uniform(net.weight(1), 0.01 / 20.0);
  EXPECT_LE(outputs(net, Random(1).matrix(16, 50)).cwiseAbs().maxCoeff(), 0.02);
  EXPECT_TRUE(Mlp(shape).parameters().isZero(0.0));
}

TEST(Mlp, CopiesAreIndependent) {
  Random random(7);
  Case c = make_case({3, {4}, 2}, 5, random);
  const MatrixX before = outputs(c.net, c.x);
  Mlp copy = c.net;
  copy.parameters().setZero();
  EXPECT_EQ(outputs(c.net, c.x), before);
  copy = c.net;
  c.net.parameters().array() += 1.0;
  EXPECT_EQ(outputs(copy, c.x), before);

  // A copied workspace has its own activations.
  MlpWorkspace ws;
  MatrixX y(2, 5);
  copy.forward(c.x, ws, y);
  MlpWorkspace kept = ws;
  VectorX expected(copy.parameter_count());
  VectorX gradient = expected;
  copy.backward(ws, y, expected);
  copy.forward(MatrixX(-c.x), ws, y);
  copy.backward(kept, before, gradient);
  EXPECT_EQ(gradient, expected);
}

TEST(Mlp, NanGoesThrough) {
  Random random(8);
  for (const Activation activation : {Activation::tanh, Activation::relu}) {
    Case c = make_case({3, {4, 4}, 2, activation}, 3, random);
    c.x(1, 2) = std::numeric_limits<double>::quiet_NaN();
    const MatrixX y = outputs(c.net, c.x);
    EXPECT_TRUE(y.leftCols(2).allFinite());
    EXPECT_TRUE(y.col(2).array().isNaN().all());
  }
}

TEST(Mlp, WrongSizes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RandomStream stream(StreamKey{});
  EXPECT_THROW(Mlp({0, {}, 1}), InvalidArgument);
  EXPECT_THROW(Mlp({1, {}, 0}), InvalidArgument);
  EXPECT_THROW(Mlp({1, {2, 0}, 1}), InvalidArgument);
  EXPECT_THROW(Mlp({1 << 20, {1 << 20}, 1}), InvalidArgument);
  EXPECT_THROW((void)parameter_count({2, {-1}, 1}), InvalidArgument);
  EXPECT_THROW(Mlp({1, {}, 1}, stream, -1.0), InvalidArgument);
  EXPECT_THROW(Mlp({1, {}, 1}, stream, nan), InvalidArgument);

  Mlp net({3, {4}, 2});
  EXPECT_THROW((void)net.weight(2), InvalidArgument);
  EXPECT_THROW((void)net.bias(-1), InvalidArgument);
  MlpWorkspace ws;
  const MatrixX x = MatrixX::Ones(3, 5);
  MatrixX y(2, 5);
  VectorX g(net.parameter_count());
  MatrixX dx(3, 5);
  VectorX one(2);
  EXPECT_THROW(net.backward(ws, y, g), InvalidArgument);  // before forward
  EXPECT_THROW(net.tangent(ws, g, y), InvalidArgument);
  EXPECT_THROW(net.forward(MatrixX(2, 5), ws, y), InvalidArgument);
  EXPECT_THROW(net.forward(MatrixX(3, 0), ws, y.leftCols(0)), InvalidArgument);
  EXPECT_THROW(net.forward(x, ws, y.leftCols(4)), InvalidArgument);
  EXPECT_THROW(net.forward(x, ws, dx), InvalidArgument);
  EXPECT_THROW(net.evaluate(VectorX(2), ws, one), InvalidArgument);
  EXPECT_THROW(net.evaluate(x.col(0), ws, g), InvalidArgument);
  net.forward(x, ws, y);
  EXPECT_THROW(net.backward(ws, y.leftCols(4), g), InvalidArgument);
  EXPECT_THROW(net.backward(ws, dx, g), InvalidArgument);
  EXPECT_THROW(net.backward(ws, y, g.head(3)), InvalidArgument);
  EXPECT_THROW(net.backward_inputs(ws, y, y), InvalidArgument);
  EXPECT_THROW(net.tangent(ws, g.head(3), y), InvalidArgument);
  EXPECT_THROW(net.tangent(ws, g, dx), InvalidArgument);
  EXPECT_THROW(net.tangent_inputs(ws, y, y), InvalidArgument);
  EXPECT_THROW(net.tangent_inputs(ws, dx, dx), InvalidArgument);
  const Mlp other({3, {5}, 2});
  EXPECT_THROW(other.backward(ws, y, g), InvalidArgument);
  try {
    net.backward(ws, dx, g);
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "perceptron: the derivative by the outputs is 3x5, expected 2x5");
  }
}

}  // namespace
}  // namespace pilqr
