#pragma once
/// Checked factorisations that do not allocate when their arguments are preallocated.

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

#include "pilqr/core/tile.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// A <- (A + A') / 2 in place.
template <class Derived>
void symmetrize(Eigen::MatrixBase<Derived>& A) {
  const Eigen::Index n = A.rows();
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = j + 1; i < n; ++i) {
      const double mean = 0.5 * (A(i, j) + A(j, i));
      A(i, j) = mean;
      A(j, i) = mean;
    }
  }
}

/// Replaces the symmetric matrix A by its lower Cholesky factor L, A = L L', with zeros above the
/// diagonal. Reads the lower triangle only. False, with A's contents lost, if A is not positive
/// definite to working precision or holds NaN or infinity.
template <class Derived>
[[nodiscard]] bool cholesky_in_place(Eigen::MatrixBase<Derived>& A) {
  const Eigen::Index n = A.rows();
  for (Eigen::Index j = 0; j < n; ++j) {
    double pivot = A(j, j);
    for (Eigen::Index k = 0; k < j; ++k) pivot -= A(j, k) * A(j, k);
    if (!(pivot > 0.0) || !std::isfinite(pivot)) return false;
    pivot = std::sqrt(pivot);
    A(j, j) = pivot;
    for (Eigen::Index i = j + 1; i < n; ++i) {
      double entry = A(i, j);
      for (Eigen::Index k = 0; k < j; ++k) entry -= A(i, k) * A(j, k);
      A(i, j) = entry / pivot;
    }
    A.col(j).head(j).setZero();
  }
  return true;
}

/// The lower triangular L with L L' = A^-1 and a positive diagonal, for a positive definite n x n
/// matrix A of which the lower triangle is read; all n x n entries of L are written. `scratch` has
/// 2 padded(n) rows and n columns. False, with L unspecified, if A is not positive definite to
/// working precision or holds NaN or infinity.
template <int N>
[[nodiscard]] PILQR_ALWAYS_INLINE bool inverse_cholesky(int size, tile::Input A, tile::Output L,
                                                        tile::Output scratch) {
  // With J the exchange of the order: J A J = C C', and L = J C^-T J is lower triangular. Columns of
  // [J A J; I] are combined until the upper half is C; the lower half is then C^-T.
  const int n = tile::size<N>(size);
  const int half = tile::padded(n);
  for (int j = 0; j < n; ++j) {
    double* column = scratch.at(0, j).data;
    for (int i = 0; i < 2 * half; ++i) column[i] = 0.0;
    for (int i = j; i < n; ++i) column[i] = *A.at(n - 1 - j, n - 1 - i).data;
    column[half + j] = 1.0;
  }
  for (int j = 0; j < n; ++j) {
    double* column = scratch.at(0, j).data;
    const double pivot = column[j];
    if (!(pivot > 0.0) || !std::isfinite(pivot)) return false;
    const double scale = 1.0 / std::sqrt(pivot);
    for (int i = 0; i < 2 * half; ++i) column[i] *= scale;
    for (int k = j + 1; k < n; ++k) {
      double* other = scratch.at(0, k).data;
      const double factor = column[k];
      for (int i = 0; i < 2 * half; ++i) other[i] -= column[i] * factor;
    }
  }
  for (int j = 0; j < n; ++j) {
    const double* column = scratch.at(half, n - 1 - j).data;
    for (int i = 0; i < n; ++i) *L.at(i, j).data = i < j ? 0.0 : column[n - 1 - i];
  }
  return true;
}

/// log det(L L') from the lower Cholesky factor.
template <class Derived>
double log_determinant_from_cholesky(const Eigen::MatrixBase<Derived>& L) {
  return 2.0 * L.diagonal().array().log().sum();
}

/// Eigen-decomposition A = U diag(lambda) U' of a symmetric matrix by cyclic Jacobi rotations
/// (Golub & Van Loan, section 8.5): small orders, high relative accuracy, no allocation. A is
/// overwritten; its diagonal ends as lambda, which is also copied, unordered. False if A holds NaN
/// or infinity.
template <class DerivedA, class DerivedU, class DerivedL>
[[nodiscard]] bool jacobi_eigen_in_place(Eigen::MatrixBase<DerivedA>& A,
                                         Eigen::MatrixBase<DerivedU>& U,
                                         Eigen::MatrixBase<DerivedL>& lambda) {
  const Eigen::Index n = A.rows();
  U.setIdentity();
  if (!A.allFinite()) return false;
  constexpr int max_sweeps = 60;  // quadratic convergence: 5 to 8 are normal
  for (int sweep = 0; sweep < max_sweeps; ++sweep) {
    bool rotated = false;
    for (Eigen::Index q = 1; q < n; ++q) {
      for (Eigen::Index p = 0; p < q; ++p) {
        const double apq = A(p, q);
        const double scale = std::sqrt(std::abs(A(p, p))) * std::sqrt(std::abs(A(q, q)));
        constexpr double epsilon = std::numeric_limits<double>::epsilon();
        const bool negligible = std::abs(apq) <= 0.1 * epsilon * scale ||
                                std::abs(apq) <= std::numeric_limits<double>::min();
        if (negligible) continue;
        rotated = true;
        const double theta = 0.5 * (A(q, q) - A(p, p)) / apq;
        const double tangent =
            std::copysign(1.0, theta) / (std::abs(theta) + std::hypot(1.0, theta));
        const double cosine = 1.0 / std::hypot(1.0, tangent);
        const double sine = tangent * cosine;
        A(p, p) -= tangent * apq;
        A(q, q) += tangent * apq;
        A(p, q) = 0.0;
        A(q, p) = 0.0;
        for (Eigen::Index i = 0; i < n; ++i) {
          const double uip = U(i, p);
          const double uiq = U(i, q);
          U(i, p) = cosine * uip - sine * uiq;
          U(i, q) = sine * uip + cosine * uiq;
          if (i == p || i == q) continue;
          const double aip = A(i, p);
          const double aiq = A(i, q);
          A(i, p) = A(p, i) = cosine * aip - sine * aiq;
          A(i, q) = A(q, i) = sine * aip + cosine * aiq;
        }
      }
    }
    if (!rotated) break;
  }
  lambda = A.diagonal();
  return lambda.allFinite();
}

/// The lower factor L with L L' = B B' and a diagonal >= 0 (> 0 if B has full rank), by Householder
/// reflections applied to the rows of the square matrix B. Works for a B of any rank; unlike a
/// Cholesky factorisation of B B' it does not square the condition number. B is overwritten by L.
template <class Derived>
void lower_factor_in_place(Eigen::MatrixBase<Derived>& B) {
  const Eigen::Index n = B.rows();
  for (Eigen::Index i = 0; i < n; ++i) {
    // Reflect from the right so that row i becomes [.., -+norm, 0, ..]; w overwrites that row's
    // tail.
    const double norm = B.row(i).tail(n - i).norm();
    if (norm == 0.0) continue;
    const double alpha = B(i, i) >= 0.0 ? -norm : norm;
    const double head = B(i, i) - alpha;
    const double beta = -1.0 / (alpha * head);  // 2 / (w'w) with w = [head, B(i, i+1..)]
    for (Eigen::Index r = i + 1; r < n; ++r) {
      double dot = head * B(r, i);
      for (Eigen::Index c = i + 1; c < n; ++c) dot += B(i, c) * B(r, c);
      dot *= beta;
      B(r, i) -= dot * head;
      for (Eigen::Index c = i + 1; c < n; ++c) B(r, c) -= dot * B(i, c);
    }
    B(i, i) = alpha;
    for (Eigen::Index c = i + 1; c < n; ++c) B(i, c) = 0.0;
    if (alpha < 0.0) {
      for (Eigen::Index r = i; r < n; ++r) B(r, i) = -B(r, i);
    }
  }
}

}  // namespace pilqr
