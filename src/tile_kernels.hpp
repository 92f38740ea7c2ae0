#pragma once
/// The tiles for sizes known at run time, compiled once for every instruction set worth having.

#include "pilqr/core/tile.hpp"

#if !defined(PILQR_PLAIN_TILES)
namespace pilqr::tile {

/// dynamic_full for every combination of terms that the library uses.
struct Kernels {
  template <class... Terms>
  using Full = void (*)(int m, int n, Output out, Input init, const Terms&... terms);

  Full<> none;
  Full<Plus> plus;
  Full<Minus> minus;
  Full<Plus, Plus> plus_plus;
  Full<Plus, Minus> plus_minus;
  Full<Plus, Plus, Plus> plus_plus_plus;
  Full<SymmetricProduct> symmetric;
};

/// Those of the including file.
#define PILQR_TILE_KERNELS                                                                 \
  {                                                                                        \
    register_full<>, register_full<Plus>, register_full<Minus>, register_full<Plus, Plus>, \
        register_full<Plus, Minus>, register_full<Plus, Plus, Plus>,                       \
        register_full<SymmetricProduct>                                                    \
  }

extern const Kernels kernels_baseline;
extern const Kernels kernels_avx2;  // x86-64 only, like the next
extern const Kernels kernels_avx512;

/// The kernels of this build that this machine can run, slowest first; others are null.
struct AvailableKernels {
  const Kernels* list[3];
};
AvailableKernels available_kernels();

}  // namespace pilqr::tile
#endif
