/// Sweeps, duals and controls do not allocate once their buffers are sized, for fixed and dynamic
/// sizes. malloc is counted, because EIGEN_RUNTIME_NO_MALLOC does not see the templates that are
/// compiled into the library.

#include <gtest/gtest.h>

#include "pilqr/update/lqr/lqr_flm.hpp"
#include "pilqr/update/pi2/temperature.hpp"
#include "support/count_allocations.hpp"
#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

#if defined(PILQR_TEST_COUNTS_MALLOC)

using test::LqrProblem;
using test::Random;

/// malloc calls made by `call`, after one call to warm up.
template <class Call>
long allocations_of(const Call& call) {
  call();
  const long before = test::allocations;
  call();
  return test::allocations - before;
}

TEST(UpdateAllocation, TheCounterCounts) {
  double sum = 0.0;
  EXPECT_GE(allocations_of([&] { sum += VectorX::Ones(1000).eval().sum(); }), 1);
  EXPECT_GE(allocations_of([&] { sum += std::vector<double>(1000, 1.0)[7]; }), 1);
  EXPECT_EQ(sum, 2002.0);
}

template <int Nx, int Nu>
void check_sweeps(int nx, int nu) {
  constexpr int T = 5;
  for (const bool convex : {true, false}) {
    LqrProblem<Nx, Nu> p(1, T, nx, nu);
    if (!convex) p.make_indefinite(2);
    Marginals<Nx, Nu> all(T, nx, nu);
    StateMarginals<Nx, Nu> marginals(T, nx, nu);
    SweepWorkspace<Nx, Nu> ws(nx, nu);
    LinearGaussianPolicy<Nx, Nu> out(T, nx, nu);
    VectorX dual(T);
    VectorX kl(T);
    EXPECT_EQ(allocations_of([&] { forward_marginals(p.dynamics, p.reference, p.start, all); }), 0);
    EXPECT_EQ(allocations_of([&] { state_marginals(p.dynamics, p.reference, p.start, marginals); }),
              0);
    for (const double floor : {0.0, 0.8}) {
      ws.kl.min_variance_ratio = floor;
      EXPECT_EQ(allocations_of([&] {
                  const auto choose = [](int, const StepKl<Nu>& step) {
                    return solve_step_dual(step, 0.3, 1e-8);
                  };
                  EXPECT_TRUE(backward_per_step(p.dynamics, p.cost, p.reference, marginals, choose,
                                                ws, out, dual, kl)
                                  .ok());
                }),
                0);
      EXPECT_NEAR(kl.sum(), 0.3 * T, 1e-9);
    }
    for (const double kl_dual : {0.0, 1e3}) {
      SweepStatus status;
      EXPECT_EQ(allocations_of([&] {
                  status =
                      backward_max_entropy(p.dynamics, p.cost, p.reference, kl_dual, 1.0, ws, out);
                }),
                0);
      EXPECT_EQ(status.ok(), convex || kl_dual > 0.0);
    }
    EXPECT_EQ(allocations_of([&] {
                ws.kl.lambda.setLinSpaced(-1.0, 2.0);
                ws.kl.m.setConstant(0.4);
                for (const double step : {1e-6, 0.1, 10.0, 1e3}) {
                  EXPECT_TRUE(solve_step_dual(ws.kl, step, 1e-8).ok);
                }
              }),
              0);
    Vector<Nu> u(nu);
    const Vector<Nu> xi = Vector<Nu>::Ones(nu);
    EXPECT_EQ(allocations_of([&] {
                for (int t = 0; t < T; ++t) {
                  out.mean(t, p.start.mu, u);
                  out.act(t, p.start.mu, xi, u);
                }
              }),
              0);
    EXPECT_TRUE(u.allFinite());
  }
}

TEST(UpdateAllocation, SweepsFixedSizes) {
  check_sweeps<4, 2>(4, 2);
}
TEST(UpdateAllocation, SweepsDynamicSizes) {
  check_sweeps<Dynamic, Dynamic>(4, 2);
  check_sweeps<Dynamic, Dynamic>(26, 7);
}
TEST(UpdateAllocation, SweepsLargeFixedSizes) {
  check_sweeps<26, 7>(26, 7);
}

TEST(UpdateAllocation, TemperatureAndWeights) {
  Random random(3);
  const VectorX S = random.vector(20);
  VectorX w(20);
  double sum = 0.0;
  EXPECT_EQ(allocations_of([&] {
              const double temperature = optimize_temperature(S, {.kl_step = 0.5});
              path_integral_weights(S, temperature, w);
              sum += effective_samples(w) + kl_to_uniform(w);
            }),
            0);
  EXPECT_GT(sum, 1.0);
}

TEST(UpdateAllocation, Normals) {
  RandomStream stream({.seed = 4});
  VectorX z(1001);
  EXPECT_EQ(allocations_of([&] {
              stream.fill_normal(z);
              z(0) += stream.normal() + stream.uniform();
            }),
            0);
  EXPECT_TRUE(z.allFinite());
}

#else

TEST(UpdateAllocation, Sweeps) {
  GTEST_SKIP() << "malloc cannot be counted in this build";
}

#endif

}  // namespace
}  // namespace pilqr
