#pragma once
/// Runs of a few steps, so that their files are small.

#include <string>
#include <vector>

#include "pilqr/train/checkpoint.hpp"

namespace pilqr::fuzz {

/// A run after some iterations.
struct SmallRun {
  Settings settings;
  Progress progress;
  std::vector<AnyOptimizer> fresh;    ///< as of a new run
  std::vector<AnyOptimizer> trained;  ///< after `progress`
  std::vector<IterationRecord> records;
  Rollouts<> rollouts;  ///< of the last iteration, first condition
};

/// Two steps of the point mass, four samples, conditions 0 and 3 (in name; both are the same): each
/// trajectory optimiser, and PILQR with a mixture as prior.
std::vector<SmallRun> small_runs(int iterations);

/// The first steps of a policy.
LinearGaussianPolicy<> beginning(const LinearGaussianPolicy<>& policy, int steps);

}  // namespace pilqr::fuzz
