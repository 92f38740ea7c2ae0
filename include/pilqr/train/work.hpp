#pragma once
/// One iteration of all conditions, spread over executors and ranks.

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "pilqr/core/executor.hpp"
#include "pilqr/core/team.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/train/optimizer_state.hpp"
#include "pilqr/train/share.hpp"

namespace pilqr {

/// How long to train, on what.
struct TrainOptions {
  int iterations = 20;     ///< to do in this call
  int samples = 20;        ///< rollouts per iteration and condition
  std::uint64_t seed = 0;  ///< everything random follows from it
  NoiseOptions noise{};
  int first_iteration = 0;        ///< index of the first one; > 0 when a run goes on
  std::vector<int> conditions{};  ///< their ids; empty: 0, 1, .. one per optimiser

  /// The id of the condition at this place.
  [[nodiscard]] int id(std::size_t m) const {
    return conditions.empty() ? static_cast<int>(m) : conditions[m];
  }
};

/// Every option, for ranks that compare theirs.
inline void put(const TrainOptions& options, MessageWriter& out) {
  out.put(options.iterations);
  out.put(options.samples);
  out.put(options.seed);
  out.put(options.noise.width);
  out.put(options.noise.antithetic);
  out.put(options.first_iteration);
  out.put(options.conditions.size());
  for (const int id : options.conditions) out.put(id);
}

/// Throws InvalidArgument, naming the values, for counts that do not fit.
inline void require_valid(const TrainOptions& options, std::size_t costs, std::size_t optimizers) {
  const auto M = optimizers;
  require(M >= 1 && (costs == M || costs == 1),
          "{} optimisers and {} costs, expected one each per condition, or one cost for all", M,
          costs);
  require(options.conditions.empty() || options.conditions.size() == M,
          "{} condition ids for {} optimisers", options.conditions.size(), M);
  constexpr int most = std::numeric_limits<int>::max();
  require(options.iterations >= 0 && options.first_iteration >= 0 &&
              options.iterations <= most - options.first_iteration,
          "{} iterations from iteration {} on", options.iterations, options.first_iteration);
  require(M <= most && (options.samples < 1 || static_cast<int>(M) <= most / options.samples),
          "{} conditions of {} samples are more rollouts than an int counts", M, options.samples);
}

/// The rollouts of all conditions.
template <int Nx, int Nu>
struct ConditionBatches {
  std::vector<Rollouts<Nx, Nu>> rollouts;
  std::vector<Failure> failures;  ///< of each condition's lowest failing sample
  double seconds = 0.0;           ///< that they took on this rank, for one condition in the mean
};

/// Line 2 of Algorithm 1 for all conditions in one run of the executor: rollout i of condition m is
/// piece m N + i of the team's work. Throws InvalidArgument for options out of range.
/// @param actor_of actor_of(m) is who acts in condition m, by reference or, if its act() is not
/// const, a copy.
template <int Nx, int Nu, class ActorOf, System S, Cost C, Executor E, Team R>
ConditionBatches<Nx, Nu> sample_conditions(S& system, const std::vector<C>& costs, int conditions,
                                           const ActorOf& actor_of, const TrainOptions& options,
                                           int iteration, E& executor, R& team) {
  const auto start = std::chrono::steady_clock::now();
  const int M = conditions;
  const int N = options.samples;
  std::vector<SampleOptions> which(static_cast<std::size_t>(M));
  ConditionBatches<Nx, Nu> batches;
  for (std::size_t m = 0; m < which.size(); ++m) {
    which[m] = {.samples = N,
                .seed = options.seed,
                .iteration = iteration,
                .condition = options.id(m),
                .noise = options.noise};
    require_valid(which[m]);
    const auto& actor = actor_of(m);
    batches.rollouts.emplace_back(actor.steps(), N, actor.nx(), actor.nu());
  }
  std::vector<Failure> failures(static_cast<std::size_t>(M) * static_cast<std::size_t>(N));
  const Share share{team.rank(), team.size(), M * N};
  run_on_copies(system, executor, share.count(), [&](S& own, int j) {
    const int piece = share.piece(j);
    const auto m = static_cast<std::size_t>(piece / N);
    Failure& failure = failures[static_cast<std::size_t>(piece)];
    auto&& actor = actor_of(m);
    failure = run_rollout(own, costs[costs.size() == 1 ? 0 : m], actor, which[m], piece % N,
                          batches.rollouts[m]);
    if (!failure.ok() && team.size() > 1) failure.rank = team.rank();
  });
  if (team.size() > 1) exchange_rollouts(team, batches.rollouts, failures);
  for (auto first = failures.begin(); first != failures.end(); first += N) {
    batches.failures.push_back(first_failure({first, first + N}));
  }
  batches.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / M;
  return batches;
}

/// The same by the policies of the optimisers.
template <int Nx, int Nu, class Optimizer, System S, Cost C, Executor E, Team R>
ConditionBatches<Nx, Nu> sample_conditions(S& system, const std::vector<C>& costs,
                                           const std::vector<Optimizer>& optimizers,
                                           const TrainOptions& options, int iteration, E& executor,
                                           R& team) {
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(optimizers.front().policy())>,
                               LinearGaussianPolicy<Nx, Nu>>,
                "the policies' Nx and Nu must be those of the callbacks or, without them, of the "
                "system");
  return sample_conditions<Nx, Nu>(
      system, costs, static_cast<int>(optimizers.size()),
      [&](std::size_t m) -> const auto& { return optimizers[m].policy(); }, options, iteration,
      executor, team);
}

/// Lines 3 to 8 of Algorithm 1 for all conditions, each by one worker of one rank. A condition with
/// a failed rollout is not updated. Returns a record for each condition.
/// @param update update(m, cost, stream) updates the optimiser of condition m on its rollouts and
/// returns the report.
template <int Nx, int Nu, class Update, class Optimizer, Cost C, Executor E, Team R>
std::vector<IterationRecord> update_conditions(const ConditionBatches<Nx, Nu>& batches,
                                               const std::vector<C>& costs,
                                               std::vector<Optimizer>& optimizers,
                                               const Update& update, const TrainOptions& options,
                                               int iteration, E& executor, R& team) {
  using Clock = std::chrono::steady_clock;
  std::vector<IterationRecord> records(optimizers.size());
  const auto update_one = [&](std::size_t m) {
    IterationRecord& record = records[m];
    record.iteration = iteration;
    record.condition = options.id(m);
    record.seconds_rollout = batches.seconds;
    record.report.failure = batches.failures[m];
    if (!record.report.ok()) return;
    const auto start = Clock::now();
    record.report = update(m, costs[costs.size() == 1 ? 0 : m],
                           RandomStream({.seed = options.seed,
                                         .iteration = static_cast<std::uint32_t>(iteration),
                                         .condition = static_cast<std::uint32_t>(options.id(m)),
                                         .purpose = StreamPurpose::fit}));
    record.report.failure.condition = record.report.ok() ? -1 : record.condition;
    record.seconds_update = std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Share share{team.rank(), team.size(), static_cast<int>(optimizers.size())};
  executor.run(share.count(), [&] {
    return [&](int j) { update_one(static_cast<std::size_t>(share.piece(j))); };
  });
  if (team.size() > 1) exchange_updates(team, records, optimizers);
  return records;
}

/// The same by Optimizer::update.
template <int Nx, int Nu, class Optimizer, Cost C, Executor E, Team R>
std::vector<IterationRecord> update_conditions(const ConditionBatches<Nx, Nu>& batches,
                                               const std::vector<C>& costs,
                                               std::vector<Optimizer>& optimizers,
                                               const TrainOptions& options, int iteration,
                                               E& executor, R& team) {
  const auto update = [&](std::size_t m, const C& cost, const RandomStream& stream) {
    return optimizers[m].update(batches.rollouts[m], cost, stream);
  };
  return update_conditions(batches, costs, optimizers, update, options, iteration, executor, team);
}

}  // namespace pilqr
