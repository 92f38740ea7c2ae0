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

void add_dynamic(int nx, int nu) {
  using benchmark::RegisterBenchmark;
  const std::string size = fmt::format("{}x{}", nx, nu);
  const auto us = benchmark::kMicrosecond;
  RegisterBenchmark(fmt::format("backward/dynamic/{}/{}", size, T).c_str(),
                    backward<Dynamic, Dynamic>, nx, nu)
      ->Unit(us);
  RegisterBenchmark(fmt::format("lqr_flm_update/dynamic/{}/{}", size, T).c_str(),
                    update<Dynamic, Dynamic>, nx, nu)
      ->Unit(us);
  RegisterBenchmark(fmt::format("act/dynamic/{}", size).c_str(), act<Dynamic, Dynamic>, nx, nu);
}

template <int Nx, int Nu>
void add_fixed() {
  using benchmark::RegisterBenchmark;
  const std::string size = fmt::format("{}x{}", Nx, Nu);
  const auto us = benchmark::kMicrosecond;
  RegisterBenchmark(fmt::format("backward/fixed/{}/{}", size, T).c_str(), backward<Nx, Nu>, Nx, Nu)
      ->Unit(us);
  RegisterBenchmark(fmt::format("lqr_flm_update/fixed/{}/{}", size, T).c_str(), update<Nx, Nu>, Nx,
                    Nu)
      ->Unit(us);
  RegisterBenchmark(fmt::format("act/fixed/{}", size).c_str(), act<Nx, Nu>, Nx, Nu);
}

}  // namespace

// Larger fixed sizes take minutes and gigabytes to compile as plain Eigen expressions.
void add_backward() {
  add_fixed<4, 2>();
  add_dynamic(4, 2);
  add_dynamic(12, 4);
  add_dynamic(26, 7);
  add_dynamic(32, 6);
  add_dynamic(64, 16);
}

}  // namespace pilqr::bench
