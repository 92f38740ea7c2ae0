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

}  // namespace

void smooth_noise(double width, MatrixX& noise) {
  if (width == 0.0) return;
  const int T = cols(noise);
  const int radius = static_cast<int>(std::lround(4.0 * width));
  VectorX kernel(2 * radius + 1);
  for (int j = -radius; j <= radius; ++j) {
    kernel(j + radius) = std::exp(-0.5 * (j / width) * (j / width));
  }
  kernel /= kernel.sum();

  MatrixX filter = MatrixX::Zero(T, T);  // smoothed = noise * filter
  for (int t = 0; t < T; ++t) {
    for (int j = -radius; j <= radius; ++j) filter(reflect(t + j, T), t) += kernel(j + radius);
  }
  noise = (noise * filter).eval();

  const bool long_enough = T > 4.0 * width;
  for (Eigen::Index d = 0; d < noise.rows(); ++d) {
    const double mean = noise.row(d).mean();
    const double variance = (noise.row(d).array() - mean).square().mean();
    if (long_enough && variance > 0.0) {
      noise.row(d) /= std::sqrt(variance);
    } else {
      for (int t = 0; t < T; ++t) noise(d, t) /= filter.col(t).norm();
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
