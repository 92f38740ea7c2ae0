// pilqr_mpi_bench: what messages between ranks cost, to be run by mpirun. A line per size: bytes of
// each rank's message, and the least and the median time of an exchange, us, as the first rank sees
// it. Then the two messages of an iteration, packing and unpacking included.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "pilqr/parallel/mpi.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/share.hpp"
#include "problems.hpp"

namespace pilqr::bench {
namespace {

struct Times {
  double least = 0.0;   ///< us
  double median = 0.0;  ///< us
};

/// Of repeated calls that all ranks begin together.
Times measure(MpiTeam& team, int repetitions, const std::function<void()>& action) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (int i = 0; i < repetitions; ++i) {
    (void)team.exchange("");
    const auto start = Clock::now();
    action();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

struct Size {
  int nx, nu, conditions;
};

/// The two messages of an iteration: all rollouts, and all updates.
void measure_iteration(MpiTeam& team, const Size& size) {
  constexpr int T = 100;
  constexpr int N = 20;
  constexpr int repetitions = 50;
  const Problem<Dynamic, Dynamic> p(T, N, size.nx, size.nu);
  const auto M = static_cast<std::size_t>(size.conditions);
  std::vector<Rollouts<>> rollouts(M, p.rollouts);
  std::vector<Failure> failures(M * N);
  std::vector<int> made(failures.size());
  std::iota(made.begin(), made.end(), 0);
  std::vector<Pilqr<>> optimizers(M, Pilqr<>(p.policy));
  std::vector<IterationRecord> records(M);
  const Times rollout_times =
      measure(team, repetitions, [&] { exchange_rollouts(team, made, rollouts, failures); });
  const Times update_times =
      measure(team, repetitions, [&] { exchange_updates(team, records, optimizers); });
  if (team.rank() != 0) return;
  const double rollout_bytes = 8.0 * T * (size.nx + 2 * size.nu + 1) * N * size.conditions;
  fmt::print("{}x{}, {} conditions | {:.0f} KB | {:.0f} | {:.0f} | {:.0f} KB | {:.0f} | {:.0f}\n",
             size.nx, size.nu, size.conditions, rollout_bytes / 1e3, rollout_times.least,
             rollout_times.median,
             static_cast<double>(encode_optimizer(state_of(optimizers[0])).size() * M) / 1e3,
             update_times.least, update_times.median);
}

void run() {
  MpiTeam team;
  if (team.rank() == 0) fmt::print("{} ranks\nbytes | least, us | median, us\n", team.size());
  for (const std::size_t bytes : {1U, 1'000U, 10'000U, 100'000U, 1'000'000U, 10'000'000U}) {
    const std::string message(bytes, 'x');
    const Times times =
        measure(team, bytes > 1'000'000U ? 20 : 200, [&] { (void)team.exchange(message); });
    if (team.rank() == 0) fmt::print("{} | {:.1f} | {:.1f}\n", bytes, times.least, times.median);
  }
  if (team.rank() == 0) {
    fmt::print(
        "size, T = 100, N = 20 | all rollouts | least, us | median | all updates | least | "
        "median\n");
  }
  for (const Size& size : {Size{4, 2, 1}, Size{8, 2, 4}, Size{26, 7, 4}, Size{64, 16, 4}}) {
    measure_iteration(team, size);
  }
}

}  // namespace
}  // namespace pilqr::bench

int main() {
  pilqr::bench::run();
  return 0;
}
