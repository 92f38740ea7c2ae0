// backward/{fixed,dynamic}/NXxNU/T: one LQR backward sweep (K, k and covariance factors).
// lqr_flm_update/{fixed,dynamic}/NXxNU/T: forward marginals, sweep and duals, KL bounded per step.
// act/{fixed,dynamic}/NXxNU: one noiseless control.
#include <benchmark/benchmark.h>

#include "pilqr/update/lqr/lqr_flm.hpp"
#include "problems.hpp"

namespace pilqr::bench {
namespace {

constexpr int T = 100;
constexpr int N = 20;

template <int Nx, int Nu>
void backward(benchmark::State& state, int nx, int nu) {
  const Problem<Nx, Nu> p(T, N, nx, nu);
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
void update(benchmark::State& state, int nx, int nu) {
  const Problem<Nx, Nu> p(T, N, nx, nu);
  const VectorX kl_step = VectorX::Constant(T, 0.3);
  for (auto _ : state) {
    const auto result = lqr_flm_update(p.dynamics, p.cost, p.policy, p.start, kl_step);
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
void add() {
  const std::string size = std::to_string(Nx) + "x" + std::to_string(Nu);
  const std::string horizon = "/" + std::to_string(T);
  using benchmark::RegisterBenchmark;
  const auto us = benchmark::kMicrosecond;
  const auto name = [&](const char* what) { return what + size + horizon; };
  RegisterBenchmark(name("backward/fixed/").c_str(), backward<Nx, Nu>, Nx, Nu)->Unit(us);
  RegisterBenchmark(name("backward/dynamic/").c_str(), backward<Dynamic, Dynamic>, Nx, Nu)
      ->Unit(us);
  RegisterBenchmark(name("lqr_flm_update/fixed/").c_str(), update<Nx, Nu>, Nx, Nu)->Unit(us);
  RegisterBenchmark(name("lqr_flm_update/dynamic/").c_str(), update<Dynamic, Dynamic>, Nx, Nu)
      ->Unit(us);
  RegisterBenchmark(("act/fixed/" + size).c_str(), act<Nx, Nu>, Nx, Nu);
  RegisterBenchmark(("act/dynamic/" + size).c_str(), act<Dynamic, Dynamic>, Nx, Nu);
}

}  // namespace

void add_backward() {
  add<4, 2>();
  add<12, 4>();
  add<26, 7>();
  add<32, 6>();
  add<64, 16>();
}

}  // namespace pilqr::bench
