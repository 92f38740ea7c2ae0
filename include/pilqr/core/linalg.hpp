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
  // With J the exchange of the order: J A J = C C', and L = J C^-T J is lower triangular. Columns
  // of [J A J; I] are combined until the upper half is C; the lower half is then C^-T.
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

/// Replaces the lower triangle of the symmetric n x n panel A by that of its Cholesky factor L, in
/// blocks of tiles. False, with A's contents lost, if a pivot is not above `least_pivot` times its
/// entry of A, or is not finite.
[[nodiscard]] bool cholesky_in_place(int n, tile::Output A, double least_pivot);

/// X <- X L'^-1 for an m x n panel X and a lower triangular L, n x n.
void solve_transposed_from_right(int m, int n, tile::Output X, tile::Input L);
/// X <- X L^-1 for an m x n panel X and a lower triangular L, n x n.
void solve_from_right(int m, int n, tile::Output X, tile::Input L);

/// log det(L L') from the lower Cholesky factor.
template <class Derived>
double log_determinant_from_cholesky(const Eigen::MatrixBase<Derived>& L) {
  return 2.0 * L.diagonal().array().log().sum();
}

/// Eigen-decomposition A = U diag(lambda) U' of a symmetric n x n matrix: Householder reflections
/// to tridiagonal form, then implicit QL steps (Golub & Van Loan, section 8.3). A and U are padded
/// panels; A is destroyed. lambda (n entries) is unordered; `work` has padded(n) rows and 3
/// columns. Does not allocate. False if A holds NaN or infinity, or the steps do not converge.
template <int N>
[[nodiscard]] bool symmetric_eigen(int size, tile::Output A, tile::Output U, double* lambda,
                                   tile::Output work) {
  const int n = tile::size<N>(size);
  double largest = 0.0;
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < n; ++i) {
      const double entry = std::abs(*A.at(i, j).data);
      if (!std::isfinite(entry)) return false;
      if (entry > largest) largest = entry;
    }
    for (int i = 0; i < tile::padded(n); ++i) *U.at(i, j).data = i == j ? 1.0 : 0.0;
    lambda[j] = 0.0;
  }
  if (largest < std::numeric_limits<double>::min()) return true;
  const double scale = 1.0 / largest;  // squares below neither overflow nor vanish
  for (int j = 0; j < n; ++j) {
    double* column = A.at(0, j).data;
    for (int i = 0; i < tile::padded(n); ++i) column[i] = i < n ? column[i] * scale : 0.0;
  }

  double* e = work.data;  // the subdiagonal
  double* v = work.at(0, 1).data;
  double* p = work.at(0, 2).data;
  for (int k = 0; k + 1 < n; ++k) {
    const double* column = A.at(0, k).data;
    for (int i = 0; i < tile::padded(n); ++i) v[i] = i > k ? column[i] : 0.0;
    const double head = v[k + 1];
    v[k + 1] = 0.0;
    const double tail = tile::dot(n, v, v);
    e[k] = head;
    if (tail == 0.0) continue;
    const double norm = std::sqrt(head * head + tail);
    e[k] = head >= 0.0 ? -norm : norm;
    v[k + 1] = head - e[k];
    const double beta = 1.0 / (norm * (norm + std::abs(head)));  // 2 / v'v
    // A <- H A H, U <- U H with H = I - beta v v'.
    for (int i = 0; i < tile::padded(n); ++i) p[i] = 0.0;
    for (int j = k + 1; j < n; ++j) tile::add_scaled(n, p, beta * v[j], A.at(0, j).data);
    tile::add_scaled(n, p, -0.5 * beta * tile::dot(n, p, v), v);
    for (int j = k + 1; j < n; ++j) {
      tile::add_scaled(n, A.at(0, j).data, -p[j], v);
      tile::add_scaled(n, A.at(0, j).data, -v[j], p);
    }
    for (int i = 0; i < tile::padded(n); ++i) p[i] = 0.0;
    for (int j = k + 1; j < n; ++j) tile::add_scaled(n, p, v[j], U.at(0, j).data);
    for (int j = k + 1; j < n; ++j) tile::add_scaled(n, U.at(0, j).data, -beta * v[j], p);
  }
  for (int j = 0; j < n; ++j) lambda[j] = *A.at(j, j).data;
  e[n - 1] = 0.0;

  constexpr double epsilon = 0.5 * std::numeric_limits<double>::epsilon();
  constexpr int max_steps = 60;  // for one eigenvalue; two are normal
  for (int l = 0; l < n; ++l) {
    for (int step = 0;; ++step) {
      int m = l;
      while (m + 1 < n &&
             std::abs(e[m]) > epsilon * (std::abs(lambda[m]) + std::abs(lambda[m + 1])))
        ++m;
      if (m == l) break;
      if (step == max_steps) return false;
      double g = 0.5 * (lambda[l + 1] - lambda[l]) / e[l];
      g = lambda[m] - lambda[l] + e[l] / (g + std::copysign(std::sqrt(1.0 + g * g), g));
      double sine = 1.0;
      double cosine = 1.0;
      double shift = 0.0;
      int i = m - 1;
      for (; i >= l; --i) {
        const double f = sine * e[i];
        const double b = cosine * e[i];
        const double r = std::sqrt(f * f + g * g);
        e[i + 1] = r;
        if (r == 0.0) break;
        const double inverse = 1.0 / r;
        sine = f * inverse;
        cosine = g * inverse;
        g = lambda[i + 1] - shift;
        const double h = (lambda[i] - g) * sine + 2.0 * cosine * b;
        shift = sine * h;
        lambda[i + 1] = g + shift;
        g = cosine * h - b;
        tile::rotate(n, U.at(0, i).data, U.at(0, i + 1).data, cosine, sine);
      }
      if (i >= l) {  // decoupled there
        lambda[i + 1] -= shift;
      } else {
        lambda[l] -= shift;
        e[l] = g;
      }
      e[m] = 0.0;
    }
  }
  for (int j = 0; j < n; ++j) lambda[j] *= largest;
  return true;
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
