/// The body of the kernels of normals.hpp, for the instruction set of the including file.
///
/// Every operation is an integer one or + - * / sqrt of IEEE 754, which round correctly: the bits
/// depend neither on the width of the vectors nor on the compiler, as long as it contracts nothing
/// to fused multiply-adds (src/CMakeLists.txt sees to it). No standard header with functions is
/// included: a linker might keep this file's copy of one for machines that cannot run it.

#include <math.h>  // of C: no templates, no inline functions
#include <string.h>

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "normals.hpp"

namespace pilqr::normals {
namespace {

#if !defined(__GNUC__) || defined(PILQR_PLAIN_TILES)  // no vector extensions: one number at a time
#define PILQR_PLAIN_NORMALS
#define PILQR_ALWAYS_INLINE inline
constexpr int width = 1;
using Words = std::uint64_t;
using Numbers = double;
inline Words first_lanes() {
  return 0;
}
inline Numbers as_numbers(Words w) {
  Numbers x;
  memcpy(&x, &w, sizeof(x));
  return x;
}
inline Words as_words(Numbers x) {
  Words w;
  memcpy(&w, &x, sizeof(w));
  return w;
}
#else
#define PILQR_ALWAYS_INLINE [[gnu::always_inline]] inline
#if defined(__AVX512F__)
constexpr int width = 8;
#elif defined(__AVX2__)
constexpr int width = 4;
#else
constexpr int width = 2;
#endif
using Words [[gnu::vector_size(8 * width)]] = std::uint64_t;
using Numbers [[gnu::vector_size(8 * width)]] = double;
using Output [[gnu::vector_size(8 * width), gnu::aligned(8), gnu::may_alias]] = double;
PILQR_ALWAYS_INLINE Words first_lanes() {
  Words lanes{};
  for (unsigned i = 0; i < width; ++i) lanes[i] = i;
  return lanes;
}
PILQR_ALWAYS_INLINE Numbers as_numbers(Words w) {
  return (Numbers)w;
}
PILQR_ALWAYS_INLINE Words as_words(Numbers x) {
  return (Words)x;
}
#endif

/// The product of the lower halves of a and b.
PILQR_ALWAYS_INLINE Words multiply(Words a, Words b) {
#if defined(PILQR_PLAIN_NORMALS)
  return (a & 0xFFFFFFFFU) * (b & 0xFFFFFFFFU);
#elif defined(__AVX512F__)
  return (Words)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (Words)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xFFFFFFFFU) * (b & 0xFFFFFFFFU);
#endif
}

PILQR_ALWAYS_INLINE Numbers root(Numbers x) {
#if defined(PILQR_PLAIN_NORMALS)
  return sqrt(x);
#elif defined(__AVX512F__)
  return (Numbers)_mm512_maskz_sqrt_pd(0xFF, (__m512d)x);
#elif defined(__AVX2__)
  return (Numbers)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  return (Numbers)_mm_sqrt_pd((__m128d)x);
#else
  for (int i = 0; i < width; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

/// out = a[0] b[0] a[1] b[1] ..
PILQR_ALWAYS_INLINE void interleave(Numbers a, Numbers b, double* out) {
#if defined(PILQR_PLAIN_NORMALS)
  out[0] = a;
  out[1] = b;
#elif defined(__AVX512F__)
  *(Output*)out = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  *(Output*)(out + width) = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#elif defined(__AVX2__)
  *(Output*)out = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  *(Output*)(out + width) = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#else
  *(Output*)out = __builtin_shufflevector(a, b, 0, 2);
  *(Output*)(out + width) = __builtin_shufflevector(a, b, 1, 3);
#endif
}

/// Philox4x32-10 (Salmon et al., SC 2011) of the blocks from `counter` on: the upper 52 of the
/// first and of the last 64 bits of each. The upper halves of c and k are left as they come.
PILQR_ALWAYS_INLINE void philox(Words c0, const std::uint32_t* counter, const std::uint32_t* key,
                                Words& first, Words& second) {
  Words c1 = Words{} + counter[1];
  Words c2 = Words{} + counter[2];
  Words c3 = Words{} + counter[3];
  std::uint64_t k0 = key[0];
  std::uint64_t k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const Words p0 = multiply(c0, Words{} + 0xD2511F53U);
    const Words p1 = multiply(c2, Words{} + 0xCD9E8D57U);
    c0 = (p1 >> 32U) ^ c1 ^ k0;
    c1 = p1;
    c2 = (p0 >> 32U) ^ c3 ^ k1;
    c3 = p0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  first = ((c0 << 32U) | (c1 & 0xFFFFFFFFU)) >> 12U;
  second = ((c2 << 32U) | (c3 & 0xFFFFFFFFU)) >> 12U;
}

/// sqrt(-2 log u1), u1 = (first + 1/2) / 2^52.
PILQR_ALWAYS_INLINE Numbers radius(Words first) {
  const Numbers u = as_numbers(first | 0x3FF0000000000000U) - (1.0 - 0x1p-53);  // exact
  // u = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); `e` counts from -64.
  const Words e = (as_words(u) - (0x3FE6A09E667F3BCDU - (std::uint64_t{64} << 52U))) >> 52U;
  const Numbers exponent = as_numbers(e | 0x4330000000000000U) - (0x1p52 + 64.0);
  const Numbers f = as_numbers(as_words(u) - ((e - 64U) << 52U)) - 1.0;
  // log(1 + f) = 2 s + z s R = f - s (f - z R) with s = f / (2 + f), z = s^2; R by the polynomial
  // of least relative error, 1.3e-18 of the sum.
  const Numbers s = f / (2.0 + f);
  const Numbers z = s * s;
  const Numbers w = z * z;
  const Numbers even =
      0x1.5555555555592p-1 +
      w * (0x1.24924941f12c4p-2 + w * (0x1.74663ee8e553bp-3 + w * 0x1.2f05642e9072ep-3));
  const Numbers odd = 0x1.999999997fdb6p-2 + w * (0x1.c71c520959e94p-3 + w * 0x1.39a1baaa8bd35p-3);
  const Numbers R = even + z * odd;
  // log 2 in two parts: multiples of the first are exact.
  const Numbers log =
      exponent * 0x1.62e42fefa2000p-1 + (f - (s * (f - z * R) - exponent * 0x1.9ef35793c7673p-41));
  return root(-2.0 * log);
}

/// cos(2 pi u2) and sin(2 pi u2), u2 = (second + 1/2) / 2^52.
PILQR_ALWAYS_INLINE void direction(Words second, Numbers& cosine, Numbers& sine) {
  const Numbers turns = as_numbers(second | 0x4010000000000000U) - (4.0 - 0x1p-51);  // 4 u2, exact
  const Numbers shifted = turns + 0x1.8p52;
  const Words quarter = as_words(shifted);         // the nearest quarter turn, in the lowest bits
  const Numbers r = turns - (shifted - 0x1.8p52);  // quarter turns from there, |r| <= 1/2, exact
  // sin(pi/2 r) and cos(pi/2 r) by polynomials of least relative error, 3.2e-18 and 5.1e-17.
  const Numbers y = r * r;
  const Numbers w = y * y;
  const Numbers sine_even =
      -0x1.4abbce625be41p-1 + w * (-0x1.32d2cce2e56efp-8 + w * -0x1.e3007194fda38p-19);
  const Numbers sine_odd =
      0x1.466bc677587f1p-4 + w * (0x1.50782fd9e7758p-13 + w * 0x1.e3f37d65475acp-25);
  const Numbers sine_r = r * (0x1.921fb54442d18p+0 + y * (sine_even + y * sine_odd));
  const Numbers cosine_even =
      -0x1.3bd3cc9be45a5p+0 + w * (-0x1.55d3c7dcb5f0ap-6 + w * -0x1.a6ca009581d7cp-16);
  const Numbers cosine_odd =
      0x1.03c1f081b14bdp-2 + w * (0x1.e1f4fbfbfe469p-11 + w * 0x1.f3ef422983568p-22);
  const Numbers cosine_r = 1.0 + y * (cosine_even + y * cosine_odd);
  // Odd quarters exchange the two; the second bits of quarter + 1 and of quarter are the signs.
  const Words exchange = (as_words(sine_r) ^ as_words(cosine_r)) & -(quarter & 1U);
  cosine = as_numbers(as_words(cosine_r) ^ exchange ^ (((quarter + 1U) & 2U) << 62U));
  sine = as_numbers(as_words(sine_r) ^ exchange ^ ((quarter & 2U) << 62U));
}

/// The counters are drawn for several groups before they are transformed: a processor cannot look
/// ahead over the whole of a group otherwise.
void draw(const std::uint32_t* counter, const std::uint32_t* key, int groups, double* out) {
  constexpr int group_vectors = group_blocks / width;
  constexpr int most_groups = 8;
  Words first[most_groups * group_vectors];
  Words second[most_groups * group_vectors];
  const Words lanes = first_lanes();
  std::uint32_t block = counter[0];
  while (groups > 0) {
    const int n = groups < most_groups ? groups : most_groups;
    for (int v = 0; v < n * group_vectors; ++v) {
      philox(lanes + block, counter, key, first[v], second[v]);
      block += width;
    }
    for (int v = 0; v < n * group_vectors; ++v) {
      const Numbers scale = radius(first[v]);
      Numbers cosine;
      Numbers sine;
      direction(second[v], cosine, sine);
      interleave(scale * cosine, scale * sine, out);
      out += 2 * width;
    }
    groups -= n;
  }
}

}  // namespace
}  // namespace pilqr::normals
