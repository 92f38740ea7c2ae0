#pragma once
/// Quadratic cost models.

#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// A quadratic cost per step in ABSOLUTE coordinates: 1/2 y' C_t y + c_t' y + c0_t, y = [x; u],
/// t = 0..T-1.
template <int Nx = Dynamic, int Nu = Dynamic>
struct QuadraticCost {
  static constexpr int Ny = joint_size<Nx, Nu>;  ///< entries of y

  Sequence<Ny, Ny> C;  ///< Hessian, ny x ny, symmetric
  Sequence<Ny> c;      ///< linear term, ny
  VectorX c0;          ///< constant, one entry per step

  QuadraticCost() = default;
  /// C and c are unset, c0 is zero.
  QuadraticCost(int steps, int nx, int nu)
      : C(steps, nx + nu, nx + nu), c(steps, nx + nu), c0(VectorX::Zero(steps)), nx_(nx) {}

  /// The horizon T, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return C.steps(); }
  [[nodiscard]] int nx() const { return nx_; }
  [[nodiscard]] int nu() const { return C.rows() - nx_; }
  ///@}

  /// The cost of y = [x; u] at step t.
  template <class Y>
  [[nodiscard]] double operator()(int t, const Y& y) const {
    const auto Ct = C[t];
    double value = c0(t) + c[t].dot(y);
    for (Eigen::Index j = 0; j < y.size(); ++j) value += 0.5 * y(j) * Ct.col(j).dot(y);
    return value;
  }

 private:
  int nx_ = Nx == Dynamic ? 0 : Nx;
};

/// QuadraticCost of any compile-time sizes, to read; see SequenceView.
struct CostModelView {
  /// Those of the cost.
  ///@{
  SequenceView<> C, c;
  const VectorX& c0;
  ///@}

  /// The cost must outlive it.
  template <int Nx, int Nu>
  CostModelView(const QuadraticCost<Nx, Nu>& cost)  // NOLINT: a view
      : C(cost.C), c(cost.c), c0(cost.c0), nx_(cost.nx()) {}
  /// The horizon T, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return C.steps(); }
  [[nodiscard]] int nx() const { return nx_; }
  [[nodiscard]] int nu() const { return C.rows() - nx_; }
  ///@}

 private:
  int nx_;
};

}  // namespace pilqr
