#include "pilqr/model/noise.hpp"

#include <cmath>

namespace pilqr {

void require_valid(const NoiseOptions& options) {
  require(std::isfinite(options.width) && options.width >= 0.0 && options.width <= 1000.0,
          "noise width is {} steps, expected a number from 0 to 1000", options.width);
}

namespace {

/// Index of the reflected sequence d c b a | a b c d | d c b a.
int reflect(int i, int n) {
  const int period = 2 * n;
  int j = i % period;
  if (j < 0) j += period;
  return j < n ? j : period - 1 - j;
}

/// Weights of the steps t - radius to t + radius, 2 radius + 1 of them; their sum is 1.
VectorX gaussian_kernel(double width, int radius) {
  VectorX kernel(2 * radius + 1);
  for (int j = -radius; j <= radius; ++j) {
    kernel(j + radius) = std::exp(-0.5 * (j / width) * (j / width));
  }
  return kernel / kernel.sum();
}

/// Standard deviation of step t of T after filtering white noise of unit variance.
double filter_gain(const VectorX& kernel, int radius, int t, int T) {
  VectorX weights = VectorX::Zero(T);
  for (int j = -radius; j <= radius; ++j) weights(reflect(t + j, T)) += kernel(j + radius);
  return weights.norm();
}

}  // namespace

void smooth_noise(double width, MatrixX& noise) {
  if (width == 0.0) return;
  const int T = cols(noise);
  const int radius = static_cast<int>(std::lround(4.0 * width));
  const VectorX kernel = gaussian_kernel(width, radius);
  const bool long_enough = T > 4.0 * width;
  VectorX extended(T + 2 * radius);  // a row with its reflections
  VectorX smoothed(T);
  for (int d = 0; d < rows(noise); ++d) {
    for (int t = 0; t < T + 2 * radius; ++t) extended(t) = noise(d, reflect(t - radius, T));
    smoothed.setZero();
    for (int j = 0; j <= 2 * radius; ++j) smoothed += kernel(j) * extended.segment(j, T);
    const double mean = smoothed.mean();
    const double variance = (smoothed.array() - mean).square().mean();
    if (long_enough && variance > 0.0) {
      noise.row(d) = smoothed.transpose() / std::sqrt(variance);
    } else {
      for (int t = 0; t < T; ++t) noise(d, t) = smoothed(t) / filter_gain(kernel, radius, t, T);
    }
  }
}

MatrixX draw_noise(const NoiseOptions& options, const NoiseKey& key, int sample, int steps,
                   int nu) {
  const bool mirrored = options.antithetic && sample % 2 == 1;
  RandomStream stream({.seed = key.seed,
                       .iteration = static_cast<std::uint32_t>(key.iteration),
                       .condition = static_cast<std::uint32_t>(key.condition),
                       .sample = static_cast<std::uint32_t>(mirrored ? sample - 1 : sample),
                       .purpose = key.purpose});
  MatrixX noise(nu, steps);
  stream.fill_normal(noise);
  smooth_noise(options.width, noise);
  if (mirrored) noise = -noise;
  return noise;
}

}  // namespace pilqr
