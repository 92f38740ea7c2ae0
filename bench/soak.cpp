// pilqr_soak [ITERATIONS [SEED]]: a long training of the reacher by PILQR. Resident memory does not
// grow after the first 50 iterations, every number stays finite, and the policy's mean does not
// lose what it has learnt. Status 1 if one of these does not hold. Linux.
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <vector>

#include "pilqr/train/settings.hpp"

namespace pilqr::bench {
namespace {

constexpr int warm = 50;  // iterations after which nothing may grow

/// Resident memory of this process, MB.
double resident_megabytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0.0;
  double resident = 0.0;
  file >> pages >> resident;
  constexpr double megabyte = 1e6;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / megabyte;
}

bool is_finite(const LinearGaussianPolicy<>& policy) {
  return policy.K.all_finite() && policy.k.all_finite() && policy.L.all_finite();
}

/// Cost of the policy's mean.
double noiseless_cost(const Task& task, const AnyOptimizer& optimizer) {
  AnySystem system = task.system();
  return sample(system, task.cost(0), optimizer.policy(), {.samples = 1, .noiseless = true})
      .rollouts.total_cost()(0);
}

int soak(int iterations, std::uint64_t seed) {
  const Task& task = find_task("reacher");
  Settings settings = default_settings(task, Algorithm::pilqr);
  std::vector<AnyOptimizer> optimizers;
  optimizers.emplace_back(settings, task.initial_policy(0));
  const std::vector<AnyCost> costs{task.cost(0)};
  AnySystem system = task.system();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  double warm_memory = nan;
  double warm_cost = nan;
  bool finite = true;
  int failed_updates = 0;
  TrainCallbacks<> callbacks;
  callbacks.on_update = [&](const IterationRecord& record, const Rollouts<>& rollouts) {
    const UpdateReport& report = record.report;
    failed_updates += report.ok() ? 0 : 1;
    finite = finite && rollouts.cost.allFinite() && is_finite(optimizers[0].policy()) &&
             std::isfinite(report.noise_std_min);
    const int done = record.iteration + 1;
    if (done == warm) {
      warm_memory = resident_megabytes();
      warm_cost = noiseless_cost(task, optimizers[0]);
    }
    if (done % warm == 0) {
      std::printf(
          "%5d iterations: %7.2f MB, samples' cost %.6g, mean's cost %.6g, noise ratio %.3g to "
          "%.3g\n",
          done, resident_megabytes(), report.cost_mean, noiseless_cost(task, optimizers[0]),
          report.noise_ratio_min, report.noise_ratio_max);
      std::fflush(stdout);
    }
  };
  SerialExecutor serial;
  const TrainResult result = train(system, costs, optimizers,
                                   {.iterations = iterations,
                                    .samples = settings.samples,
                                    .seed = seed,
                                    .noise = settings.noise},
                                   callbacks, serial);
  const double memory = resident_megabytes();
  const double cost = noiseless_cost(task, optimizers[0]);
  std::printf("memory %.2f MB at %d, %.2f MB at the end; cost %.6g, %.6g; %d failed updates%s\n",
              warm_memory, warm, memory, warm_cost, cost, failed_updates,
              result.ok() ? "" : ("; " + result.failure.message()).c_str());
  constexpr double page_noise = 0.5;  // MB, the allocator's
  constexpr double worse = 1.02;
  const bool good =
      result.ok() && finite && memory <= warm_memory + page_noise && cost <= worse * warm_cost;
  std::printf("%s\n", good ? "good" : "NOT GOOD");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace pilqr::bench

int main(int argc, char** argv) {
  int iterations = 500;
  std::uint64_t seed = 0;
  const auto read = [&](int i, auto& value) {
    if (argc <= i) return true;
    const char* const end = argv[i] + std::strlen(argv[i]);
    return std::from_chars(argv[i], end, value).ptr == end;
  };
  if (!read(1, iterations) || !read(2, seed) || argc > 3 || iterations <= pilqr::bench::warm) {
    std::fprintf(stderr, "usage: pilqr_soak [ITERATIONS > %d [SEED]]\n", pilqr::bench::warm);
    return 2;
  }
  return pilqr::bench::soak(iterations, seed);
}
