#pragma once
/// A batch of rollouts of one condition.

#include "pilqr/core/check.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// N rollouts of T steps. Per time step the samples stand in columns, so that fitting at t reads
/// one contiguous block.
template <int Nx = Dynamic, int Nu = Dynamic>
struct Rollouts {
  Sequence<Nx, Dynamic> x;   ///< states, nx x N per step
  Sequence<Nu, Dynamic> u;   ///< controls as the policy gave them, nu x N per step
  Sequence<Nu, Dynamic> xi;  ///< unit-variance noise that was used, nu x N per step
  MatrixX cost;              ///< sampled costs, N x T

  Rollouts() = default;
  /// The entries are unset, the costs are zero.
  Rollouts(int steps, int samples, int nx, int nu)
      : x(steps, nx, samples),
        u(steps, nu, samples),
        xi(steps, nu, samples),
        cost(MatrixX::Zero(samples, steps)) {}

  /// The horizon T, number of samples N, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return x.steps(); }
  [[nodiscard]] int samples() const { return x.cols(); }
  [[nodiscard]] int nx() const { return x.rows(); }
  [[nodiscard]] int nu() const { return u.rows(); }
  ///@}

  /// Total cost of each sample, N.
  [[nodiscard]] VectorX total_cost() const { return cost.rowwise().sum(); }
};

/// Rollouts of any compile-time sizes, to read; see SequenceView.
struct RolloutsView {
  /// Those of the rollouts.
  ///@{
  SequenceView<> x, u, xi;
  const MatrixX& cost;
  ///@}

  /// The rollouts must outlive it.
  template <int Nx, int Nu>
  RolloutsView(const Rollouts<Nx, Nu>& r)  // NOLINT: a view
      : x(r.x), u(r.u), xi(r.xi), cost(r.cost) {}
  /// The horizon T, number of samples N, entries of the state and of the control.
  ///@{
  [[nodiscard]] int steps() const { return x.steps(); }
  [[nodiscard]] int samples() const { return x.cols(); }
  [[nodiscard]] int nx() const { return x.rows(); }
  [[nodiscard]] int nu() const { return u.rows(); }
  ///@}
};

/// Cost-to-go S_{i,t} = sum over j >= t of cost_{i,j}, the S of PILQR17 eq. 2 and 4; N x T like its
/// argument.
[[nodiscard]] MatrixX cost_to_go(const MatrixX& cost);

/// Throws InvalidArgument unless the shapes of the parts agree and there is at least one sample.
void require_valid(const RolloutsView& rollouts);

}  // namespace pilqr
