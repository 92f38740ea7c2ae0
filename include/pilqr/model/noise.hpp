#pragma once
/// Exploration noise: white, correlated in time, and in antithetic pairs.

#include <cstdint>

#include "pilqr/core/check.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// How exploration noise is drawn. White noise averages out over a trajectory; noise that is
/// correlated over `width` steps moves the state away from the path, which is what finds rewards
/// off it.
struct NoiseOptions {
  double width = 0.0;  ///< standard deviation of the Gaussian filter over time, steps; 0: white
  /// Samples 2j and 2j+1 use xi and -xi: estimates vary less, but half as many directions are
  /// tried.
  bool antithetic = false;
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const NoiseOptions& options);

/// Filters each row of `noise` (dimensions x T) over time with a Gaussian kernel of standard
/// deviation `width` steps, truncated at 4 widths, reflecting at the ends (d c b a | a b c d | d c
/// b a), and scales each row to unit population standard deviation over time; its mean is not
/// removed. A row too short to tell a standard deviation (T at most 4 widths) is scaled by the
/// filter's own gain instead, which gives unit variance over the distribution. Width 0 leaves
/// `noise` as it is.
void smooth_noise(double width, MatrixX& noise);

/// Identifies the noise of one batch.
struct NoiseKey {
  std::uint64_t seed = 0;                              ///< of the run
  int iteration = 0;                                   ///< of the training, from 0
  int condition = 0;                                   ///< of the task, from 0
  StreamPurpose purpose = StreamPurpose::exploration;  ///< of the stream
};

/// Unit-variance noise of sample i of a batch, nu x T. Depends on the key and i alone.
MatrixX draw_noise(const NoiseOptions& options, const NoiseKey& key, int sample, int steps, int nu);

}  // namespace pilqr
