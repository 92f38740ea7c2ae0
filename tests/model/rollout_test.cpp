// Batches of rollouts and quadratic costs as values.

#include "pilqr/model/rollout.hpp"

#include <gtest/gtest.h>

#include "pilqr/model/quadratic.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::Random;

TEST(Rollouts, CostToGoIsTheSumOfWhatFollows) {
  for (const int T : {1, 2, 9}) {
    const MatrixX cost = Random(4).matrix(3, T);
    const MatrixX to_go = cost_to_go(cost);
    ASSERT_EQ(cols(to_go), T);
    for (int i = 0; i < 3; ++i) {
      for (int t = 0; t < T; ++t) {
        double sum = 0.0;
        for (int j = t; j < T; ++j) sum += cost(i, j);
        EXPECT_NEAR(to_go(i, t), sum, 1e-14);
      }
    }
    Rollouts<> r(T, 3, 2, 1);
    r.cost = cost;
    EXPECT_TRUE(close(r.total_cost(), to_go.col(0), 1e-14));
  }
  MatrixX nan = MatrixX::Ones(1, 3);
  nan(0, 1) = std::nan("");
  EXPECT_TRUE(std::isnan(cost_to_go(nan)(0, 0)));
  EXPECT_EQ(cost_to_go(nan)(0, 2), 1.0);
}

TEST(Rollouts, ValidationComparesShapes) {
  const Rollouts<> good(4, 3, 2, 1);
  EXPECT_NO_THROW(require_valid(good));
  EXPECT_EQ(good.steps(), 4);
  EXPECT_EQ(good.samples(), 3);
  EXPECT_EQ(good.nx(), 2);
  EXPECT_EQ(good.nu(), 1);
  const auto refused = [&](const auto& spoil) {
    Rollouts<> r = good;
    spoil(r);
    EXPECT_THROW(require_valid(r), InvalidArgument);
  };
  refused([](auto& r) { r = Rollouts<>(); });
  refused([](auto& r) { r = Rollouts<>(4, 0, 2, 1); });
  refused([](auto& r) { r = Rollouts<>(0, 3, 2, 1); });
  refused([](auto& r) { r.u.resize(3, 1, 3); });
  refused([](auto& r) { r.u.resize(4, 1, 2); });
  refused([](auto& r) { r.xi.resize(5, 1, 3); });
  refused([](auto& r) { r.xi.resize(4, 1, 4); });
  refused([](auto& r) { r.xi.resize(4, 2, 3); });
  refused([](auto& r) { r.cost.resize(4, 3); });
  refused([](auto& r) { r.cost.resize(3, 5); });
}

template <int Nx, int Nu>
void expect_quadratic(int nx, int nu) {
  Random random(6);
  const auto cost = random.cost<Nx, Nu>(3, nx, nu);
  EXPECT_EQ(cost.steps(), 3);
  EXPECT_EQ(cost.nx(), nx);
  EXPECT_EQ(cost.nu(), nu);
  const Vector<joint_size<Nx, Nu>> y = random.vector(nx + nu);
  for (int t = 0; t < 3; ++t) {
    double expected = cost.c0(t);
    for (int i = 0; i < nx + nu; ++i) {
      expected += cost.c[t](i) * y(i);
      for (int j = 0; j < nx + nu; ++j) expected += 0.5 * y(i) * cost.C[t](i, j) * y(j);
    }
    EXPECT_NEAR(cost(t, y), expected, 1e-13);
  }
}

TEST(QuadraticCost, IsTheSumOfItsTerms) {
  expect_quadratic<3, 2>(3, 2);
  expect_quadratic<Dynamic, Dynamic>(2, 4);
  expect_quadratic<1, 1>(1, 1);
}

}  // namespace
}  // namespace pilqr
