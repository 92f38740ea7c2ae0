// act_latency [CALLS]: the time of single calls, one after the other: the policies themselves and
// the Controller around them with limits and rate limits, 26 states and 7 controls; median, 99.9th
// percentile and maximum of CALLS calls (10^7). A call is timed with two readings of the clock,
// whose own time stands in the first row and is part of all others.
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

/// Times call(i), i = 0..calls-1, and prints a row.
template <class Call>
void row(const char* what, std::vector<float>& nanoseconds, const Call& call) {
  using Clock = std::chrono::steady_clock;
  const int calls = static_cast<int>(nanoseconds.size());
  for (int i = 0; i < 1000; ++i) call(i);  // caches
  for (int i = 0; i < calls; ++i) {
    const auto begin = Clock::now();
    call(i);
    const auto end = Clock::now();
    nanoseconds[static_cast<std::size_t>(i)] = static_cast<float>((end - begin).count());
  }
  const auto at = [&](double share) {
    const auto place = nanoseconds.begin() + static_cast<long>(share * (calls - 1));
    std::nth_element(nanoseconds.begin(), place, nanoseconds.end());
    return static_cast<double>(*place);
  };
  std::printf("%-34s %8.0f %8.0f %8.0f %10.0f\n", what, at(0.5), at(0.999), at(0.99999), at(1.0));
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
  std::vector<float> nanoseconds(static_cast<std::size_t>(calls));
  std::printf("%-34s %8s %8s %8s %10s\n", "ns of a call", "median", "99.9 %", "99.999 %",
              "maximum");
  row("clock", nanoseconds, [](int) {});
  row("act/26x7", nanoseconds, [&](int i) {
    varying.act(i % T, states.col(i % 64), xi, u);
    sum += u(0);
  });
  row("mlp_act/26x7/100x100", nanoseconds, [&](int i) {
    acting.act(0, states.col(i % 64), xi, u);
    sum += u(0);
  });
  const auto control = [&](Controller& controller, int i) {
    x = states.col(i % 64);
    (void)controller.control(x, u, {.now = 0.05 * i, .measured = 0.05 * i});
    sum += u(0);
  };
  row("controller/26x7", nanoseconds, [&](int i) { control(around_varying, i); });
  row("controller/26x7/100x100", nanoseconds, [&](int i) { control(around_network, i); });
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
