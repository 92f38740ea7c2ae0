// pilqr_update/NXxNU/T/N: a whole update without GMM (fit, expansion, replay, LQR-FLM, PI2), in the
// second iteration.
// fit_dynamics/NXxNU/T/N without a prior, fit_dynamics_neighbours/NXxNU/T/N,
// predict_costs/NXxNU/T/N, pi2_update/NXxNU/T/N: its parts. gmm_em_iteration/DIM/K/POINTS.
// pilqr_update_gmm/NXxNU/T/N: a whole update with the mixture prior, in the fifth iteration.
// rollout/TASK: one rollout of a task under its start policy. random_normal/1000: a thousand
// standard normals at once. random_normal_single: one of them alone.
#include <benchmark/benchmark.h>

#include "pilqr/fit/gmm.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/systems/task.hpp"
#include "problems.hpp"

namespace pilqr::bench {
namespace {

constexpr int T = 100;
constexpr int N = 20;

void fit(benchmark::State& state, int nx, int nu, bool neighbours) {
  const Problem<Dynamic, Dynamic> p(T, N, nx, nu);
  LinearGaussianDynamics<> dynamics;
  NeighbourPrior prior;
  const auto run = [&] {
    Failure failure;
    if (neighbours) {
      failure = prior.update(p.rollouts, {});
      if (failure.ok()) failure = fit_dynamics(p.rollouts, {}, prior, dynamics);
    } else {
      failure = fit_dynamics(p.rollouts, {}, NoPrior{}, dynamics);
    }
    if (!failure.ok()) state.SkipWithError(failure.message().c_str());
  };
  run();  // takes its memory from the system
  for (auto _ : state) {
    run();
    benchmark::DoNotOptimize(dynamics.F.flat().data());
    benchmark::ClobberMemory();
  }
}

void replay(benchmark::State& state, int nx, int nu) {
  const Problem<Dynamic, Dynamic> p(T, N, nx, nu);
  for (auto _ : state) {
    const auto predicted = predict_costs(p.dynamics, p.cost, p.policy, p.rollouts);
    if (predicted.first_diverged_step < T) state.SkipWithError("diverged");
    benchmark::DoNotOptimize(predicted.cost.data());
  }
}

/// What the machine can do, to compare with: n^3 multiplications and additions.
void eigen_product(benchmark::State& state, int n) {
  test::Random random(1);
  const MatrixX a = random.matrix(n, n);
  const MatrixX b = random.matrix(n, n);
  MatrixX c(n, n);
  for (auto _ : state) {
    c.noalias() = a * b;
    benchmark::DoNotOptimize(c.data());
  }
}

void pi2(benchmark::State& state, int nx, int nu) {
  const Problem<Dynamic, Dynamic> p(T, N, nx, nu);
  const MatrixX S = cost_to_go(p.rollouts.cost);
  for (auto _ : state) {
    const auto result = pi2_update(p.policy, p.rollouts.xi, S, optimize_temperatures(S, {}));
    if (!result.ok()) state.SkipWithError(result.failure.message().c_str());
    benchmark::DoNotOptimize(result.policy.k.flat().data());
  }
}

/// Of one update after another in the memory of the same optimiser, as a training has it.
void time_updates(benchmark::State& state, const Pilqr<>& seasoned, const Rollouts<>& rollouts) {
  Pilqr<> optimizer = seasoned;
  (void)optimizer.update(rollouts, ReachCost{});  // takes its memory from the system
  for (auto _ : state) {
    state.PauseTiming();
    optimizer = seasoned;
    state.ResumeTiming();
    const UpdateReport report = optimizer.update(rollouts, ReachCost{});
    if (!report.ok()) state.SkipWithError(report.failure.message().c_str());
    benchmark::DoNotOptimize(optimizer.policy().K.flat().data());
  }
}

void update(benchmark::State& state, int nx, int nu) {
  const Problem<Dynamic, Dynamic> p(T, N, nx, nu);
  Pilqr<> seasoned(p.policy);
  const UpdateReport first = seasoned.update(p.rollouts, ReachCost{});
  if (!first.ok()) state.SkipWithError(first.failure.message().c_str());
  test::Random random(1);
  const Rollouts<> rollouts = p.run(seasoned.policy(), N, random);
  time_updates(state, seasoned, rollouts);
}

void update_gmm(benchmark::State& state, int nx, int nu) {
  const Problem<Dynamic, Dynamic> p(T, N, nx, nu);
  test::Random random(1);
  PilqrOptions options;
  options.model.gmm.emplace();
  Pilqr<> seasoned(p.policy, options);
  const auto run = [&] { return p.run(seasoned.policy(), N, random); };
  for (int i = 0; i < 4; ++i) {
    const UpdateReport report = seasoned.update(run(), ReachCost{});
    if (!report.ok()) state.SkipWithError(report.failure.message().c_str());
  }
  const Rollouts<> rollouts = run();
  time_updates(state, seasoned, rollouts);
}

void em_iteration(benchmark::State& state, int dim, int clusters, int points) {
  test::Random random(7);
  MatrixX centers = 2.0 * random.matrix(dim, clusters);
  MatrixX z = random.matrix(dim, points);
  for (int i = 0; i < points; ++i) z.col(i) += centers.col(i % clusters);
  RandomStream stream({.seed = 1});
  Gmm gmm;
  GmmOptions options;
  options.max_iterations = 2;
  (void)gmm.fit(z, clusters, options, stream);
  GmmWorkspace workspace;
  Gmm copy = gmm;
  for (auto _ : state) {
    state.PauseTiming();
    copy = gmm;
    state.ResumeTiming();
    const auto result = copy.em_step(z, options, stream, workspace);
    benchmark::DoNotOptimize(result);
  }
}

void random_normal(benchmark::State& state) {
  RandomStream stream({.seed = 1});
  VectorX z(1000);
  for (auto _ : state) {
    stream.fill_normal(z);
    benchmark::DoNotOptimize(z.data());
  }
  state.SetItemsProcessed(state.iterations() * z.size());
}

void random_normal_single(benchmark::State& state) {
  RandomStream stream({.seed = 1});
  for (auto _ : state) benchmark::DoNotOptimize(stream.normal());
}

void rollout(benchmark::State& state, const Task* task) {
  AnySystem system = task->system();
  const AnyCost cost = task->cost(0);
  const LinearGaussianPolicy<> policy = task->initial_policy(0);
  int iteration = 0;
  for (auto _ : state) {
    const auto result = sample(system, cost, policy,
                               {.samples = 1, .iteration = iteration++, .noise = task->noise});
    if (!result.ok()) state.SkipWithError(result.failure.message().c_str());
    benchmark::DoNotOptimize(result.rollouts.cost.data());
  }
}

}  // namespace

void add_updates() {
  using benchmark::RegisterBenchmark;
  const auto us = benchmark::kMicrosecond;
  RegisterBenchmark("peak/eigen_product/256", eigen_product, 256)->Unit(us);
  struct Size {
    int nx, nu;
  };
  for (const Size s : {Size{4, 2}, Size{12, 4}, Size{26, 7}, Size{32, 6}, Size{64, 16}}) {
    const std::string size = fmt::format("/{}x{}/{}/{}", s.nx, s.nu, T, N);
    RegisterBenchmark(("fit_dynamics" + size).c_str(), fit, s.nx, s.nu, false)->Unit(us);
    RegisterBenchmark(("fit_dynamics_neighbours" + size).c_str(), fit, s.nx, s.nu, true)->Unit(us);
    RegisterBenchmark(("predict_costs" + size).c_str(), replay, s.nx, s.nu)->Unit(us);
    RegisterBenchmark(("pi2_update" + size).c_str(), pi2, s.nx, s.nu)->Unit(us);
    RegisterBenchmark(("pilqr_update" + size).c_str(), update, s.nx, s.nu)->Unit(us);
  }
  RegisterBenchmark("pilqr_update_gmm/26x7/100/20", update_gmm, 26, 7)->Unit(us);
  RegisterBenchmark("random_normal/1000", random_normal);
  RegisterBenchmark("random_normal_single", random_normal_single);
  for (const int dim : {10, 28, 59}) {
    RegisterBenchmark(fmt::format("gmm_em_iteration/{}/20/2000", dim).c_str(), em_iteration, dim,
                      20, 2000)
        ->Unit(us);
  }
  for (const Task& task : tasks()) {
    RegisterBenchmark(("rollout/" + task.name).c_str(), rollout, &task)->Unit(us);
  }
}

}  // namespace pilqr::bench
