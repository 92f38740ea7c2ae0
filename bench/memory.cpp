// pilqr_memory NX NU T N: the peak memory of rollouts and one PILQR update, beside the formula of
// docs/performance.md. Status 1 if they are more than 10 % apart.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "pilqr/pilqr.hpp"
#include "problems.hpp"

namespace pilqr::bench {
namespace {

/// Peak resident memory of this process, MB; Linux.
double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) * 1024e-6;
  }
  return std::nan("");
}

int run(int nx, int nu, int T, int N) {
  const double before = peak_megabytes();
  Rollouts<> r(T, N, nx, nu);
  RandomStream stream({.seed = 1});
  LinearGaussianPolicy<> policy(T, nx, nu);
  policy.K.set_zero();
  policy.k.set_zero();
  for (int t = 0; t < T; ++t) policy.L[t].setIdentity();
  VectorX noise(nx);
  const ReachCost cost;
  for (int t = 0; t < T; ++t) {
    for (int i = 0; i < N; ++i) {
      stream.fill_normal(noise);
      r.x[t].col(i) = 0.1 * noise;
      if (t > 0) r.x[t].col(i) += 0.9 * r.x[t - 1].col(i);
      stream.fill_normal(r.xi[t].col(i).data(), nu);
      r.u[t].col(i) = r.xi[t].col(i);
      r.cost(i, t) = cost(t, r.x[t].col(i), r.u[t].col(i));
    }
  }
  Pilqr<> optimizer(policy);
  const UpdateReport report = optimizer.update(r, cost);
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", report.failure.message().c_str());
    return 1;
  }
  const double ny = nx + nu;
  const double D = nx + ny;
  const double rollouts = 8e-6 * T * N * (nx + 2.0 * nu + 1.0);
  const double policy_here = 8e-6 * T * nu * (nx + nu);
  const double model = 8e-6 * T * (nx * ny + nx * nx + ny * ny);  // F, W, C
  const double marginals = 8e-6 * T * nx * nx;                    // of the states
  const double policies = 3 * policy_here;                        // old, LQR-FLM's and the new one
  const double costs = 5 * 8e-6 * T * N;  // predicted, residual, two costs-to-go, weights
  const bool few = N < NeighbourPriorOptions{}.points_per_input * ny;
  const double neighbours = few ? 8e-6 * T * D * (D + 3.0) / 2.0 : 0.0;
  const double expected =
      rollouts + policy_here + neighbours + model + marginals + policies + costs;
  const double measured = peak_megabytes() - before;
  std::printf("%dx%d, T = %d, N = %d: %.1f MB by the formula, %.1f MB measured, ratio %.3f\n", nx,
              nu, T, N, expected, measured, measured / expected);
  return measured > 0.9 * expected && measured < 1.1 * expected ? 0 : 1;
}

}  // namespace
}  // namespace pilqr::bench

int main(int argc, char** argv) {
  int size[4] = {64, 16, 1000, 1000};
  for (int i = 1; i < argc; ++i) {
    const char* end = argv[i] + std::strlen(argv[i]);
    if (argc != 5 || std::from_chars(argv[i], end, size[i - 1]).ptr != end || size[i - 1] < 1) {
      std::fprintf(stderr, "usage: %s NX NU T N, numbers of at least 1\n", argv[0]);
      return 2;
    }
  }
  return pilqr::bench::run(size[0], size[1], size[2], size[3]);
}
