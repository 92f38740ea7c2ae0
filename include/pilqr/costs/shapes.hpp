#pragma once
/// Shape checks that the cost terms share. Cheap enough for every call, so that a cost for another
/// system throws instead of reading out of bounds.

#include <limits>

#include "pilqr/core/check.hpp"
#include "pilqr/model/concepts.hpp"

namespace pilqr {

/// Throws InvalidArgument unless `out` has the shape of [x; u].
inline void require_fits(const CostExpansion& out, const ConstVectorRef& x,
                         const ConstVectorRef& u) {
  const Eigen::Index ny = x.size() + u.size();
  require(out.nx == x.size() && out.gradient.size() == ny && out.hessian.rows() == ny &&
              out.hessian.cols() == ny,
          "cost expansion: nx = {}, gradient of {}, Hessian {}x{}, but x has {} and u {} entries",
          out.nx, out.gradient.size(), out.hessian.rows(), out.hessian.cols(), x.size(), u.size());
}

/// Throws InvalidArgument unless x has the entries start .. start + size - 1.
inline void require_slice(const char* what, int start, Eigen::Index size, const ConstVectorRef& x) {
  require(start + size <= x.size(), "{}: entries {} to {} of a state with {} entries", what, start,
          start + size - 1, x.size());
}

/// The entry of step t; 1 if `multipliers` is empty. Throws InvalidArgument if there is none.
inline double multiplier_at(const char* what, const VectorX& multipliers, int t) {
  if (multipliers.size() == 0) return 1.0;
  require(t >= 0 && t < multipliers.size(), "{}: step {}, but there are multipliers for {} steps",
          what, t, multipliers.size());
  return multipliers(t);
}

/// Throws InvalidArgument unless every entry is finite and not negative.
inline void require_weights(const char* what, const char* which, const VectorX& values) {
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    require(values(i) >= 0.0 && values(i) <= std::numeric_limits<double>::max(),
            "{}: {} {} is {}, expected a finite number >= 0", what, which, i, values(i));
  }
}

}  // namespace pilqr
