#pragma once
/// A reward that is there or not.

#include "pilqr/model/concepts.hpp"

namespace pilqr {

/// A ball of the l1 norm in a slice of the state, and what it costs to be in it.
struct RegionCostOptions {
  int start = 0;         ///< first state entry of the slice
  VectorX center{};      ///< n, the slice is x(start .. start + n - 1)
  double radius = 0.0;   ///< l1 distance, units of the state; the border is inside
  double inside = -1.0;  ///< cost inside
  double outside = 0.0;  ///< cost outside
};

/// `inside` where sum_i |x_i - center_i| <= radius, else `outside`; NaN for a NaN state. It has no
/// useful derivatives, so its expansion adds nothing, the value included: only the sampled cost
/// sees it (PILQR17 section 4.3, the residual cost).
///
/// Throws InvalidArgument from the constructor for bad options, and from a call if the state is too
/// short. Calls do not allocate.
class RegionCost {
 public:
  /// Throws InvalidArgument, see above.
  explicit RegionCost(RegionCostOptions options);

  /// `inside` or `outside`.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const;
  /// Adds nothing.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const;

  /// As they were given.
  [[nodiscard]] const RegionCostOptions& options() const { return options_; }

 private:
  RegionCostOptions options_;
};

}  // namespace pilqr
