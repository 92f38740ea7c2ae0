#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/costs/norm.hpp"

namespace pilqr {

void require_valid(const NormOptions& options, const char* what) {
  require(options.l1 >= 0.0 && std::isfinite(options.l1),
          "{}: l1 is {}, expected a finite number >= 0", what, options.l1);
  require(options.l2 >= 0.0 && std::isfinite(options.l2),
          "{}: l2 is {}, expected a finite number >= 0", what, options.l2);
  require(options.alpha >= 0.0 && std::isfinite(options.alpha),
          "{}: alpha is {}, expected a finite number >= 0", what, options.alpha);
  require(options.alpha > 0.0 || options.l1 == 0.0,
          "{}: alpha is 0 with l1 = {}: the norm has no derivatives at its minimum", what,
          options.l1);
}

}  // namespace pilqr
