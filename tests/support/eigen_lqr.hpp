#pragma once
/// The plain LQR sweep as one writes it with Eigen: an oracle, and what benchmarks compare with.

#include <Eigen/Cholesky>

#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"

namespace pilqr::test {

/// K, k and L with L L' = Quu^-1 (lower) of the optimal policy.
template <int Nx, int Nu>
struct EigenLqr {
  static constexpr int Ny = joint_size<Nx, Nu>;

  EigenLqr(int nx, int nu) : V(nx, nx), VF(nx, nx + nu), Q(nx + nu, nx + nu), v(nx), q(nx + nu) {}

  Matrix<Nx, Nx> V;
  Matrix<Nx, Ny> VF;
  Matrix<Ny, Ny> Q;
  Vector<Nx> v;
  Vector<Ny> q;

  /// False if a Quu is not positive definite.
  bool backward(const LinearGaussianDynamics<Nx, Nu>& dynamics, const QuadraticCost<Nx, Nu>& cost,
                LinearGaussianPolicy<Nx, Nu>& out) {
    const int nx = cost.nx();
    const int nu = cost.nu();
    for (int t = cost.steps() - 1; t >= 0; --t) {
      Q = cost.C[t];
      q = cost.c[t];
      if (t + 1 < cost.steps()) {
        const auto F = dynamics.F[t];
        VF.noalias() = V * F;
        Q.noalias() += F.transpose() * VF;
        v.noalias() += V * dynamics.f[t];
        q.noalias() += F.transpose() * v;
      }
      const Eigen::LLT<Matrix<Nu, Nu>> llt(Q.bottomRightCorner(nu, nu));
      if (llt.info() != Eigen::Success) return false;
      out.K[t] = -llt.solve(Q.bottomLeftCorner(nu, nx));
      out.k[t] = -llt.solve(q.tail(nu));
      const Matrix<Nu, Nu> covariance = llt.solve(Matrix<Nu, Nu>::Identity(nu, nu));
      out.L[t] = covariance.llt().matrixL();
      V = Q.topLeftCorner(nx, nx);
      V.noalias() += Q.topRightCorner(nx, nu) * out.K[t];
      V = (0.5 * (V + V.transpose())).eval();
      v = q.head(nx);
      v.noalias() += Q.topRightCorner(nx, nu) * out.k[t];
    }
    return true;
  }
};

}  // namespace pilqr::test
