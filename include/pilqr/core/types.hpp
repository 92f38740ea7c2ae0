#pragma once
/// Eigen aliases with `int` dimensions. Everything in the library is `double`.

#include <Eigen/Core>

// Eigen's own heap alignment depends on -march. The compiled part of pilqr and the program that
// links it exchange Eigen objects, so the two must agree; a mismatch would corrupt the heap.
#if defined(PILQR_EIGEN_MAX_ALIGN_BYTES)
static_assert(EIGEN_MAX_ALIGN_BYTES == PILQR_EIGEN_MAX_ALIGN_BYTES,
              "pilqr was built with other vector instructions than this program: build both with "
              "the same -march flags");
#endif

namespace pilqr {

/// A size that is known at run time only.
inline constexpr int Dynamic = Eigen::Dynamic;

template <int Rows, int Cols>
using Matrix = Eigen::Matrix<double, Rows, Cols>;
template <int Size>
using Vector = Eigen::Matrix<double, Size, 1>;

using MatrixX = Matrix<Dynamic, Dynamic>;
using VectorX = Vector<Dynamic>;
using VectorRef = Eigen::Ref<VectorX>;
using MatrixRef = Eigen::Ref<MatrixX>;
using ConstVectorRef = Eigen::Ref<const VectorX>;
using ConstMatrixRef = Eigen::Ref<const MatrixX>;

/// Sum of two compile-time sizes; Dynamic if either is.
constexpr int sum_sizes(int a, int b) {
  return a == Dynamic || b == Dynamic ? Dynamic : a + b;
}

/// Size of y = [x; u].
template <int Nx, int Nu>
inline constexpr int joint_size = sum_sizes(Nx, Nu);

/// True if a matrix of compile-time size `Fixed` can hold `n` rows or columns.
constexpr bool fits(int Fixed, Eigen::Index n) {
  return Fixed == Dynamic || Fixed == n;
}

/// Rows and columns of an Eigen object, as int.
template <class Derived>
int rows(const Eigen::EigenBase<Derived>& m) {
  return static_cast<int>(m.rows());
}
template <class Derived>
int cols(const Eigen::EigenBase<Derived>& m) {
  return static_cast<int>(m.cols());
}

}  // namespace pilqr
