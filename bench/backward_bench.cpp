// backward/{fixed,dynamic}/NXxNU/T: one LQR backward sweep (K, k and covariance factors); more of
// them with dynamic sizes for the growth with T and nx.
// lqr_flm_update/{fixed,dynamic}/NXxNU/T: forward marginals, sweep and duals, KL bounded per step.
// act/{fixed,dynamic}/NXxNU: one noiseless control.
// backward_eigen/{fixed,dynamic}/NXxNU/T: the same sweep as idiomatic Eigen, to compare with.
// This file is compiled once for dynamic sizes, and with PILQR_BENCH_NX and PILQR_BENCH_NU once for
// each fixed size.
#include <benchmark/benchmark.h>

#include "pilqr/update/lqr/lqr_flm.hpp"
#include "problems.hpp"
#include "support/eigen_lqr.hpp"

namespace pilqr::bench {
namespace {

constexpr int T = 100;
constexpr int N = 20;

template <int Nx, int Nu>
void backward(benchmark::State& state, int nx, int nu, int steps) {
  const Problem<Nx, Nu> p(steps, N, nx, nu);
  SweepWorkspace<Nx, Nu> ws(nx, nu);
  LinearGaussianPolicy<Nx, Nu> out = p.policy;
  for (auto _ : state) {
    const auto status = backward_max_entropy(p.dynamics, p.cost, p.policy, 0.0, 1.0, ws, out);
    if (!status.ok()) state.SkipWithError("not positive definite");
    benchmark::DoNotOptimize(out.K.flat().data());
    benchmark::ClobberMemory();
  }
}

template <int Nx, int Nu>
void backward_eigen(benchmark::State& state, int nx, int nu) {
  const Problem<Nx, Nu> p(T, N, nx, nu);
  test::EigenLqr<Nx, Nu> lqr(nx, nu);
  LinearGaussianPolicy<Nx, Nu> out = p.policy;
  for (auto _ : state) {
    if (!lqr.backward(p.dynamics, p.cost, out)) state.SkipWithError("not positive definite");
    benchmark::DoNotOptimize(out.K.flat().data());
    benchmark::ClobberMemory();
  }
}

template <int Nx, int Nu>
void update(benchmark::State& state, int nx, int nu) {
  const Problem<Nx, Nu> p(T, N, nx, nu);
  const VectorX kl_step = VectorX::Constant(T, 0.3);
  StateMarginals<Nx, Nu> states;
  LqrFlmWorkspace<Nx, Nu> workspace;
  for (auto _ : state) {
    state_marginals(p.dynamics, p.policy, p.start, states);
    const auto result =
        lqr_flm_update(p.dynamics, p.cost, p.policy, states, kl_step, {}, 1.0, workspace);
    if (!result.ok()) state.SkipWithError(result.failure.message().c_str());
    benchmark::DoNotOptimize(result.policy.K.flat().data());
  }
}

template <int Nx, int Nu>
void act(benchmark::State& state, int nx, int nu) {
  const Problem<Nx, Nu> p(T, N, nx, nu);
  const Vector<Nx> x = p.rollouts.x[0].col(0);
  Vector<Nu> u(nu);
  int t = 0;
  for (auto _ : state) {
    p.policy.mean(t, x, u);
    benchmark::DoNotOptimize(u.data());
    benchmark::ClobberMemory();
    t = t + 1 < T ? t + 1 : 0;
  }
}

template <int Nx, int Nu>
void add(const char* kind, int nx, int nu) {
  using benchmark::RegisterBenchmark;
  const auto us = benchmark::kMicrosecond;
  const std::string size = fmt::format("/{}/{}x{}", kind, nx, nu);
  const std::string horizon = fmt::format("{}/{}", size, T);
  RegisterBenchmark(("backward" + horizon).c_str(), backward<Nx, Nu>, nx, nu, T)->Unit(us);
  RegisterBenchmark(("backward_eigen" + horizon).c_str(), backward_eigen<Nx, Nu>, nx, nu)->Unit(us);
  RegisterBenchmark(("lqr_flm_update" + horizon).c_str(), update<Nx, Nu>, nx, nu)->Unit(us);
  RegisterBenchmark(("act" + size).c_str(), act<Nx, Nu>, nx, nu);
}

}  // namespace

#if defined(PILQR_BENCH_NX)

const bool added = [] {
  add<PILQR_BENCH_NX, PILQR_BENCH_NU>("fixed", PILQR_BENCH_NX, PILQR_BENCH_NU);
  return true;
}();

#else

void add_backward() {
  for (const auto& [nx, nu] : {std::pair{4, 2}, {12, 4}, {26, 7}, {32, 6}, {64, 16}}) {
    add<Dynamic, Dynamic>("dynamic", nx, nu);
  }
  const auto grow = [](int nx, int nu, int steps) {
    const std::string name = fmt::format("backward/dynamic/{}x{}/{}", nx, nu, steps);
    benchmark::RegisterBenchmark(name.c_str(), backward<Dynamic, Dynamic>, nx, nu, steps)
        ->Unit(benchmark::kMicrosecond);
  };
  for (const int steps : {25, 50, 200, 400, 800}) grow(26, 7, steps);
  for (const int nx : {8, 16, 24, 32, 40, 48, 56, 64, 80, 96}) grow(nx, 8, T);
}

#endif

}  // namespace pilqr::bench
