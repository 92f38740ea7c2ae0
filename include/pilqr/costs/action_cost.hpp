#pragma once
/// A quadratic cost of the control.

#include "pilqr/model/concepts.hpp"

namespace pilqr {

/// Either `weights` or `R`.
struct ActionCostOptions {
  VectorX weights{};  ///< nu, >= 0: the diagonal of R
  MatrixX R{};        ///< nu x nu, symmetric
};

/// 1/2 u'Ru. Throws InvalidArgument from the constructor if not exactly one of the options is given
/// or an entry is out of range, and from a call if u has another size. Calls do not allocate.
class ActionCost {
 public:
  /// Throws InvalidArgument, see above.
  explicit ActionCost(const ActionCostOptions& options);

  /// 1/2 u'Ru.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const;
  /// Exact: adds weight times value and derivatives.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const;

  /// nu x nu.
  [[nodiscard]] const MatrixX& R() const { return R_; }

 private:
  MatrixX R_;  // nu x nu, exactly symmetric
};

}  // namespace pilqr
