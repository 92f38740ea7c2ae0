#include "tile_kernels.hpp"

#if !defined(PILQR_PLAIN_TILES)
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pilqr::tile {

const Kernels kernels_baseline = PILQR_TILE_KERNELS;

AvailableKernels available_kernels() {
  AvailableKernels kernels{{&kernels_baseline, nullptr, nullptr}};
#if defined(PILQR_TILES_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels.list[1] = &kernels_avx2;
    if (__builtin_cpu_supports("avx512f")) kernels.list[2] = &kernels_avx512;
  }
#endif
  return kernels;
}

namespace {

/// The fastest, or those that the environment asks for.
const Kernels* choose() {
  constexpr const char* names[] = {"baseline", "avx2", "avx512"};
  const char* wanted = std::getenv("PILQR_TILES");
  const Kernels* fastest = nullptr;
  const AvailableKernels available = available_kernels();
  for (int i = 0; i < 3; ++i) {
    if (available.list[i] == nullptr) continue;
    fastest = available.list[i];
    if (wanted != nullptr && std::strcmp(wanted, names[i]) == 0) return fastest;
  }
  if (wanted != nullptr && wanted[0] != '\0') {
    std::fprintf(stderr, "pilqr: PILQR_TILES is %s, which is none of those that run here\n",
                 wanted);
  }
  return fastest;
}

/// Chosen when the program starts; static initialisers before that use the baseline.
const Kernels* chosen = &kernels_baseline;
[[maybe_unused]] const bool initialised = (chosen = choose(), true);

}  // namespace

void dynamic_full(int m, int n, Output out, Input init) {
  chosen->none(m, n, out, init);
}
void dynamic_full(int m, int n, Output out, Input init, const Plus& a) {
  chosen->plus(m, n, out, init, a);
}
void dynamic_full(int m, int n, Output out, Input init, const Minus& a) {
  chosen->minus(m, n, out, init, a);
}
void dynamic_full(int m, int n, Output out, Input init, const Plus& a, const Plus& b) {
  chosen->plus_plus(m, n, out, init, a, b);
}
void dynamic_full(int m, int n, Output out, Input init, const Plus& a, const Minus& b) {
  chosen->plus_minus(m, n, out, init, a, b);
}
void dynamic_full(int m, int n, Output out, Input init, const Plus& a, const Plus& b,
                  const Plus& c) {
  chosen->plus_plus_plus(m, n, out, init, a, b, c);
}
void dynamic_full(int m, int n, Output out, Input init, const SymmetricProduct& a) {
  chosen->symmetric(m, n, out, init, a);
}

}  // namespace pilqr::tile
#endif
