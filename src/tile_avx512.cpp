// Compiled for AVX-512: nothing but tiles may be instantiated here.
#include "tile_kernels.hpp"

#if !defined(PILQR_PLAIN_TILES)
const pilqr::tile::Kernels pilqr::tile::kernels_avx512 = PILQR_TILE_KERNELS;
#endif
