// sample_threads/STEP_US/THREADS: 20 rollouts of 100 steps of a system that computes for so many
// microseconds in each step, through the executor of so many threads; 0 threads: SerialExecutor.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

#include "pilqr/model/sample.hpp"
#include "pilqr/parallel/tbb.hpp"
#include "problems.hpp"

namespace pilqr::bench {
namespace {

/// So many dependent products and sums.
double work(long rounds) {
  double value = 0.5;
  for (long i = 0; i < rounds; ++i) {
    value = 0.999 * value + 1e-3;
    benchmark::DoNotOptimize(value);
  }
  return value;
}

/// Rounds of work() that take a microsecond on an idle core: the fastest of several trials.
double rounds_per_us() {
  using Clock = std::chrono::steady_clock;
  constexpr long rounds = 100'000;
  double fastest = 0.0;
  for (int trial = 0; trial < 20; ++trial) {
    const auto start = Clock::now();
    benchmark::DoNotOptimize(work(rounds));
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    fastest = std::max(fastest, rounds / us);
  }
  return fastest;
}

/// A fixed amount of work per step, not of time: threads that wait for a core get nothing done. The
/// state stands still.
struct Busy {
  static constexpr int Nx = 4;
  static constexpr int Nu = 2;
  long rounds = 0;  ///< of work() per step

  void reset(int /*condition*/, RandomStream& /*stream*/, Vector<4>& x) const { x.setZero(); }
  void step(int /*t*/, const Vector<4>& x, const Vector<2>& /*u*/, RandomStream& /*stream*/,
            Vector<4>& next) const {
    next = x;
    benchmark::DoNotOptimize(work(rounds));
  }
};

void sample_threads(benchmark::State& state, int step_us, int threads) {
  constexpr int T = 100;
  constexpr int N = 20;
  const auto policy = test::Random(1).policy<4, 2>(T, 4, 2);
  static const double speed = rounds_per_us();
  Busy system{static_cast<long>(speed * step_us)};
  TbbExecutor executor(threads > 0 ? threads : 1);
  for (auto _ : state) {
    const auto result = threads > 0 ? sample(system, ReachCost{}, policy, {.samples = N}, executor)
                                    : sample(system, ReachCost{}, policy, {.samples = N});
    if (!result.ok()) state.SkipWithError(result.failure.message().c_str());
    benchmark::DoNotOptimize(result.rollouts.cost.data());
  }
}

}  // namespace

void add_samples() {
  for (const int step_us : {1, 5, 20, 100}) {
    for (const int threads : {0, 1, 2, 4}) {
      benchmark::RegisterBenchmark(fmt::format("sample_threads/{}/{}", step_us, threads).c_str(),
                                   sample_threads, step_us, threads)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
}

}  // namespace pilqr::bench
