#pragma once
/// Random problems, the same on every machine.

#include <cstdint>

#include "pilqr/core/random.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"

namespace pilqr::test {

/// Random matrices from a fixed seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : stream_({.seed = seed}) {}

  double normal() { return stream_.normal(); }
  double uniform() { return stream_.uniform(); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  MatrixX matrix(int n, int m) {
    MatrixX A(n, m);
    stream_.fill_normal(A);
    return A;
  }
  VectorX vector(int n) {
    VectorX v(n);
    stream_.fill_normal(v);
    return v;
  }
  MatrixX symmetric(int n) {
    const MatrixX A = matrix(n, n);
    return 0.5 * (A + A.transpose());
  }
  MatrixX positive_definite(int n, double floor) {
    const MatrixX A = matrix(n, n);
    MatrixX P = A * A.transpose() / n;
    P.diagonal().array() += floor;
    return P;
  }

  template <int Nx, int Nu>
  LinearGaussianPolicy<Nx, Nu> policy(int T, int nx, int nu, double gain = 0.3) {
    LinearGaussianPolicy<Nx, Nu> p(T, nx, nu);
    for (int t = 0; t < T; ++t) {
      p.K[t] = gain * matrix(nu, nx);
      p.k[t] = vector(nu);
      MatrixX L = positive_definite(nu, 0.2);
      (void)cholesky_in_place(L);
      p.L[t] = L;
    }
    return p;
  }

  /// Stable on average: the spectral radius of f_x is about 0.9.
  template <int Nx, int Nu>
  LinearGaussianDynamics<Nx, Nu> dynamics(int T, int nx, int nu) {
    LinearGaussianDynamics<Nx, Nu> d(T, nx, nu);
    for (int t = 0; t + 1 < T; ++t) {
      d.F[t].leftCols(nx) = 0.9 / std::sqrt(static_cast<double>(nx)) * matrix(nx, nx);
      d.F[t].rightCols(nu) = 0.5 * matrix(nx, nu);
      d.f[t] = 0.1 * vector(nx);
      d.W[t] = 0.01 * positive_definite(nx, 0.1);
    }
    return d;
  }

  template <int Nx, int Nu>
  QuadraticCost<Nx, Nu> cost(int T, int nx, int nu) {
    QuadraticCost<Nx, Nu> q(T, nx, nu);
    for (int t = 0; t < T; ++t) {
      q.C[t] = positive_definite(nx + nu, 0.1);
      q.c[t] = vector(nx + nu);
      q.c0(t) = normal();
    }
    return q;
  }

 private:
  RandomStream stream_;
};

}  // namespace pilqr::test
