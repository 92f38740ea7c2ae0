#pragma once
/// A trajectory of equally shaped matrices in one allocation.

#include <algorithm>
#include <limits>

#include "pilqr/core/check.hpp"
#include "pilqr/core/tile.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// T matrices of Rows x Cols, contiguous, each column-major or row-major; element t is an
/// Eigen::Map. A new sequence is filled with NaN in debug builds, so that a forgotten entry shows,
/// and with zeros otherwise. A few numbers of padding at the end let tiles (core/tile.hpp) read and
/// write the last column in whole vectors.
template <int Rows, int Cols = 1, int Order = Eigen::ColMajor>
class Sequence {
 public:
  /// Eigen knows a single row by rows only.
  using Element = Eigen::Matrix<double, Rows, Cols,
                                Rows == 1 && Cols != 1 ? static_cast<int>(Eigen::RowMajor) : Order>;
  using Map = Eigen::Map<Element>;             ///< an element to read and write
  using ConstMap = Eigen::Map<const Element>;  ///< an element to read

  Sequence() = default;
  /// As resize().
  Sequence(int steps, int rows, int cols = 1) { resize(steps, rows, cols); }

  /// Discards the contents. No allocation if the total size stays the same.
  void resize(int steps, int rows, int cols = 1) {
    require(steps >= 0 && rows >= 0 && cols >= 0, "a sequence of {} matrices {}x{}", steps, rows,
            cols);
    require(fits(Rows, rows) && fits(Cols, cols), "elements are {}x{}, the type says {}x{}", rows,
            cols, Rows, Cols);
    steps_ = steps;
    rows_ = rows;
    cols_ = cols;
    data_.resize(size() + tile::padding);
#ifdef NDEBUG
    data_.setZero();
#else
    data_.setConstant(std::numeric_limits<double>::quiet_NaN());
#endif
  }

  /// T, 0 before the first resize().
  [[nodiscard]] int steps() const {
    return steps_;
  }
  /// Of each element.
  [[nodiscard]] int rows() const {
    return rows_;
  }
  /// Of each element.
  [[nodiscard]] int cols() const {
    return cols_;
  }
  /// No steps.
  [[nodiscard]] bool empty() const {
    return steps_ == 0;
  }

  /// Element t; its range is checked by eigen_assert only.
  Map operator[](int t) {
    return Map(data_.data() + offset(t), rows_, cols_);
  }
  /// Element t; its range is checked by eigen_assert only.
  ConstMap operator[](int t) const {
    return ConstMap(data_.data() + offset(t), rows_, cols_);
  }

  /// All entries, t slowest.
  [[nodiscard]] Eigen::Map<VectorX> flat() {
    return {data_.data(), size()};
  }
  /// All entries, t slowest.
  [[nodiscard]] Eigen::Map<const VectorX> flat() const {
    return {data_.data(), size()};
  }

  /// All entries.
  void set_zero() {
    data_.setZero();
  }
  /// No entry is NaN or infinite; true if there is none.
  [[nodiscard]] bool all_finite() const {
    return flat().allFinite();
  }

  /// The first step with an entry that is NaN or infinite, or -1.
  [[nodiscard]] int first_non_finite_step() const {
    for (int t = 0; t < steps_; ++t) {
      if (!(*this)[t].allFinite()) return t;
    }
    return -1;
  }

  /// The same shape and equal entries; a NaN equals nothing.
  friend bool operator==(const Sequence& a, const Sequence& b) {
    return a.steps_ == b.steps_ && a.rows_ == b.rows_ && a.cols_ == b.cols_ &&
           std::equal(a.data_.data(), a.data_.data() + a.size(), b.data_.data());
  }

 private:
  [[nodiscard]] Eigen::Index size() const {
    return Eigen::Index{steps_} * rows_ * cols_;
  }
  [[nodiscard]] Eigen::Index offset(int t) const {
    eigen_assert(t >= 0 && t < steps_);
    return Eigen::Index{t} * rows_ * cols_;
  }

  VectorX data_;
  int steps_ = 0;
  int rows_ = Rows == Dynamic ? 0 : Rows;
  int cols_ = Cols == Dynamic ? 0 : Cols;
};

/// The elements of a sequence, whatever its compile-time sizes, to read: what is no matter of
/// nanoseconds takes views and is compiled once. The sequence must outlive it.
template <int Order = Eigen::ColMajor>
class SequenceView {
 public:
  /// An element to read.
  using Map = Eigen::Map<const Eigen::Matrix<double, Dynamic, Dynamic, Order>>;

  /// From any sequence of this order.
  template <int Rows, int Cols>
  SequenceView(const Sequence<Rows, Cols, Order>& s)  // NOLINT: a view
      : data_(s.flat().data()), steps_(s.steps()), rows_(s.rows()), cols_(s.cols()) {}

  [[nodiscard]] int steps() const { return steps_; }  ///< T
  [[nodiscard]] int rows() const { return rows_; }    ///< of each element
  [[nodiscard]] int cols() const { return cols_; }    ///< of each element

  /// Element t; its range is checked by eigen_assert only.
  Map operator[](int t) const {
    eigen_assert(t >= 0 && t < steps_);
    return Map(data_ + Eigen::Index{t} * rows_ * cols_, rows_, cols_);
  }
  /// All entries, t slowest.
  [[nodiscard]] Eigen::Map<const VectorX> flat() const {
    return {data_, Eigen::Index{steps_} * rows_ * cols_};
  }

 private:
  const double* data_;
  int steps_, rows_, cols_;
};

/// The same numbers with other compile-time sizes; InvalidArgument if they do not fit.
template <int ToRows, int ToCols, int Rows, int Cols, int Order>
Sequence<ToRows, ToCols, Order> convert(const Sequence<Rows, Cols, Order>& from) {
  Sequence<ToRows, ToCols, Order> to(from.steps(), from.rows(), from.cols());
  to.flat() = from.flat();
  return to;
}

}  // namespace pilqr
