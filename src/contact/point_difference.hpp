#pragma once
/// A residual of the systems with contact.

#include "pilqr/core/types.hpp"

namespace pilqr::contact {

/// The point at entry `a` of the state minus the point at entry `b`.
struct PointDifference {
  int a = 0;
  int b = 0;
  [[nodiscard]] int size() const { return 2; }
  void operator()(int /*t*/, const ConstVectorRef& x, const ConstVectorRef& /*u*/,
                  VectorRef d) const {
    d = x.segment<2>(a) - x.segment<2>(b);
  }
  void jacobian(int /*t*/, const ConstVectorRef& /*x*/, const ConstVectorRef& /*u*/,
                MatrixRef J) const {
    J.block<2, 2>(0, a).setIdentity();
    J.block<2, 2>(0, b).diagonal().setConstant(-1.0);
  }
  void add_second_derivatives(int /*t*/, const ConstVectorRef& /*x*/, const ConstVectorRef& /*u*/,
                              const ConstVectorRef& /*g*/, MatrixRef /*H*/) const {}
};

}  // namespace pilqr::contact
