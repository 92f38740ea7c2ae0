#pragma once
/// Eigen aliases with `int` dimensions. Everything in the library is `double`.

#include <Eigen/Core>
#include <limits>

// Eigen's own heap alignment depends on -march. The compiled part of pilqr and the program that
// links it exchange Eigen objects, so the two must agree; a mismatch would corrupt the heap.
#if defined(PILQR_EIGEN_MAX_ALIGN_BYTES)
static_assert(EIGEN_MAX_ALIGN_BYTES == PILQR_EIGEN_MAX_ALIGN_BYTES,
              "pilqr was built with other vector instructions than this program: build both with "
              "the same -march flags");
#endif

/// Trajectory-centric reinforcement learning.
namespace pilqr {

/// A size that is known at run time only.
inline constexpr int Dynamic = Eigen::Dynamic;

/// No bound; what a number that overflowed becomes.
inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// Rows x Cols, column-major; either may be Dynamic.
template <int Rows, int Cols>
using Matrix = Eigen::Matrix<double, Rows, Cols>;
/// A column of Size entries.
template <int Size>
using Vector = Eigen::Matrix<double, Size, 1>;

using MatrixX = Matrix<Dynamic, Dynamic>;  ///< sizes known at run time
using VectorX = Vector<Dynamic>;           ///< size known at run time
using VectorRef = Eigen::Ref<VectorX>;     ///< a vector, or a part of one, of the caller's
using MatrixRef = Eigen::Ref<MatrixX>;     ///< a matrix, or a block of one, of the caller's
/// A vector to read; a copy if it has another layout.
using ConstVectorRef = Eigen::Ref<const VectorX>;
/// A matrix to read; a copy if it has another layout.
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

/// Rows of an Eigen object, as int.
template <class Derived>
int rows(const Eigen::EigenBase<Derived>& m) {
  return static_cast<int>(m.rows());
}
/// Columns of an Eigen object, as int.
template <class Derived>
int cols(const Eigen::EigenBase<Derived>& m) {
  return static_cast<int>(m.cols());
}

}  // namespace pilqr
