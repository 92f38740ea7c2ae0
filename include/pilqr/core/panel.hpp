#pragma once
/// Buffers for tiles.

#include <type_traits>

#include "pilqr/core/tile.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// A column-major Rows x Cols matrix of which every column begins at a multiple of tile::padding
/// numbers, so that tiles may read and write whole vectors, from any row on: there is padding
/// behind the last column as well. Sized once; starts as zeros.
template <int Rows = Dynamic, int Cols = Dynamic>
class Panel {
 public:
  Panel() = default;
  /// Zeros; sizes are not checked.
  Panel(int rows, int cols)
      : rows_(rows),
        cols_(cols),
        data_(VectorX::Zero(Eigen::Index{tile::padded(rows)} * cols + tile::padding)) {}

  [[nodiscard]] int rows() const { return rows_; }  ///< without padding
  [[nodiscard]] int cols() const { return cols_; }  ///< without padding
  /// Numbers from column to column: the rows with padding.
  [[nodiscard]] PILQR_ALWAYS_INLINE int stride() const {
    return tile::padded(tile::size<Rows>(rows_));
  }
  /// Column 0, row 0.
  [[nodiscard]] PILQR_ALWAYS_INLINE double* data() { return data_.data(); }
  /// Column 0, row 0.
  [[nodiscard]] PILQR_ALWAYS_INLINE const double* data() const { return data_.data(); }

  /// Entry (i, j); not checked.
  PILQR_ALWAYS_INLINE double& operator()(int i, int j = 0) {
    return data()[i + Eigen::Index{j} * stride()];
  }
  /// Entry (i, j); not checked.
  PILQR_ALWAYS_INLINE double operator()(int i, int j = 0) const {
    return data()[i + Eigen::Index{j} * stride()];
  }

  /// From row i and column j on.
  [[nodiscard]] PILQR_ALWAYS_INLINE tile::Input at(int i, int j) const {
    return {data() + i + Eigen::Index{j} * stride(), stride()};
  }

  /// All of it, for a tile to read.
  PILQR_ALWAYS_INLINE operator tile::Input() const { return at(0, 0); }  // NOLINT: a view

  /// All of it, for a tile to write.
  PILQR_ALWAYS_INLINE operator tile::Output() {  // NOLINT: a view
    return {data(), stride()};
  }

  /// A map of the matrix without padding.
  [[nodiscard]] auto matrix() {
    return Map<Matrix<Rows, Cols>>(data(), rows_, cols_, MapStride(stride()));
  }
  /// A map of the matrix without padding.
  [[nodiscard]] auto matrix() const {
    return Map<const Matrix<Rows, Cols>>(data(), rows_, cols_, MapStride(stride()));
  }

 private:
  /// Eigen stores a single row by rows: its inner stride leads from column to column.
  using MapStride =
      std::conditional_t<Rows == 1 && Cols != 1, Eigen::InnerStride<>, Eigen::OuterStride<>>;
  template <class M>
  using Map = Eigen::Map<M, 0, MapStride>;

  int rows_ = 0;
  int cols_ = 0;
  VectorX data_;
};

/// Gives a panel another shape, with zeros; leaves it alone if it has the shape.
inline void size_panel(Panel<>& panel, int rows, int cols) {
  if (panel.rows() != rows || panel.cols() != cols) panel = Panel<>(rows, cols);
}

/// Both triangles of the n x n `out` from the lower one of a panel.
template <int N, class Out>
void copy_symmetric(int n, const Panel<N, N>& lower, Out&& out) {
  for (int j = 0; j < n; ++j) {
    for (int i = j; i < n; ++i) out(i, j) = out(j, i) = lower(i, j);
  }
}

}  // namespace pilqr
