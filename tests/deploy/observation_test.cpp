// A network that sees more than the state takes the state alone where it is deployed.

#include <gtest/gtest.h>

#include <limits>

#include "deploy/header_project.hpp"
#include "pilqr/deploy/controller.hpp"
#include "pilqr/deploy/header_export.hpp"
#include "pilqr/model/global_controller.hpp"
#include "pilqr/systems/task.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Expected;

constexpr int nx = 5;
constexpr int ne = 3;
constexpr int nu = 2;

NetworkPolicy network_of(int inputs, std::uint64_t seed = 3) {
  RandomStream stream({.seed = seed});
  test::Random random(seed);
  NetworkPolicy policy(Mlp({inputs, {12, 9}, nu}, stream, 1.0));
  policy.set_normalisation({random.vector(inputs), random.vector(inputs).cwiseAbs().array() + 0.3});
  policy.set_limits(Vector<nu>(-0.3, -5.0), Vector<nu>(0.3, 0.4));
  return policy;
}

/// All kinds: some entries of the state and a target, a target alone, nothing.
std::vector<Observation> observations() {
  test::Random random(5);
  return {{.H = random.matrix(ne, nx), .h = random.vector(ne)}, {.h = random.vector(ne)}, {}};
}

/// What the network gives at [x; H x + h], written out.
VectorX control_at(const NetworkPolicy& policy, const Observation& observation, const VectorX& x) {
  VectorX seen(nx + observation.extra());
  seen.head(nx) = x;
  for (int i = 0; i < observation.extra(); ++i) {
    seen(nx + i) = observation.h(i);
    if (observation.H.size() > 0) seen(nx + i) += observation.H.row(i).dot(x);
  }
  MatrixX u;
  policy.mean(seen, u);
  return u.col(0).cwiseMax(policy.lower()).cwiseMin(policy.upper());
}

TEST(Observed, AControllerTakesTheState) {
  test::Random random(6);
  for (const Observation& observation : observations()) {
    const NetworkPolicy policy = network_of(nx + observation.extra());
    Controller controller(policy, {.state_upper = VectorX::Constant(nx, 9.0)}, observation);
    EXPECT_EQ(controller.nx(), nx);
    EXPECT_EQ(controller.nu(), nu);
    Controller copy = controller;
    for (int call = 0; call < 50; ++call) {
      const VectorX x = random.vector(nx);
      VectorX u(nu), again(nu);
      ASSERT_TRUE(from_policy(controller.control(x, u)));
      EXPECT_TRUE(u.isApprox(control_at(policy, observation, x), 1e-13));
      ASSERT_TRUE(from_policy(copy.control(x, again)));
      EXPECT_EQ(u, again);
    }
    VectorX u(nu);
    VectorX x = VectorX::Ones(nx);
    x(2) = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(controller.control(x, u), ControlStatus::bad_state);
    EXPECT_EQ(controller.control(VectorX(VectorX::Ones(nx + ne)), u), ControlStatus::wrong_size);
  }
}

TEST(Observed, AHeaderTakesTheState) {
  test::Random random(7);
  for (const Observation& observation : observations()) {
    for (const bool single : {false, true}) {
      if (single && observation.H.size() == 0) continue;  // compile time
      const NetworkPolicy policy = network_of(nx + observation.extra());
      std::string input;
      std::vector<Expected> expected;
      for (int i = 0; i < 20; ++i) {
        VectorX x = random.vector(nx);
        if (single) x = x.cast<float>().cast<double>();
        expected.push_back(
            {0, control_at(policy, observation, x), VectorX::Constant(nu, single ? 3e-5 : 1e-12)});
        if (i == 13) x(3) = std::numeric_limits<double>::infinity();
        if (i == 13) expected.back() = {2, VectorX::Constant(nu, -77.0), VectorX::Zero(nu)};
        input += test::line_of(0, x);
      }
      const std::string header =
          to_c_header(policy, {.name = "arm", .single = single, .observation = observation});
      EXPECT_TRUE(test::contains(header, "#define ARM_NX 5\n"));
      EXPECT_EQ(test::contains(header, "o = [x; H x + h]"), observation.extra() > 0);
      test::expect_header(header, "", input, expected);
    }
  }
}

TEST(Observed, MisuseThrows) {
  const NetworkPolicy policy = network_of(nx + ne);
  const auto refused = [&](const Observation& observation) {
    EXPECT_THROW(Controller(policy, {}, observation), InvalidArgument);
    EXPECT_THROW((void)to_c_header(policy, {.observation = observation}), InvalidArgument);
  };
  refused({.h = VectorX::Zero(nx + ne)});
  refused({.H = MatrixX::Zero(ne, nx + 1), .h = VectorX::Zero(ne)});
  refused({.H = MatrixX::Zero(ne - 1, nx), .h = VectorX::Zero(ne)});
  refused({.h = VectorX::Constant(ne, std::numeric_limits<double>::quiet_NaN())});
  test::Random random(8);
  const auto varying = random.policy<Dynamic, Dynamic>(2, nx, nu);
  EXPECT_THROW((void)to_c_header(varying, {.observation = {.h = VectorX::Zero(1)}}),
               InvalidArgument);
}

// The line of docs/deploy.md.
TEST(Observed, OfATask) {
  const Task& task = find_task("reacher");
  const NetworkPolicy network = network_of(task.nx + 2);
  const ControllerOptions options;
  Controller controller(network, options, find_task("reacher").observation(2));
  EXPECT_EQ(controller.nx(), task.nx);
}

// What the loop of a task does with the network, and what the two above do.
TEST(Observed, IsWhatTheGlobalControllerSees) {
  const Observation observation = observations().front();
  const NetworkPolicy policy = network_of(nx + ne);
  GlobalController<NetworkPolicy> global(policy, 3, observation);
  const VectorX x = test::Random(9).vector(nx);
  VectorX u(nu), expected(nu);
  global.act(0, x, VectorX(VectorX::Zero(nu)), expected);
  Controller controller(policy, {}, observation);
  ASSERT_TRUE(from_policy(controller.control(x, u)));
  EXPECT_EQ(u, VectorX(expected.cwiseMax(policy.lower()).cwiseMin(policy.upper())));
}

}  // namespace
}  // namespace pilqr
