#pragma once
/// An optimiser whose updates fail when they are told to.

#include <set>
#include <utility>

#include "pilqr/pi2.hpp"

namespace pilqr::test {

/// PI2, but update number n of this object, from 0 on, fails if n is in `bad`.
class MoodyOptimizer {
 public:
  explicit MoodyOptimizer(LinearGaussianPolicy<> initial, std::set<int> bad = {}, int done = 0)
      : inner_(std::move(initial)), bad_(std::move(bad)), done_(done) {}

  [[nodiscard]] const LinearGaussianPolicy<>& policy() const { return inner_.policy(); }
  void restore(LinearGaussianPolicy<> policy) { inner_.restore(std::move(policy)); }
  void set_policy(LinearGaussianPolicy<> policy) { inner_.set_policy(std::move(policy)); }

  template <Cost C>
  UpdateReport update(const Rollouts<>& rollouts, const C& cost, const RandomStream& stream) {
    const int now = done_++;
    if (bad_.count(now) == 0) return inner_.update(rollouts, cost, stream);
    UpdateReport report;
    describe_samples(rollouts, report);
    return failed(report, {.kind = FailureKind::singular_fit, .step = 3, .value = 1.0 + now});
  }

 private:
  Pi2<> inner_;
  std::set<int> bad_;
  int done_;
};

}  // namespace pilqr::test
