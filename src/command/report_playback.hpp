#pragma once
/// Rollouts of a report, as drawings to play.

#include <string>
#include <vector>

#include "report_data.hpp"

namespace pilqr::command {

/// One shape over a rollout.
struct PlayedShape {
  std::string name;
  systems::ShapeRole role{};
  systems::ShapeKind kind{};
  double radius = 0.0;            ///< m
  std::vector<MatrixX> points{};  ///< 2 x n per frame, m; a single one if it never moves
};

/// One rollout.
struct Playback {
  std::size_t algorithm = 0;  ///< index in ReportedTask::algorithms
  int condition = 0;
  int iteration = 0;  ///< policies are numbered from 0, the first; `last` of metrics + 1: final
  bool noiseless = false;  ///< a policy's mean; otherwise a sample of the training
  double cost = 0.0;
  double seconds_per_frame = 0.0;
  std::vector<PlayedShape> shapes{};
};

/// Of the first seed of every algorithm and for every condition: the first policy and the last one
/// without noise, and samples of at most `samples` iterations between; at most `frames` frames
/// each, at least two. The first policy of TRPO and DDPG, a random network, is not kept: theirs
/// begin with a sample of the first iteration.
std::vector<Playback> play(const ReportedTask& task, int samples, int frames);

}  // namespace pilqr::command
