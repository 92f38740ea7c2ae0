#include "pilqr/core/random.hpp"

#include <Random123/philox.h>

#include <algorithm>

#include "normals.hpp"

namespace pilqr {

normals::Kernels normals::available() {
  Kernels kernels{{baseline, nullptr, nullptr}};
#if defined(PILQR_NORMALS_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) kernels.list[1] = avx2;
  if (__builtin_cpu_supports("avx512f")) kernels.list[2] = avx512;
#endif
  return kernels;
}

namespace {

normals::Kernel fastest() {
  normals::Kernel kernel = nullptr;
  for (const normals::Kernel candidate : normals::available().list) {
    if (candidate != nullptr) kernel = candidate;
  }
  return kernel;
}

}  // namespace

void RandomStream::refill() {
  using Philox = r123::Philox4x32;
  const Philox::ctr_type bits =
      Philox{}({{counter_[0], counter_[1], counter_[2], counter_[3]}}, {{key_[0], key_[1]}});
  std::copy_n(bits.begin(), block_.size(), block_.begin());
  ++counter_[0];
  position_ = 0;
}

void RandomStream::draw_normals(double* out, int groups) {
  static_assert(normal_group == normals::group_size);
  static const normals::Kernel kernel = fastest();
  kernel(counter_.data(), key_.data(), groups, out);
  counter_[0] += static_cast<std::uint32_t>(groups) * normals::group_blocks;
}

void RandomStream::refill_normals() {
  draw_normals(normals_.data(), 1);
  next_normal_ = 0;
}

void RandomStream::fill_normal(double* out, Eigen::Index n) {
  const auto take = [&] {
    const Eigen::Index count = std::min<Eigen::Index>(n, normal_group - next_normal_);
    std::copy_n(normals_.data() + next_normal_, count, out);
    next_normal_ += static_cast<int>(count);
    out += count;
    n -= count;
  };
  take();
  constexpr Eigen::Index most_groups = 1 << 20;  // at a time: an int counts them
  while (n >= normal_group) {
    const Eigen::Index groups = std::min(n / normal_group, most_groups);
    draw_normals(out, static_cast<int>(groups));
    out += groups * normal_group;
    n -= groups * normal_group;
  }
  if (n > 0) {
    refill_normals();
    take();
  }
}

}  // namespace pilqr
