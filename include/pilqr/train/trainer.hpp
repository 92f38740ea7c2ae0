#pragma once
/// The outer loop: sample every condition, update its policy, report, repeat.

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "pilqr/core/executor.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/model/sample.hpp"

namespace pilqr {

/// How long to train, on what.
struct TrainOptions {
  int iterations = 20;     ///< to do in this call
  int samples = 20;        ///< rollouts per iteration and condition
  std::uint64_t seed = 0;  ///< everything random follows from it
  NoiseOptions noise{};
  int first_iteration = 0;        ///< index of the first one; > 0 when a run goes on
  std::vector<int> conditions{};  ///< their ids; empty: 0, 1, .. one per optimiser
};

/// One line of a training log.
struct IterationRecord {
  int iteration = 0;
  int condition = 0;  ///< its id
  UpdateReport report{};
  double seconds_rollout = 0.0;
  double seconds_update = 0.0;
};

/// How a training ended.
struct TrainResult {
  int iterations = 0;    ///< finished for all conditions, in this call
  bool stopped = false;  ///< by the callback
  /// The last update of every condition that had one, in the order of the optimisers.
  std::vector<IterationRecord> last{};
  Failure failure;  ///< what ended the training; every policy is then its last good one
  [[nodiscard]] bool ok() const { return failure.ok(); }
};

/// What to do along the way. Either may be empty.
template <int Nx = Dynamic, int Nu = Dynamic>
struct TrainCallbacks {
  /// After every update, good or failed. The rollouts are those that the update used; after a
  /// failed rollout they are incomplete.
  std::function<void(const IterationRecord&, const Rollouts<Nx, Nu>&)> on_update{};
  /// After every iteration; returning false ends the training.
  std::function<bool(int iteration)> on_iteration{};
};

/// PILQR17 Algorithm 1, lines 1 and 2 around Optimizer::update, for M conditions: condition m has
/// its own optimiser, and costs[m], or costs[0] if there is one cost for all. Throws
/// InvalidArgument for counts that do not fit; failures of the task end the training and are
/// reported in the result.
template <class Optimizer, System S, Cost C, Executor E, int Nx, int Nu>
TrainResult train(S& system, const std::vector<C>& costs, std::vector<Optimizer>& optimizers,
                  const TrainOptions& options, const TrainCallbacks<Nx, Nu>& callbacks,
                  E& executor) {
  const auto M = optimizers.size();
  require(M >= 1 && (costs.size() == M || costs.size() == 1),
          "{} optimisers and {} costs, expected one each per condition, or one cost for all", M,
          costs.size());
  require(options.conditions.empty() || options.conditions.size() == M,
          "{} condition ids for {} optimisers", options.conditions.size(), M);
  require(options.iterations >= 0 && options.first_iteration >= 0 &&
              options.iterations <= std::numeric_limits<int>::max() - options.first_iteration,
          "{} iterations from iteration {} on", options.iterations, options.first_iteration);
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point a, Clock::time_point b) {
    return std::chrono::duration<double>(b - a).count();
  };

  TrainResult result;
  for (int n = 0; n < options.iterations; ++n) {
    const int iteration = options.first_iteration + n;
    for (std::size_t m = 0; m < M; ++m) {
      const int id = options.conditions.empty() ? static_cast<int>(m) : options.conditions[m];
      const C& cost = costs[costs.size() == 1 ? 0 : m];
      const auto start = Clock::now();
      const auto batch = sample(system, cost, optimizers[m].policy(),
                                {.samples = options.samples,
                                 .seed = options.seed,
                                 .iteration = iteration,
                                 .condition = id,
                                 .noise = options.noise},
                                executor);
      const auto sampled = Clock::now();
      IterationRecord record{.iteration = iteration, .condition = id};
      if (batch.ok()) {
        record.report =
            optimizers[m].update(batch.rollouts, cost,
                                 RandomStream({.seed = options.seed,
                                               .iteration = static_cast<std::uint32_t>(iteration),
                                               .condition = static_cast<std::uint32_t>(id),
                                               .purpose = StreamPurpose::fit}));
      } else {
        record.report.failure = batch.failure;
      }
      record.report.failure.condition = record.report.ok() ? -1 : id;
      record.seconds_rollout = seconds(start, sampled);
      record.seconds_update = seconds(sampled, Clock::now());
      if (result.last.size() <= m) result.last.resize(m + 1);
      result.last[m] = record;
      if (callbacks.on_update) callbacks.on_update(record, batch.rollouts);
      if (!record.report.ok()) {
        result.failure = record.report.failure;
        return result;
      }
    }
    ++result.iterations;
    if (callbacks.on_iteration && !callbacks.on_iteration(iteration)) {
      result.stopped = true;
      return result;
    }
  }
  return result;
}

/// The same on the calling thread and without callbacks.
template <class Optimizer, System S, Cost C>
TrainResult train(S& system, const std::vector<C>& costs, std::vector<Optimizer>& optimizers,
                  const TrainOptions& options) {
  SerialExecutor serial;
  return train(system, costs, optimizers, options, TrainCallbacks<S::Nx, S::Nu>{}, serial);
}

}  // namespace pilqr
