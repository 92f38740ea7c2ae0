// mlp_act/26x7/100x100: one control of a NetworkPolicy with 26 states, 7 controls and two hidden
// layers of 100 units. mlp_train/26x7/100x100/STEPS/BATCH: one call of train() on 5000 points, so
// many steps of Adam on so many points each. mlp_forward, mlp_gradient/26x7/100x100/POINTS: one
// batch.
#include <benchmark/benchmark.h>

#include "pilqr/nn/network_policy.hpp"
#include "support/random_problem.hpp"

namespace pilqr::bench {
namespace {

constexpr int nx = 26;
constexpr int nu = 7;
const MlpShape shape{nx, {100, 100}, nu};

void act(benchmark::State& state) {
  RandomStream stream(StreamKey{});
  NetworkPolicy policy(shape, stream);
  test::Random random(1);
  const VectorX x = random.vector(nx);
  const VectorX xi = random.vector(nu);
  VectorX u(nu);
  for (auto _ : state) {
    policy.act(0, x, xi, u);
    benchmark::DoNotOptimize(u.data());
    benchmark::ClobberMemory();
  }
}

void train(benchmark::State& state, int steps, int batch) {
  constexpr int P = 5000;
  constexpr int groups = 100;
  test::Random random(2);
  PolicyTargets targets{
      random.matrix(nx, P), random.matrix(nu, P), Sequence<Dynamic, Dynamic>(groups, nu, nu), {}};
  for (int g = 0; g < groups; ++g) targets.precision[g] = random.positive_definite(nu, 0.1);
  for (int p = 0; p < P; ++p) targets.group.push_back(p % groups);
  RandomStream stream(StreamKey{});
  const NetworkPolicy fresh(shape, stream, {.steps = steps, .batch = batch});
  for (auto _ : state) {
    NetworkPolicy policy = fresh;
    const Failure failure = policy.train(targets, stream);
    if (!failure.ok()) state.SkipWithError(failure.message().c_str());
  }
}

void batch(benchmark::State& state, int points, bool gradient) {
  RandomStream stream(StreamKey{});
  const Mlp network(shape, stream);
  test::Random random(3);
  const MatrixX x = random.matrix(nx, points);
  const MatrixX v = random.matrix(nu, points);
  MatrixX y(nu, points);
  VectorX g(network.parameter_count());
  MlpWorkspace workspace;
  for (auto _ : state) {
    network.forward(x, workspace, y);
    if (gradient) network.backward(workspace, v, g);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
}

}  // namespace

void add_networks() {
  using benchmark::RegisterBenchmark;
  RegisterBenchmark("mlp_act/26x7/100x100", act)->Unit(benchmark::kMicrosecond);
  RegisterBenchmark("mlp_train/26x7/100x100/4000/25", train, 4000, 25)
      ->Unit(benchmark::kMillisecond);
  for (const int points : {25, 5000}) {
    RegisterBenchmark(fmt::format("mlp_forward/26x7/100x100/{}", points).c_str(), batch, points,
                      false)
        ->Unit(benchmark::kMicrosecond);
    RegisterBenchmark(fmt::format("mlp_gradient/26x7/100x100/{}", points).c_str(), batch, points,
                      true)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace pilqr::bench
