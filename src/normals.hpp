#pragma once
/// The kernel of RandomStream::normal(), compiled once for every instruction set worth having; all
/// give the same bits.

#include <cstdint>

namespace pilqr::normals {

/// Philox blocks and normals of a group: two normals from a block of 4 x 32 bits.
inline constexpr int group_blocks = 8;
inline constexpr int group_size = 2 * group_blocks;

/// Writes the group_size * groups normals of the blocks counter, counter + 1, ..; only the first
/// word counts, modulo 2^32. From the words w of block b, with the numbers
///   u1 = ([w0 w1] / 2^12 + 1/2) / 2^52, u2 = ([w2 w3] / 2^12 + 1/2) / 2^52, quotients rounded
///   down,
/// come  out[2 b] = sqrt(-2 log u1) cos(2 pi u2)  and  out[2 b + 1] = sqrt(-2 log u1) sin(2 pi u2)
/// (Box & Muller, Ann. Math. Stat. 1958), with a relative error of a few 2^-53.
using Kernel = void (*)(const std::uint32_t* counter, const std::uint32_t* key, int groups,
                        double* out);

void baseline(const std::uint32_t* counter, const std::uint32_t* key, int groups, double* out);
void avx2(const std::uint32_t* counter, const std::uint32_t* key, int groups, double* out);
void avx512(const std::uint32_t* counter, const std::uint32_t* key, int groups, double* out);

/// The kernels of this build that this machine can run, slowest first; others are null.
struct Kernels {
  Kernel list[3];
};
Kernels available();

}  // namespace pilqr::normals
