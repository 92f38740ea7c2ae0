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
  Rollouts(int steps, int samples, int nx, int nu)
      : x(steps, nx, samples),
        u(steps, nu, samples),
        xi(steps, nu, samples),
        cost(MatrixX::Zero(samples, steps)) {}

  /// The horizon T, number of samples N, entries of the state and of the control.
  [[nodiscard]] int steps() const { return x.steps(); }
  [[nodiscard]] int samples() const { return x.cols(); }
  [[nodiscard]] int nx() const { return x.rows(); }
  [[nodiscard]] int nu() const { return u.rows(); }

  /// Total cost of each sample, N.
  [[nodiscard]] VectorX total_cost() const { return cost.rowwise().sum(); }
};

/// Cost-to-go S_{i,t} = sum over j >= t of cost_{i,j}, the S of PILQR17 eq. 2 and 4; N x T like its
/// argument.
inline MatrixX cost_to_go(const MatrixX& cost) {
  MatrixX sum = cost;
  for (Eigen::Index t = sum.cols() - 2; t >= 0; --t) sum.col(t) += sum.col(t + 1);
  return sum;
}

/// Throws InvalidArgument unless the shapes of the parts agree and there is at least one sample.
template <int Nx, int Nu>
void require_valid(const Rollouts<Nx, Nu>& r) {
  const int T = r.steps();
  const int N = r.samples();
  require(T >= 1 && N >= 1, "rollouts with {} steps and {} samples", T, N);
  require(r.u.steps() == T && r.u.cols() == N, "rollouts: u is {} steps of {} samples, x {} of {}",
          r.u.steps(), r.u.cols(), T, N);
  require(r.xi.steps() == T && r.xi.cols() == N && r.xi.rows() == r.u.rows(),
          "rollouts: xi is {} steps of {}x{}, u {} of {}x{}", r.xi.steps(), r.xi.rows(),
          r.xi.cols(), T, r.u.rows(), N);
  require(rows(r.cost) == N && cols(r.cost) == T, "rollouts: cost is {}x{}, expected {}x{} (N x T)",
          rows(r.cost), cols(r.cost), N, T);
}

}  // namespace pilqr
