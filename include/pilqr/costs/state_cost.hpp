#pragma once
/// A norm of part of the state minus a target.

#include "pilqr/costs/norm.hpp"
#include "pilqr/model/concepts.hpp"

namespace pilqr {

/// The slice x(start .. start + n - 1) and what it should be; n is the number of rows of `target`.
struct StateCostOptions {
  int start = 0;          ///< first entry of the slice
  MatrixX target{};       ///< n x 1: one target; n x T: waypoints, one column per step
  VectorX weights{};      ///< n, >= 0; empty: ones
  VectorX multipliers{};  ///< T, >= 0, see ramp_multipliers; empty: 1 at every step
  NormOptions norm{};     ///< of x_slice - target_t
};

/// norm(x_slice - target_t) with the weights multiplied by the multiplier of step t. Under a
/// multiplier of zero the derivatives vanish and the norm's constant remains. Several slices: a
/// CostSum of several StateCosts.
///
/// Throws InvalidArgument from the constructor if the options are inconsistent, and from a call if
/// the state is too short or t has no target or multiplier. Calls do not allocate.
class StateCost {
 public:
  /// Throws InvalidArgument, see above.
  explicit StateCost(StateCostOptions options);

  /// The norm at step t.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const;
  /// Adds weight times the value and the exact derivatives.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const;

  /// As they were given, empty weights as ones.
  [[nodiscard]] const StateCostOptions& options() const { return options_; }

 private:
  [[nodiscard]] Eigen::Index target_column(int t) const;

  StateCostOptions options_;
};

}  // namespace pilqr
