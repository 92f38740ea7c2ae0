#include "tanh_kernel.hpp"

void pilqr::tanh_kernels::avx2(double* x, long n) {
  run(x, n);
}
