#pragma once
/// Runs of every kind of learner, of a few steps, for their checkpoints.

#include <vector>

#include "pilqr/train/checkpoint.hpp"

namespace pilqr::fuzz {

/// A run after some iterations.
struct LearnerRun {
  Settings settings;
  Progress progress;
  Learner fresh;    ///< as of a new run
  Learner trained;  ///< after `progress`
};

/// The small_runs(), guided policy search with each C-step, once with a mixture for the
/// linearisation, TRPO and DDPG: networks of two hidden units, the rest as there.
std::vector<LearnerRun> learner_runs(int iterations);

/// Of these guided policy search with the mixture, and the entries of its points.
LearnerRun mixture_run(int iterations);
constexpr int mixture_dimension = 4 + 2;

}  // namespace pilqr::fuzz
