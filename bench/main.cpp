// pilqr_bench: Google Benchmark over kernels and whole updates. Compare ratios within one run.
#include <benchmark/benchmark.h>

namespace pilqr::bench {
void add_backward();
void add_updates();
void add_networks();
#if defined(PILQR_HAS_TBB)
void add_samples();
#endif
}  // namespace pilqr::bench

int main(int argc, char** argv) {
  pilqr::bench::add_backward();
  pilqr::bench::add_updates();
  pilqr::bench::add_networks();
#if defined(PILQR_HAS_TBB)
  pilqr::bench::add_samples();
#endif
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
