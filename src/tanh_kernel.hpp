/// The body of the kernels of tanh.hpp, for the instruction set of the including file. Operations
/// are integer ones and + - * / of IEEE 754, in a fixed order; src/CMakeLists.txt sees to it that
/// none are contracted to fused multiply-adds. No standard header with functions is included: a
/// linker might keep this file's copy of one for machines that cannot run it.

#include <math.h>  // of C: no templates, no inline functions
#include <string.h>

#include <cstdint>

#include "tanh.hpp"

namespace pilqr::tanh_kernels {
namespace {

/// tanh(x) = -e / (2 + e) with e = exp(-y) - 1, y = 2 |x|, which loses nothing near zero. With y =
/// n log 2 - r, |r| <= log(2) / 2: e = 2^-n (exp(r) - 1) + (2^-n - 1), and exp(r) - 1 is a sum of
/// powers.
inline double tanh_of(double x) {
  double y = 2.0 * fabs(x);
  y = y > 40.0 ? 40.0 : y;            // tanh is 1 by then; NaN stays
  constexpr double shift = 0x1.8p52;  // the lowest bits of a sum with it are an integer
  const double shifted = y * 0x1.71547652b82fep0 + shift;
  const double n = shifted - shift;
  const double r = (n * 0x1.62e42feep-1 - y) + n * 0x1.a39ef35793c76p-33;
  double q = 1.0 / 6227020800.0;  // 1 / 13!
  q = q * r + 1.0 / 479001600.0;
  q = q * r + 1.0 / 39916800.0;
  q = q * r + 1.0 / 3628800.0;
  q = q * r + 1.0 / 362880.0;
  q = q * r + 1.0 / 40320.0;
  q = q * r + 1.0 / 5040.0;
  q = q * r + 1.0 / 720.0;
  q = q * r + 1.0 / 120.0;
  q = q * r + 1.0 / 24.0;
  q = q * r + 1.0 / 6.0;
  q = q * r + 0.5;
  const double p = r + r * r * q;  // exp(r) - 1
  std::uint64_t bits = 0;
  memcpy(&bits, &shifted, sizeof(bits));
  bits = (std::uint64_t{1023} << 52U) - (bits << 52U);
  double power = 0.0;  // 2^-n
  memcpy(&power, &bits, sizeof(power));
  const double e = power * p + (power - 1.0);
  return copysign(e / (2.0 + e), x);
}

inline void run(double* x, long n) {
  for (long i = 0; i < n; ++i) x[i] = tanh_of(x[i]);
}

}  // namespace
}  // namespace pilqr::tanh_kernels
