#include <cmath>
#include <utility>

#include "pilqr/costs/region_cost.hpp"
#include "pilqr/costs/shapes.hpp"

namespace pilqr {

RegionCost::RegionCost(RegionCostOptions options) : options_(std::move(options)) {
  const RegionCostOptions& o = options_;
  require(o.start >= 0, "region cost: first entry {}", o.start);
  require(o.center.size() >= 1 && o.center.allFinite(),
          "region cost: a center of {} entries, expected at least one, all finite",
          o.center.size());
  require(o.radius >= 0.0 && std::isfinite(o.radius),
          "region cost: radius is {}, expected a finite number >= 0", o.radius);
  require(std::isfinite(o.inside) && std::isfinite(o.outside),
          "region cost: {} inside and {} outside, expected finite numbers", o.inside, o.outside);
}

double RegionCost::operator()(int /*t*/, const ConstVectorRef& x,
                              const ConstVectorRef& /*u*/) const {
  const RegionCostOptions& o = options_;
  require_slice("region cost", o.start, o.center.size(), x);
  double distance = 0.0;
  for (Eigen::Index i = 0; i < o.center.size(); ++i) {
    distance += std::abs(x(o.start + i) - o.center(i));
  }
  if (std::isnan(distance)) return distance;
  return distance <= o.radius ? o.inside : o.outside;
}

void RegionCost::expand(int /*t*/, const ConstVectorRef& x, const ConstVectorRef& u,
                        double /*weight*/, CostExpansion& out) const {
  require_slice("region cost", options_.start, options_.center.size(), x);
  require_fits(out, x, u);
}

}  // namespace pilqr
