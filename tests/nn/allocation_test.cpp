/// Networks do not allocate once their workspace has its size. malloc is counted, because
/// EIGEN_RUNTIME_NO_MALLOC does not see what is compiled into the library.

#include <gtest/gtest.h>

#include "pilqr/nn/adam.hpp"
#include "pilqr/nn/mlp.hpp"
#include "pilqr/nn/network_policy.hpp"
#include "pilqr/nn/normalisation.hpp"
#include "support/count_allocations.hpp"
#include "support/random_problem.hpp"

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

TEST(NnAllocation, TheCounterCounts) {
  double sum = 0.0;
  EXPECT_GE(allocations_of([&] { sum += VectorX::Ones(1000).eval().sum(); }), 1);
  EXPECT_EQ(sum, 2000.0);
}

TEST(NnAllocation, Mlp) {
  test::Random random(1);
  for (const std::vector<int>& hidden : {std::vector<int>{}, {100}, {30, 31, 8}}) {
    RandomStream stream({.seed = 1});
    Mlp net({26, hidden, 7}, stream);
    const MatrixX x = random.matrix(26, 25);
    const MatrixX v = random.matrix(7, 25);
    MatrixX y(7, 25);
    MatrixX dx(26, 25);
    VectorX one(7);
    VectorX gradient(net.parameter_count());
    AdamState adam(net.parameter_count());
    const Normalisation normalisation = fit_normalisation(x);
    MlpWorkspace ws;
    EXPECT_EQ(allocations_of([&] {
                normalisation.apply(x, dx);
                net.forward(dx, ws, y);
                net.backward(ws, v, gradient);
                net.backward_inputs(ws, v, dx);
                net.tangent(ws, gradient, y);
                net.tangent_inputs(ws, dx, y);
                net.forward(x.leftCols(3), ws, y.leftCols(3));  // fewer points
                net.backward(ws, v.leftCols(3), gradient);
                net.evaluate(x.col(2), ws, one);
                EXPECT_TRUE(adam_step(gradient, {}, adam, net.parameters()).ok());
              }),
              0);
  }
}

TEST(NnAllocation, MeanWithAWorkspace) {
  RandomStream stream({.seed = 2});
  const NetworkPolicy policy({26, {100, 100}, 7}, stream);
  test::Random random(2);
  const MatrixX x = random.matrix(26, 300);
  NetworkPolicy::Workspace workspace;
  MatrixX many;
  MatrixX few;
  MatrixX one;
  EXPECT_EQ(allocations_of([&] {
              policy.mean(x, many, workspace);
              policy.mean(x.leftCols(5), few, workspace);
              policy.mean(x.col(7), one, workspace);
            }),
            0);
}

TEST(NnAllocation, Act) {
  RandomStream stream({.seed = 2});
  NetworkPolicy policy({26, {100, 100}, 7}, stream);
  test::Random random(2);
  const VectorX x = random.vector(26);
  const MatrixX xi = random.matrix(7, 3);
  VectorX u(7);
  EXPECT_EQ(allocations_of([&] { policy.act(0, x, xi.col(1), u); }), 0);
  const Vector<26> fixed_x = x;
  Vector<7> fixed_u;
  EXPECT_EQ(allocations_of([&] { policy.act(0, fixed_x, xi.col(1), fixed_u); }), 0);
  EXPECT_EQ(u, fixed_u);
}

#else

TEST(NnAllocation, Mlp) {
  GTEST_SKIP() << "malloc cannot be counted in this build";
}

#endif

}  // namespace
}  // namespace pilqr
