// A system behind AnySystem moves as it does by itself; copies are independent; sizes are checked.

#include "pilqr/model/any_system.hpp"

#include <gtest/gtest.h>

#include "pilqr/model/sample.hpp"
#include "pilqr/systems/point_mass.hpp"
#include "pilqr/systems/reacher.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using systems::PointMass;
using systems::Reacher;
using test::Random;

static_assert(System<AnySystem>);
static_assert(std::is_copy_constructible_v<AnySystem>);

/// Remembers how often it was moved and draws noise; sizes are known as the type says.
template <int Nx_, int Nu_>
struct Counter {
  static constexpr int Nx = Nx_;
  static constexpr int Nu = Nu_;
  int moves = 0;

  void reset(int condition, RandomStream& stream, Vector<Nx>& x) {
    moves = 0;
    x.setConstant(condition + stream.uniform());
  }
  void step(int t, const Vector<Nx>& x, const Vector<Nu>& u, RandomStream& stream,
            Vector<Nx>& next) {
    ++moves;
    next = x.array() + u.sum() + 10.0 * moves + 0.1 * t + stream.normal();
  }
};

/// nx x T under open-loop controls, nu x T.
template <class S>
MatrixX trajectory(S& system, int nx, int condition, const MatrixX& controls) {
  RandomStream stream({.seed = 7});
  MatrixX states(nx, controls.cols());
  Vector<S::Nx> x(nx);
  Vector<S::Nx> next(nx);
  system.reset(condition, stream, x);
  for (int t = 0; t < cols(controls); ++t) {
    states.col(t) = x;
    system.step(t, x, Vector<S::Nu>(controls.col(t)), stream, next);
    x = next;
  }
  return states;
}

template <class S>
void expect_same(S system, int nx, int nu, int condition) {
  AnySystem any(system, nx, nu);
  EXPECT_EQ(any.nx(), nx);
  EXPECT_EQ(any.nu(), nu);
  const MatrixX controls = Random(5).matrix(nu, 40);
  const MatrixX direct = trajectory(system, nx, condition, controls);
  EXPECT_EQ(direct, trajectory(any, nx, condition, controls));
  EXPECT_EQ(direct, trajectory(any, nx, condition, controls));  // reset starts again
}

TEST(AnySystem, TrajectoriesAreIdentical) {
  expect_same(PointMass(), 4, 2, 0);
  expect_same(Reacher(), 8, 2, 3);
  expect_same(Counter<Dynamic, Dynamic>(), 3, 2, 1);
  expect_same(Counter<Dynamic, 2>(), 3, 2, 1);
  expect_same(Counter<1, 1>(), 1, 1, 2);
}

TEST(AnySystem, CopiesAreIndependent) {
  RandomStream stream({});
  const VectorX u = VectorX::Zero(2);
  VectorX x;
  VectorX a;
  VectorX b;
  AnySystem first{Counter<3, 2>()};
  first.reset(0, stream, x);
  first.step(0, x, u, stream, a);
  AnySystem second = first;  // moved once
  AnySystem third{PointMass()};
  third = first;
  third = *&third;
  EXPECT_EQ(third.nx(), 3);
  for (int t = 1; t < 4; ++t) first.step(t, x, u, stream, a);
  const auto moved_twice = [&](AnySystem& system) {
    RandomStream one({.seed = 1});
    RandomStream same({.seed = 1});
    Counter<3, 2> counter{.moves = 1};
    Vector<3> expected;
    counter.step(1, Vector<3>(x), Vector<2>(u), one, expected);
    system.step(1, x, u, same, b);
    return b == expected;
  };
  EXPECT_TRUE(moved_twice(second));
  EXPECT_TRUE(moved_twice(third));
  EXPECT_FALSE(moved_twice(first));
}

TEST(AnySystem, IsSampledLikeTheSystem) {
  AnySystem any{Reacher()};
  Reacher reacher;
  const auto fixed_policy = Reacher::initial_policy();
  LinearGaussianPolicy<> policy(fixed_policy.steps(), 8, 2);
  policy.K.flat() = fixed_policy.K.flat();
  policy.k.flat() = fixed_policy.k.flat();
  policy.L.flat() = fixed_policy.L.flat();
  const SampleOptions options{.samples = 3, .seed = 4, .condition = 1};
  const auto direct = sample(reacher, Reacher::cost(1), fixed_policy, options);
  const auto behind = sample(any, Reacher::cost(1), policy, options);
  ASSERT_TRUE(direct.ok());
  ASSERT_TRUE(behind.ok());
  // The policies' products may round differently.
  EXPECT_LT((direct.rollouts.x.flat() - behind.rollouts.x.flat()).cwiseAbs().maxCoeff(), 1e-10);
  EXPECT_LT((direct.rollouts.cost - behind.rollouts.cost).cwiseAbs().maxCoeff(), 1e-10);
  const auto refused =
      sample(any, Reacher::cost(0), policy, {.samples = 1, .seed = 4, .condition = 99});
  EXPECT_EQ(refused.failure.kind, FailureKind::system_error);
}

TEST(AnySystem, SizesAreChecked) {
  EXPECT_THROW(AnySystem(PointMass(), 5, 2), InvalidArgument);
  EXPECT_THROW(AnySystem(PointMass(), 4, 3), InvalidArgument);
  EXPECT_THROW(AnySystem(Counter<Dynamic, Dynamic>()), InvalidArgument);
  EXPECT_THROW(AnySystem(Counter<Dynamic, Dynamic>(), 0, 1), InvalidArgument);
  EXPECT_NO_THROW(AnySystem(Counter<Dynamic, Dynamic>(), 1, 1));
  AnySystem any{PointMass()};
  RandomStream stream({});
  VectorX next;
  EXPECT_THROW(any.step(0, VectorX::Zero(4), VectorX::Zero(3), stream, next), InvalidArgument);
  EXPECT_THROW(any.step(0, VectorX::Zero(3), VectorX::Zero(2), stream, next), InvalidArgument);
  EXPECT_NO_THROW(any.step(0, VectorX::Zero(4), VectorX::Zero(2), stream, next));
}

}  // namespace
}  // namespace pilqr
