// act_latency [CALLS]: the time of single calls, one after the other: the policies themselves and
// the Controller around them with limits and rate limits, 26 states and 7 controls; median, 99.9th
// percentile and maximum of CALLS calls (10^7). A call is timed with two readings of the clock,
// whose own time stands in the first row and is part of all others. "Undisturbed" leaves out the
// blocks of 100 calls in which Linux gave the processor to another thread.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "pilqr/deploy/controller.hpp"
#include "support/random_problem.hpp"

namespace pilqr::bench {
namespace {

constexpr int nx = 26;
constexpr int nu = 7;
constexpr int T = 100;

/// How often this thread had to wait for another one; always 0 where the system does not tell.
long switches() {
#if defined(RUSAGE_THREAD)
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw + usage.ru_nvcsw;
#else
  return 0;
#endif
}

/// The number that a share of all are not above.
float quantile(std::vector<float>& values, double share) {
  if (values.empty()) return 0.0F;
  const auto place =
      values.begin() + static_cast<long>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

/// Times call(i), i = 0..calls-1, and prints a row.
template <class Call>
void row(const char* what, int calls, const Call& call) {
  using Clock = std::chrono::steady_clock;
  constexpr int block = 100;
  std::vector<float> all, undisturbed;
  all.reserve(static_cast<std::size_t>(calls));
  undisturbed.reserve(static_cast<std::size_t>(calls));
  for (int i = 0; i < 1000; ++i) call(i);  // caches
  for (int begin = 0; begin < calls; begin += block) {
    const auto first = static_cast<long>(all.size());
    const long before = switches();
    for (int i = begin; i < std::min(begin + block, calls); ++i) {
      const auto start = Clock::now();
      call(i);
      const auto end = Clock::now();
      all.push_back(static_cast<float>(std::chrono::nanoseconds(end - start).count()));
    }
    if (switches() == before) undisturbed.insert(undisturbed.end(), all.begin() + first, all.end());
  }
  const double share = 100.0 * static_cast<double>(undisturbed.size()) / calls;
  std::printf("%-24s %8.0f %8.0f %10.0f   %8.0f %8.0f %10.0f %8.3f %%\n", what, quantile(all, 0.5),
              quantile(all, 0.999), quantile(all, 1.0), quantile(undisturbed, 0.5),
              quantile(undisturbed, 0.999), quantile(undisturbed, 1.0), share);
  std::fflush(stdout);
}

void run(int calls) {
  test::Random random(1);
  const auto varying = random.policy<Dynamic, Dynamic>(T, nx, nu);
  RandomStream stream(StreamKey{});
  const NetworkPolicy network({nx, {100, 100}, nu}, stream);
  const ControllerOptions options{.lower = VectorX::Constant(nu, -2.0),
                                  .upper = VectorX::Constant(nu, 2.0),
                                  .rate_limit = VectorX::Constant(nu, 40.0),
                                  .dt = 0.05,
                                  .max_age = 0.1,
                                  .at_end = HorizonEnd::repeat};
  Controller around_varying(varying, options);
  Controller around_network(network, options);
  NetworkPolicy acting = network;
  const MatrixX states = random.matrix(nx, 64);
  const VectorX xi = random.vector(nu);
  VectorX x(nx);
  VectorX u(nu);
  double sum = 0.0;
  std::printf("%-24s %8s %8s %10s   %8s %8s %10s %10s\n", "ns of a call", "median", "99.9 %",
              "maximum", "median", "99.9 %", "maximum", "undisturbed");
  row("clock", calls, [](int) {});
  row("act/26x7", calls, [&](int i) {
    varying.act(i % T, states.col(i % 64), xi, u);
    sum += u(0);
  });
  row("mlp_act/26x7/100x100", calls, [&](int i) {
    acting.act(0, states.col(i % 64), xi, u);
    sum += u(0);
  });
  const auto control = [&](Controller& controller, int i) {
    x = states.col(i % 64);
    (void)controller.control(x, u, {.now = 0.05 * i, .measured = 0.05 * i});
    sum += u(0);
  };
  row("controller/26x7", calls, [&](int i) { control(around_varying, i); });
  row("controller/26x7/100x100", calls, [&](int i) { control(around_network, i); });
  std::printf("%d calls each, sum of controls %g\n", calls, sum);
}

}  // namespace
}  // namespace pilqr::bench

int main(int argc, char** argv) {
  int calls = 10'000'000;
  if (argc > 1) {
    const char* end = argv[1] + std::strlen(argv[1]);
    if (argc > 2 || std::from_chars(argv[1], end, calls).ptr != end || calls < 1) {
      std::fprintf(stderr, "usage: %s [CALLS], a number of at least 1\n", argv[0]);
      return 2;
    }
  }
  pilqr::bench::run(calls);
}
