/// Compiles as it stands. Each MISTAKE_... macro breaks one promise of model/concepts.hpp or
/// model/sample.hpp, and then it must not compile.
#include <memory>

#include "pilqr/model/sample.hpp"

namespace {

using pilqr::CostExpansion;
using pilqr::RandomStream;
using pilqr::Vector;

/// x' = x + [u; u].
struct Walk {
  static constexpr int Nx = 4;
  static constexpr int Nu = 2;
#ifndef MISTAKE_NO_RESET
  void reset(int condition, RandomStream&, Vector<4>& x) const {
    x.setConstant(condition);
  }
#endif
  void step(int, const Vector<4>& x, const Vector<2>& u, RandomStream&, Vector<4>& next) const {
    next << x.head<2>() + u, x.tail<2>() + u;
  }
};

struct SquareCost {
  double operator()(int, const pilqr::ConstVectorRef& x, const pilqr::ConstVectorRef& u) const {
    return x.squaredNorm() + u.squaredNorm();
  }
#ifndef MISTAKE_NO_EXPAND
  void expand(int, const pilqr::ConstVectorRef&, const pilqr::ConstVectorRef&, double,
              CostExpansion&) const {}
#endif
};

/// A system that owns a resource, so that it moves but does not copy.
struct OwningWalk : Walk {
  std::unique_ptr<int> handle;
};

/// An executor that, unlike SerialExecutor, gives every piece of work its own worker.
struct WorkerPerPiece {
  template <class MakeWorker>
  void run(int count, MakeWorker&& make_worker) const {
    for (int i = 0; i < count; ++i) make_worker()(i);
  }
};

}  // namespace

int main() {
#ifdef MISTAKE_POLICY_SIZE
  using Policy = pilqr::LinearGaussianPolicy<6, 2>;
#else
  using Policy = pilqr::LinearGaussianPolicy<4, 2>;
#endif
  const Policy policy(3, 4, 2);
  const SquareCost cost;
  const pilqr::SampleOptions options;

  Walk walk;
  WorkerPerPiece workers;
  pilqr::sample(walk, cost, policy, options, workers);

  OwningWalk owning;
  pilqr::sample(owning, cost, policy, options, workers);  // on the calling thread
  pilqr::sample(owning, cost, policy, options);
}
