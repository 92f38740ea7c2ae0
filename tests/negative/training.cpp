/// Compiles as it stands. Each MISTAKE_... macro breaks one promise of train/trainer.hpp, and then
/// it must not compile.
#include <vector>

#include "pilqr/pi2.hpp"
#include "pilqr/train/trainer.hpp"

namespace {

using pilqr::ConstVectorRef;
using pilqr::RandomStream;

/// x' = [u; u], written to vectors of any size.
struct Flexible {
  static constexpr int Nx = 4;
  static constexpr int Nu = 2;
  template <class X>
  void reset(int condition, RandomStream&, X& x) const {
    x.setConstant(condition);
  }
  template <class X, class U>
  void step(int, const X&, const U& u, RandomStream&, X& next) const {
    next.setConstant(u.sum());
  }
};

struct SquareCost {
  double operator()(int, const ConstVectorRef& x, const ConstVectorRef& u) const {
    return x.squaredNorm() + u.squaredNorm();
  }
  void expand(int, const ConstVectorRef&, const ConstVectorRef&, double,
              pilqr::CostExpansion&) const {}
};

}  // namespace

int main() {
#if defined(MISTAKE_POLICY_SIZE) || defined(MISTAKE_CALLBACK_SIZE)
  using Optimizer = pilqr::Pi2<6, 2>;
#else
  using Optimizer = pilqr::Pi2<4, 2>;
#endif
#if defined(MISTAKE_POLICY_SIZE)
  const pilqr::TrainCallbacks<6, 2> callbacks;
#else
  const pilqr::TrainCallbacks<4, 2> callbacks;
#endif
  Flexible system;
  const std::vector<SquareCost> costs(1);
  std::vector<Optimizer> optimizers;
  pilqr::SerialExecutor serial;
  pilqr::train(system, costs, optimizers, {}, callbacks, serial);
#ifndef MISTAKE_POLICY_SIZE
  pilqr::train(system, costs, optimizers, {});
#endif
}
