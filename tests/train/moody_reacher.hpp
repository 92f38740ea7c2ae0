#pragma once
/// Short trainings of three conditions of the reacher, and a reacher that fails on purpose.

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "pilqr/systems/reacher.hpp"
#include "pilqr/train/settings.hpp"
#include "pilqr/train/trainer.hpp"

namespace pilqr::test {

constexpr std::uint64_t run_seed = 7;

/// The reacher, until one rollout of one iteration, in which it throws or gives NaN at step 17.
struct MoodyReacher {
  static constexpr int Nx = systems::Reacher::Nx;
  static constexpr int Nu = systems::Reacher::Nu;
  static constexpr int when = 17;
  int condition = -1;  ///< of the bad rollout; -1: there is none
  int iteration = 0;
  int sample = 0;
  bool gives_nan = false;  ///< instead of throwing
  bool bad = false;        ///< in this rollout

  /// A rollout is recognised by its random stream, which the reacher itself does not use.
  void reset(int where, RandomStream& stream, Vector<Nx>& x) {
    RandomStream one({.seed = run_seed,
                      .iteration = static_cast<std::uint32_t>(iteration),
                      .condition = static_cast<std::uint32_t>(where),
                      .sample = static_cast<std::uint32_t>(sample),
                      .purpose = StreamPurpose::system});
    bad = where == condition && stream.uniform() == one.uniform();
    systems::Reacher{}.reset(where, stream, x);
  }
  void step(int t, const Vector<Nx>& x, const Vector<Nu>& u, RandomStream& stream,
            Vector<Nx>& next) const {
    if (bad && t == when && !gives_nan) throw std::runtime_error("bad mood");
    systems::Reacher{}.step(t, x, u, stream, next);
    if (bad && t == when) next(0) = std::numeric_limits<double>::quiet_NaN();
  }
};

/// 4 rollouts of each of the conditions 2, 1, 0.
inline Settings reacher_settings(Algorithm algorithm, bool gmm) {
  Settings settings = default_settings(find_task("reacher"), algorithm);
  settings.samples = 4;
  settings.seed = run_seed;
  settings.conditions = {2, 1, 0};
  settings.faults = {.retries = 0, .least_share = 1.0};
  if (gmm) settings.model.gmm = GmmPriorOptions{.max_clusters = 3, .max_points = 1200};
  return settings;
}

/// A training and all that its callbacks were told.
struct RecordedRun {
  explicit RecordedRun(const Settings& settings) {
    const Task& task = find_task(settings.task);
    for (const int condition : settings.conditions) {
      optimizers.emplace_back(settings, task.initial_policy(condition));
      costs.push_back(task.cost(condition));
    }
    options = {.samples = settings.samples,
               .seed = settings.seed,
               .noise = settings.noise,
               .faults = settings.faults,
               .conditions = settings.conditions};
  }
  RecordedRun(Algorithm algorithm, bool gmm) : RecordedRun(reacher_settings(algorithm, gmm)) {}

  TrainCallbacks<> callbacks() {
    return {.on_update =
                [this](const IterationRecord& record, const Rollouts<>& rollouts) {
                  log.push_back(record);
                  seen.push_back(rollouts.x);
                },
            .on_iteration =
                [this](int iteration) {
                  ended.push_back(iteration);
                  return true;
                }};
  }

  /// All that the optimisers carry, bit by bit.
  [[nodiscard]] std::vector<std::string> states() const {
    std::vector<std::string> all;
    for (const auto& optimizer : optimizers) all.push_back(encode_optimizer(state_of(optimizer)));
    return all;
  }
  /// The log without its times, bit by bit.
  [[nodiscard]] std::vector<std::string> reports() const {
    std::vector<std::string> all;
    for (IterationRecord record : log) {
      record.seconds_rollout = record.seconds_update = 0.0;
      MessageWriter bytes;
      put(record, bytes);
      all.push_back(bytes.bytes());
    }
    return all;
  }

  std::vector<AnyOptimizer> optimizers;
  std::vector<AnyCost> costs;
  TrainOptions options;
  std::vector<IterationRecord> log;
  std::vector<Sequence<Dynamic, Dynamic>> seen;  ///< states of the rollouts
  std::vector<int> ended;                        ///< iterations
};

}  // namespace pilqr::test
