#pragma once
/// tanh of many numbers at once.

namespace pilqr {

/// Replaces n numbers by their tanh, to within 3 units in the last place. The bits are the same for
/// every instruction set, compiler and position in the array.
void tanh_in_place(double* x, long n);

namespace tanh_kernels {

using Kernel = void (*)(double* x, long n);
void baseline(double* x, long n);
void avx2(double* x, long n);  // x86-64 only

/// The kernels of this build that this machine can run, slowest first; others are null.
struct Available {
  Kernel list[2];
};
Available available();

}  // namespace tanh_kernels
}  // namespace pilqr
