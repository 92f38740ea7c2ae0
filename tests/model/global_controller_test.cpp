// A global policy as an actor: its rollouts by hand, on copies, and misuse.

#include "pilqr/model/global_controller.hpp"

#include <gtest/gtest.h>

#include "optimizers/linear_problem.hpp"
#include "support/golden.hpp"
#include "support/linear_global_policy.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::kNu;
using test::kNx;
using test::LinearGlobalPolicy;

static_assert(Actor<GlobalController<LinearGlobalPolicy>>);
static_assert(!Actor<const GlobalController<LinearGlobalPolicy>>, "it has a buffer");
static_assert(Actor<const LinearGaussianPolicy<4, 2>>);
static_assert(!Actor<LinearGlobalPolicy>, "it has no horizon");

LinearGlobalPolicy random_policy() {
  test::Random random(8);
  LinearGlobalPolicy policy(kNx, kNu);
  policy.A = 0.2 * random.matrix(kNu, kNx);
  policy.b = random.vector(kNu);
  policy.set_covariance(random.positive_definite(kNu, 0.3));
  return policy;
}

/// An executor that gives every piece of work its own worker.
struct WorkerPerPiece {
  template <class MakeWorker>
  void run(int count, MakeWorker&& make_worker) const {
    for (int i = count - 1; i >= 0; --i) make_worker()(i);
  }
};

TEST(GlobalController, RolloutsAreThoseOfTheSameTimeVaryingPolicy) {
  constexpr int T = 5;
  const auto policy = random_policy();
  LinearGaussianPolicy<> same(T, kNx, kNu);
  for (int t = 0; t < T; ++t) {
    same.K[t] = policy.A;
    same.k[t] = policy.b;
    same.L[t] = policy.covariance().llt().matrixL();
  }
  auto system = test::stable_system();
  const auto cost = test::convex_cost();
  const SampleOptions options{.samples = 6, .seed = 2};
  const auto expected = sample(system, cost, same, options);
  WorkerPerPiece workers;
  const auto batch = sample(system, cost, GlobalController(policy, T), options, workers);
  ASSERT_TRUE(batch.ok() && expected.ok());
  EXPECT_TRUE(close(batch.rollouts.x, expected.rollouts.x, 1e-13));
  EXPECT_TRUE(close(batch.rollouts.u, expected.rollouts.u, 1e-13));
  EXPECT_TRUE(batch.rollouts.xi == expected.rollouts.xi);
  EXPECT_TRUE(close(batch.rollouts.cost, expected.rollouts.cost, 1e-12));
}

TEST(GlobalController, SeesTheObservation) {
  auto policy = random_policy();
  const Observation observation{.H = MatrixX::Ones(1, kNx), .h = VectorX::Constant(1, 2.0)};
  policy.A.conservativeResize(kNu, kNx + 1);
  policy.A.col(kNx) << 0.5, -1.0;
  GlobalController controller(policy, 3, observation);
  EXPECT_EQ(controller.nx(), kNx);
  const VectorX x = test::Random(2).vector(kNx);
  VectorX o(kNx + 1);
  o << x, x.sum() + 2.0;
  VectorX u(kNu);
  controller.act(1, x, VectorX::Zero(kNu), u);
  EXPECT_TRUE(close(u, policy.A * o + policy.b, 1e-14));
}

TEST(GlobalController, MisuseThrows) {
  auto policy = random_policy();
  EXPECT_THROW(GlobalController(policy, 0), InvalidArgument);
  EXPECT_THROW(GlobalController(policy, 3, {.h = VectorX::Ones(kNx)}), InvalidArgument);
  EXPECT_THROW(GlobalController(policy, 3, {.h = VectorX::Constant(1, std::nan(""))}),
               InvalidArgument);
  policy.set_covariance(-MatrixX::Identity(kNu, kNu));
  EXPECT_THROW(GlobalController(policy, 3), InvalidArgument);
  policy.set_covariance(MatrixX::Identity(kNu + 1, kNu + 1));
  EXPECT_THROW(GlobalController(policy, 3), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
