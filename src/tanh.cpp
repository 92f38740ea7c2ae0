#include "tanh.hpp"

#include "tanh_kernel.hpp"

namespace pilqr {

void tanh_kernels::baseline(double* x, long n) {
  run(x, n);
}

tanh_kernels::Available tanh_kernels::available() {
  Available kernels{{baseline, nullptr}};
#if defined(PILQR_TANH_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) kernels.list[1] = avx2;
#endif
  return kernels;
}

void tanh_in_place(double* x, long n) {
  static const tanh_kernels::Available kernels = tanh_kernels::available();
  (kernels.list[1] != nullptr ? kernels.list[1] : kernels.list[0])(x, n);
}

}  // namespace pilqr
