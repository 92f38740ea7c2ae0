#pragma once
/// A global policy that is linear in the state: the smallest thing that models GlobalPolicy.

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <Eigen/QR>
#include <vector>

#include "pilqr/model/global_policy.hpp"

namespace pilqr::test {

/// u ~ N(A x + b, covariance). Training is the exact solution of the weighted least squares, by
/// their normal equations in theta = vec[A b].
class LinearGlobalPolicy {
 public:
  MatrixX A;         // nu x nx
  VectorX b;         // nu
  int fail_at = -1;  // this call of train fails, from 0
  int calls = 0;

  LinearGlobalPolicy(int nx, int nu)
      : A(MatrixX::Zero(nu, nx)), b(VectorX::Zero(nu)), covariance_(MatrixX::Identity(nu, nu)) {}

  [[nodiscard]] int nx() const { return static_cast<int>(A.cols()); }
  [[nodiscard]] int nu() const { return static_cast<int>(A.rows()); }
  void mean(const ConstMatrixRef& x, MatrixX& out) const {
    out.resize(A.rows(), x.cols());
    out.noalias() = A * x;
    out.colwise() += b;
  }
  [[nodiscard]] const MatrixX& covariance() const { return covariance_; }
  void set_covariance(const MatrixX& covariance) { covariance_ = covariance; }

  Failure train(const PolicyTargets& targets, RandomStream& /*stream*/) {
    require_valid(targets);
    if (calls++ == fail_at) {
      return {.kind = FailureKind::non_finite_update, .detail = "asked to fail"};
    }
    const int n = nx() + 1;
    MatrixX H = MatrixX::Zero(nu() * n, nu() * n);
    VectorX g = VectorX::Zero(nu() * n);
    MatrixX mean_precision = MatrixX::Zero(nu(), nu());
    VectorX z(n);
    for (int j = 0; j < cols(targets.x); ++j) {
      const MatrixX P = targets.precision[targets.group[static_cast<std::size_t>(j)]];
      z << targets.x.col(j), 1.0;
      const VectorX Pu = P * targets.u.col(j);
      for (int c = 0; c < n; ++c) {
        g.segment(c * nu(), nu()) += z(c) * Pu;
        for (int r = 0; r < n; ++r) H.block(r * nu(), c * nu(), nu(), nu()) += z(r) * z(c) * P;
      }
      mean_precision += P / cols(targets.x);
    }
    const Eigen::LDLT<MatrixX> ldlt(H);
    const MatrixX theta = ldlt.solve(g).reshaped(nu(), n);
    if (ldlt.info() != Eigen::Success || !theta.allFinite()) {
      return {.kind = FailureKind::singular_fit, .detail = "the states do not span"};
    }
    A = theta.leftCols(nx());
    b = theta.rightCols(1);
    covariance_ = mean_precision.inverse();
    return {};
  }

 private:
  MatrixX covariance_;
};
static_assert(GlobalPolicy<LinearGlobalPolicy>);

/// The same weighted least squares by one dense QR of all whitened equations: L' (A x + b) = L' u
/// with P = L L'. Returns [A b].
inline MatrixX dense_least_squares(const MatrixX& x, const MatrixX& u,
                                   const std::vector<MatrixX>& precision) {
  const auto nx = x.rows();
  const auto nu = u.rows();
  const auto P = x.cols();
  MatrixX equations = MatrixX::Zero(P * nu, nu * (nx + 1));
  VectorX right(P * nu);
  for (Eigen::Index j = 0; j < P; ++j) {
    const MatrixX Lt = precision[static_cast<std::size_t>(j)].llt().matrixU();
    for (Eigen::Index c = 0; c <= nx; ++c) {
      equations.block(j * nu, c * nu, nu, nu) = (c < nx ? x(c, j) : 1.0) * Lt;
    }
    right.segment(j * nu, nu) = Lt * u.col(j);
  }
  return equations.colPivHouseholderQr().solve(right).reshaped(nu, nx + 1);
}

}  // namespace pilqr::test
