#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/costs/cost_sum.hpp"

namespace pilqr {

CostSum& CostSum::add(double weight, const AnyCost& cost) {
  require(std::isfinite(weight), "cost sum: weight {} is {}, expected a finite number", size(),
          weight);
  terms_.push_back({weight, cost});
  return *this;
}

double CostSum::operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
  double sum = 0.0;
  for (const Term& term : terms_) sum += term.weight * term.cost(t, x, u);
  return sum;
}

void CostSum::expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
                     CostExpansion& out) const {
  for (const Term& term : terms_) term.cost.expand(t, x, u, weight * term.weight, out);
}

}  // namespace pilqr
