// Point mass and reacher: golden trajectories and cost expansions, closed forms, independent
// mechanics.

#include <gtest/gtest.h>

#include <numbers>

#include "pilqr/systems/point_mass.hpp"
#include "pilqr/systems/reacher.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;
using systems::PointMass;
using systems::Reacher;
using test::Random;

static_assert(System<PointMass>);
static_assert(System<Reacher>);

/// The states under open-loop controls (nu x T), nx x T.
template <class S>
MatrixX trajectory(const S& system, int condition, const MatrixX& controls) {
  RandomStream stream({});
  MatrixX states(S::Nx, controls.cols());
  Vector<S::Nx> x;
  Vector<S::Nx> next;
  system.reset(condition, stream, x);
  for (int t = 0; t < cols(controls); ++t) {
    states.col(t) = x;
    system.step(t, x, Vector<S::Nu>(controls.col(t)), stream, next);
    x = next;
  }
  return states;
}

template <class S>
Vector<S::Nx> step(const Vector<S::Nx>& x, const Vector<S::Nu>& u) {
  RandomStream stream({});
  Vector<S::Nx> next;
  S().step(0, x, u, stream, next);
  return next;
}

/// Cost and derivatives of one case against the file. The file's state may have more entries: row i
/// of `picks` says which of the file's entries stand for state entry i in X and in lx.
struct Pick {
  int in_state;
  int in_gradient;
};
void expect_costs(const CostSum& cost, const MatrixX& states, const MatrixX& controls,
                  const Json& expected, const std::vector<Pick>& picks) {
  const int nx = rows(states);
  const int nu = rows(controls);
  const MatrixX lx = golden::matrix(expected.at("lx")).transpose();
  const MatrixX lu = golden::matrix(expected.at("lu")).transpose();
  VectorX costs(states.cols());
  for (int t = 0; t < cols(states); ++t) {
    const VectorX x = states.col(t);
    const VectorX u = controls.col(t);
    costs(t) = cost(t, x, u);
    CostExpansion e(nx, nu);
    cost.expand(t, x, u, 1.0, e);
    VectorX gradient(nx + nu);
    for (int i = 0; i < nx; ++i)
      gradient(i) = lx(picks[static_cast<std::size_t>(i)].in_gradient, t);
    gradient.tail(nu) = lu.col(t);
    EXPECT_TRUE(close(e.gradient, gradient, 1e-9, 1e-3)) << "step " << t;
    if (!expected.contains("lxx")) continue;
    const MatrixX lxx = golden::matrix(expected.at("lxx").at(static_cast<std::size_t>(t)));
    MatrixX hessian = MatrixX::Zero(nx + nu, nx + nu);
    for (int i = 0; i < nx; ++i) {
      for (int j = 0; j < nx; ++j) {
        hessian(i, j) = lxx(picks[static_cast<std::size_t>(i)].in_gradient,
                            picks[static_cast<std::size_t>(j)].in_gradient);
      }
    }
    hessian.bottomRightCorner(nu, nu) =
        golden::matrix(expected.at("luu").at(static_cast<std::size_t>(t)));
    EXPECT_TRUE(close(e.hessian, hessian, 1e-9)) << "step " << t;
  }
  EXPECT_TRUE(close(costs, golden::vector(expected.at("cost")), 1e-9));
  EXPECT_TRUE(close(costs.sum(), expected.at("total_cost").get<double>(), 1e-9));
}

template <class S>
void expect_golden(const std::string& file_name, const CostSum& cost,
                   const std::vector<Pick>& picks) {
  const Json file = golden::load(file_name);
  for (const std::string key : {"random", "smooth", "constant"}) {
    SCOPED_TRACE(key);
    const MatrixX controls = golden::matrix(file.at("inputs").at(key).at("U")).transpose();
    const Json& expected = file.at("outputs").at(key);
    const MatrixX X = golden::matrix(expected.at("X")).transpose();
    MatrixX want(S::Nx, X.cols());
    for (int i = 0; i < S::Nx; ++i)
      want.row(i) = X.row(picks[static_cast<std::size_t>(i)].in_state);
    ASSERT_EQ(cols(want), S::steps);
    const MatrixX states = trajectory(S(), 0, controls);
    for (int i = 0; i < S::Nx; ++i) {
      EXPECT_TRUE(close(states.row(i), want.row(i), 1e-9, 1e-3)) << "state entry " << i;
    }
    expect_costs(cost, states, controls, expected, picks);
  }
}

TEST(PointMass, Golden) {
  // The file's state is [q, v, p(3), dp(3)] with p = q in the plane; its cost depends on p.
  expect_golden<PointMass>("o_env_disc", PointMass::cost(), {{0, 4}, {1, 5}, {2, 2}, {3, 3}});
}

TEST(Reacher, Golden) {
  std::vector<Pick> same;
  for (int i = 0; i < 8; ++i) same.push_back({i, i});
  expect_golden<Reacher>("o_env_reacher", Reacher::cost(0), same);
}

TEST(Reacher, GoldenInitialPolicy) {
  const Json file = golden::load("o_env_reacher");
  const auto expected = golden::policy<8, 2>(file.at("outputs").at("init_policy"));
  const auto policy = Reacher::initial_policy();
  require_valid(policy, "initial policy");
  EXPECT_TRUE(close(policy.K, expected.K, 1e-9, 1e-6));
  EXPECT_TRUE(close(policy.k, expected.k, 1e-9, 1e-6));
  EXPECT_TRUE(close(policy.L, expected.L, 1e-9));
}

TEST(PointMass, GoldenInitialPolicy) {
  // The file's state has six more entries, whose gains are zero.
  const Json file = golden::load("m_init");
  const auto expected = golden::policy<Dynamic, Dynamic>(file.at("outputs").at("lqr_disc_cost"));
  const auto policy = PointMass::initial_policy();
  ASSERT_EQ(policy.steps(), expected.steps());
  for (int t = 0; t < policy.steps(); ++t) {
    EXPECT_TRUE(close(policy.K[t], expected.K[t].leftCols(4), 1e-9, 1e-6));
    EXPECT_LT(expected.K[t].rightCols(6).norm(), 1e-12);
    EXPECT_TRUE(close(policy.k[t], expected.k[t], 1e-9, 1e-6));
    EXPECT_TRUE(close(policy.L[t], expected.L[t], 1e-9));
  }
}

TEST(PointMass, Mass) {
  // Cylinder of radius 0.1 m and height 0.02 m, sphere of radius 0.1 m, 1000 kg/m^3.
  EXPECT_NEAR(PointMass::mass(), 0.2 * std::numbers::pi + 4.0 / 3.0 * std::numbers::pi, 1e-12);
  EXPECT_NEAR(PointMass::mass(), 4.8171087, 1e-6);
}

TEST(PointMass, IsTheClosedFormOfItsRecursion) {
  // Implicit damping: v_n = f/b + r^n (v_0 - f/b) with r = m / (m + h b), p_n = p_0 + h sum v_k.
  const double h = 0.01;
  const double m = PointMass::mass();
  const double r = m / (m + h);
  const Vector<2> force(0.7, -0.4);
  const MatrixX states = trajectory(PointMass(), 0, force.replicate(1, 100));
  for (const int t : {1, 2, 17, 99}) {
    const int n = 5 * t;
    const double decay = std::pow(r, n);
    const Vector<2> v = (1.0 - decay) * force;
    const Vector<2> p = Vector<2>(1.0, 0.0) + h * (n - r * (1.0 - decay) / (1.0 - r)) * force;
    EXPECT_TRUE(close(states.col(t).tail(2), v, 1e-12));
    EXPECT_TRUE(close(states.col(t).head(2), p, 1e-12));
  }
}

TEST(PointMass, ForceIsClippedAndDampingBrakes) {
  Vector<4> x(0.3, -0.2, 0.8, -1.5);
  EXPECT_EQ(step<PointMass>(x, {5.0, -7.0}), step<PointMass>(x, {1.0, -1.0}));
  EXPECT_NE(step<PointMass>(x, {0.9, -1.0}), step<PointMass>(x, {1.0, -1.0}));
  for (int t = 0; t < 50; ++t) {
    const Vector<4> next = step<PointMass>(x, {0.0, 0.0});
    EXPECT_LT(next.tail<2>().norm(), x.tail<2>().norm());
    EXPECT_GT(next.tail<2>().dot(x.tail<2>()), 0.0);
    x = next;
  }
  // The terminal velocity is force over damping.
  for (int t = 0; t < 4000; ++t) x = step<PointMass>(x, {0.5, -3.0});
  EXPECT_TRUE(close(x.tail<2>(), Vector<2>(0.5, -1.0), 1e-12));
}

TEST(PointMass, RegionPaysAndHasNoDerivatives) {
  const CostSum cost = PointMass::cost();
  const VectorX u = VectorX::Zero(2);
  const Vector<4> inside(2.5, 0.7, 9.0, 9.0);
  const Vector<4> outside(2.7, 0.7, 9.0, 9.0);  // l1 distance 0.4
  EXPECT_NEAR(cost(0, inside, u), 0.5 * (0.25 + 0.49) - 30.0, 1e-12);
  EXPECT_NEAR(cost(0, outside, u), 0.5 * (0.09 + 0.49), 1e-12);
  CostExpansion e(4, 2);
  cost.expand(0, inside, u, 1.0, e);
  EXPECT_NEAR(e.value, 0.5 * (0.25 + 0.49), 1e-12);
  EXPECT_TRUE(close(e.gradient.head(2), Vector<2>(-0.5, 0.7), 1e-12));
  EXPECT_TRUE(e.gradient.tail(4).isZero(0.0));
}

}  // namespace
}  // namespace pilqr
