#include "normals_kernel.hpp"

void pilqr::normals::avx512(const std::uint32_t* counter, const std::uint32_t* key, int groups,
                            double* out) {
  draw(counter, key, groups, out);
}
