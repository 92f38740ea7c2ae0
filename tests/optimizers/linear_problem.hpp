#pragma once
/// A linear-quadratic problem for whole optimisers, and ways to break it.

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "pilqr/model/sample.hpp"
#include "support/random_problem.hpp"

namespace pilqr::test {

/// Linear system x' = A x + B u + a, optionally broken. nx and nu are those of A and B.
struct Linear {
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  MatrixX A, B;
  VectorX a;
  double start_spread = 1.0;
  int nan_step = -1;

  void reset(int, RandomStream& stream, VectorX& x) const {
    x.resize(A.rows());
    stream.fill_normal(x);
    x *= start_spread;
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream&, VectorX& next) const {
    next = A * x + B * u + a;
    if (t == nan_step) next(0) = std::nan("");
  }
};

/// 1/2 y'Cy + c'y + offset; with `nan_at` the value is NaN at that step.
struct Quadratic {
  MatrixX C;
  VectorX c;
  double offset = 0.0;
  int nan_at = -1;
  double nan_derivative = 0.0;

  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    if (t == nan_at) return std::nan("");
    VectorX y(x.size() + u.size());
    y << x, u;
    return 0.5 * y.dot(C * y) + c.dot(y) + offset;
  }
  void expand(int, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    VectorX y(x.size() + u.size());
    y << x, u;
    out.value += weight * (0.5 * y.dot(C * y) + c.dot(y) + offset);
    out.gradient += weight * (C * y + c);
    out.gradient.array() += nan_derivative;
    out.hessian += weight * C;
  }
};

inline constexpr int kNx = 3;
inline constexpr int kNu = 2;

inline Linear stable_system() {
  Random random(3);
  return {
      .A = 0.4 * random.matrix(kNx, kNx), .B = random.matrix(kNx, kNu), .a = random.vector(kNx)};
}
inline Quadratic convex_cost() {
  Random random(4);
  return {.C = random.positive_definite(kNx + kNu, 0.2), .c = random.vector(kNx + kNu)};
}
inline LinearGaussianPolicy<> start_policy(int T) {
  return Random(5).policy<Dynamic, Dynamic>(T, kNx, kNu, 0.1);
}
inline Rollouts<> rollouts_of(Linear system, const Quadratic& cost,
                              const LinearGaussianPolicy<>& policy, int samples) {
  auto batch = sample(system, cost, policy, {.samples = samples, .seed = 11});
  EXPECT_TRUE(batch.ok()) << batch.failure.message();
  return std::move(batch.rollouts);
}

inline double policy_distance(const LinearGaussianPolicy<>& a, const LinearGaussianPolicy<>& b) {
  return (a.K.flat() - b.K.flat()).norm() + (a.k.flat() - b.k.flat()).norm() +
         (a.L.flat() - b.L.flat()).norm();
}

}  // namespace pilqr::test
