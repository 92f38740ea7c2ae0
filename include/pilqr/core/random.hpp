#pragma once
/// Counter-based random streams: the numbers of a stream depend on its key alone, never on threads,
/// ranks or the order of calls to other streams.

#include <array>
#include <cstdint>
#include <limits>

#include "pilqr/core/types.hpp"

namespace pilqr {

/// What a stream is drawn for; streams of different purpose never overlap.
enum class StreamPurpose : std::uint8_t {
  exploration = 0,        ///< noise of the policy's controls
  system = 1,             ///< what a system draws
  fit = 2,                ///< the mixture prior of the dynamics
  evaluation = 3,         ///< exploration, outside training
  evaluation_system = 4,  ///< system, outside training
  policy_fit = 5,         ///< the mixture prior of a linearised global policy
  policy_training = 6,    ///< supervision of a global policy
  baseline = 7,           ///< minibatches and target noise of DDPG and TRPO
};

/// The key of a stream. At most 2^24 conditions.
struct StreamKey {
  std::uint64_t seed = 0;                              ///< of the run
  std::uint32_t iteration = 0;                         ///< of the training, from 0
  std::uint32_t condition = 0;                         ///< below 2^24: only its last 24 bits count
  std::uint32_t sample = 0;                            ///< of the iteration and condition, from 0
  StreamPurpose purpose = StreamPurpose::exploration;  ///< separates the streams of one rollout
};

/// Philox4x32-10 (Salmon et al., SC 2011; Random123) keyed by StreamKey. A uniform random bit
/// generator in the sense of `<random>`, with its own uniform() and normal() because those of the
/// standard library differ between implementations.
class RandomStream {
 public:
  using result_type = std::uint32_t;  ///< of one call

  /// At its first number. Equal keys give equal streams.
  explicit RandomStream(const StreamKey& key)
      : counter_{0U, key.sample,
                 (key.condition & 0xFFFFFFU) | (static_cast<std::uint32_t>(key.purpose) << 24U),
                 key.iteration},
        key_{static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32U)} {}

  static constexpr result_type min() { return 0; }  ///< the smallest result
  /// The largest result.
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  /// The next 32 bits.
  result_type operator()() {
    if (position_ == block_.size()) refill();
    return block_[position_++];
  }

  /// Uniform on the open interval (0, 1), 52 bits.
  double uniform() {
    const std::uint64_t high = (*this)();
    const std::uint64_t low = (*this)();
    const std::uint64_t bits = (high << 20U) | (low >> 12U);
    return (static_cast<double>(bits) + 0.5) * 0x1.0p-52;
  }

  /// Standard normal, by the Box-Muller transform. Normals are drawn in groups of 16 from 8 blocks
  /// of the counter: the first of a group takes the next 8 blocks that no number has come from, and
  /// leaves the rest of the block that operator() is in where it is. The bits are the same on every
  /// machine that computes doubles as doubles (not the x87), for every compiler and every level of
  /// optimisation.
  double normal() {
    if (next_normal_ == normal_group) refill_normals();
    return normals_[static_cast<std::size_t>(next_normal_++)];
  }

  /// Fills n places with the numbers that n calls of normal() would have given; much faster.
  void fill_normal(double* out, Eigen::Index n);

  /// Fills a matrix or an array in the order of its memory.
  template <class Derived>
  void fill_normal(Eigen::PlainObjectBase<Derived>& out) {
    fill_normal(out.data(), out.size());
  }

 private:
  void refill();
  void refill_normals();
  void draw_normals(double* out, int groups);

  static constexpr int normal_group = 16;

  std::array<std::uint32_t, 4> counter_;  // of the next block
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> block_{};
  std::size_t position_ = 4;
  std::array<double, normal_group> normals_{};
  int next_normal_ = normal_group;
};

}  // namespace pilqr
