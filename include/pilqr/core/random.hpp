#pragma once
/// Counter-based random streams: the numbers of a stream depend on its key alone, never on threads,
/// ranks or the order of calls to other streams.

#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "pilqr/core/types.hpp"

namespace pilqr {

/// What a stream is drawn for; streams of different purpose never overlap.
enum class StreamPurpose : std::uint8_t {
  exploration = 0,
  system = 1,
  fit = 2,
  evaluation = 3,
  evaluation_system = 4,
};

/// The key of a stream. At most 2^24 conditions.
struct StreamKey {
  std::uint64_t seed = 0;
  std::uint32_t iteration = 0;
  std::uint32_t condition = 0;
  std::uint32_t sample = 0;
  StreamPurpose purpose = StreamPurpose::exploration;
};

/// Philox4x32-10 (Salmon et al., SC 2011; Random123) keyed by StreamKey. A uniform random bit
/// generator in the sense of <random>, with its own uniform() and normal() because those of the
/// standard library differ between implementations.
class RandomStream {
 public:
  using result_type = std::uint32_t;

  explicit RandomStream(const StreamKey& key)
      : counter_{{0U, key.sample,
                  (key.condition & 0xFFFFFFU) | (static_cast<std::uint32_t>(key.purpose) << 24U),
                  key.iteration}},
        key_{{static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32U)}} {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

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

  /// Standard normal, by the Box-Muller transform.
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    const double angle = 2.0 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

  /// Fills any dense Eigen object with independent standard normals, in storage order.
  template <class Derived>
  void fill_normal(Eigen::DenseBase<Derived>& out) {
    for (Eigen::Index j = 0; j < out.cols(); ++j) {
      for (Eigen::Index i = 0; i < out.rows(); ++i) out(i, j) = normal();
    }
  }

 private:
  using Philox = r123::Philox4x32;

  void refill() {
    const Philox::ctr_type bits = Philox{}(counter_, key_);
    for (std::size_t i = 0; i < block_.size(); ++i) block_[i] = bits[i];
    ++counter_[0];
    position_ = 0;
  }

  Philox::ctr_type counter_;
  Philox::key_type key_;
  std::array<std::uint32_t, 4> block_{};
  std::size_t position_ = 4;
  double spare_ = 0.0;
  bool has_spare_ = false;
};

}  // namespace pilqr
