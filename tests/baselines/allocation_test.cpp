/// More steps of the gradient loops allocate no more. malloc is counted, because
/// EIGEN_RUNTIME_NO_MALLOC does not see what is compiled into the library.

#include <gtest/gtest.h>

#include "baselines/baseline_problem.hpp"
#include "support/count_allocations.hpp"

namespace pilqr {
namespace {

#if defined(PILQR_TEST_COUNTS_MALLOC)

/// malloc calls made by `call`, after one call to warm up.
template <class Call>
long allocations_of(const Call& call) {
  call();
  const long before = test::allocations;
  call();
  return test::allocations - before;
}

TEST(BaselineAllocation, TrustRegionStep) {
  RandomStream stream({.seed = 1});
  test::Random random(2);
  DiagonalGaussian policy{Mlp({.inputs = 3, .hidden = {8, 8}, .outputs = 2}, stream),
                          VectorX::Zero(2)};
  const PolicyBatch batch{random.matrix(3, 40), random.matrix(2, 40), random.vector(40)};
  TrustRegion region;
  EXPECT_EQ(allocations_of([&] { EXPECT_TRUE(region.step(policy, batch).ok()); }), 0);
}

TEST(BaselineAllocation, ValueFunctionEpochs) {
  test::Random random(3);
  const MatrixX z = random.matrix(3, 70);
  const VectorX returns = random.vector(70);
  const auto count = [&](int epochs) {
    RandomStream stream({.seed = 1});
    ValueFunction value(3, {.hidden = {8}, .epochs = epochs, .batch = 16}, stream);
    return allocations_of([&] { EXPECT_TRUE(value.fit(z, returns, stream).ok()); });
  };
  EXPECT_EQ(count(2), count(20));
}

TEST(BaselineAllocation, DdpgUpdates) {
  const Rollouts<> rollouts = test::random_rollouts(4);
  const auto count = [&](double updates_per_step, bool twin) {
    DdpgOptions options = twin ? test::small_ddpg_options() : DdpgOptions::plain();
    options.start_steps = 1;
    options.updates_per_step = updates_per_step;
    Ddpg ddpg = test::small_ddpg(options);
    const std::vector<RolloutsView> views{rollouts};
    return allocations_of([&] { EXPECT_TRUE(ddpg.update(views, test::training_stream(0)).ok()); });
  };
  EXPECT_EQ(count(1.0, true), count(5.0, true));
  EXPECT_EQ(count(1.0, false), count(5.0, false));
}

#else

TEST(BaselineAllocation, DdpgUpdates) {
  GTEST_SKIP() << "malloc cannot be counted in this build";
}

#endif

}  // namespace
}  // namespace pilqr
