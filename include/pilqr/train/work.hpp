#pragma once
/// One iteration of all conditions, spread over executors and ranks.

#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "pilqr/core/executor.hpp"
#include "pilqr/core/team.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/train/faults.hpp"
#include "pilqr/train/history.hpp"
#include "pilqr/train/optimizer_state.hpp"
#include "pilqr/train/rollout_events.hpp"
#include "pilqr/train/share.hpp"

namespace pilqr {

/// How long to train, on what.
struct TrainOptions {
  int iterations = 20;               ///< to do in this call
  int samples = 20;                  ///< rollouts per iteration and condition
  std::uint64_t seed = 0;            ///< everything random follows from it
  NoiseOptions noise{};              ///< of the exploration
  FaultOptions faults{};             ///< rollouts that fail
  StopOptions stop{};                ///< when a training ends early
  ExplorationOptions exploration{};  ///< its floor
  int first_iteration = 0;           ///< index of the first one; > 0 when a run goes on
  std::vector<int> conditions{};     ///< their ids; empty: 0, 1, .. one per optimiser
  RolloutEvents events{};            ///< to look on; ranks may differ in it

  /// The id of the condition at this place.
  [[nodiscard]] int id(std::size_t m) const {
    return conditions.empty() ? static_cast<int>(m) : conditions[m];
  }
};

/// Every option that results depend on, for ranks that compare theirs.
inline void put(const TrainOptions& options, MessageWriter& out) {
  out.put(options.iterations);
  out.put(options.samples);
  out.put(options.seed);
  out.put(options.noise.width);
  out.put(options.noise.antithetic);
  out.put(options.faults.retries);
  out.put(options.faults.least_share);
  out.put(options.faults.time_limit);
  out.put(options.stop.failed_updates);
  out.put(options.exploration.floor);
  out.put(options.exploration.spent_ratio);
  out.put(options.exploration.spent_iterations);
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
  require_valid(options.faults);
  require_valid(options.stop);
  require_valid(options.exploration);
  constexpr int most = std::numeric_limits<int>::max();
  require(options.iterations >= 0 && options.first_iteration >= 0 &&
              options.iterations <= most - options.first_iteration,
          "{} iterations from iteration {} on", options.iterations, options.first_iteration);
  require(M <= most && (options.samples < 1 || static_cast<int>(M) <= most / options.samples),
          "{} conditions of {} samples are more rollouts than an int counts", M, options.samples);
}

/// Where a rollout of a batch comes from.
struct RolloutOrigin {
  int sample = 0;   ///< its number among the samples of the condition
  int attempt = 0;  ///< how often it had been made before
};

/// The rollouts of all conditions.
template <int Nx, int Nu>
struct ConditionBatches {
  std::vector<Rollouts<Nx, Nu>> rollouts;           ///< the good ones; incomplete where too few are
  std::vector<std::vector<RolloutOrigin>> origins;  ///< of each of the rollouts
  std::vector<Failure> failures;                    ///< of each condition: why too few are good
  std::vector<std::vector<FailedRollout<Nx, Nu>>> failed;  ///< of each condition
  std::vector<int> made;                                   ///< of each condition, failed or not
  double seconds = 0.0;  ///< that they took on this rank, for one condition in the mean
};

namespace detail {

/// Asks about the rollouts `made` that have not failed; every rank learns the answers.
template <int Nx, int Nu, Team R>
void ask(const Reject<Nx, Nu>& reject, const std::vector<int>& made,
         const std::vector<SampleOptions>& which, const std::vector<Rollouts<Nx, Nu>>& rollouts,
         R& team, std::vector<Failure>& failures) {
  if (!reject) return;
  const int N = which.front().samples;
  MessageWriter answers;
  if (team.rank() == 0) {
    for (const int number : made) {
      const auto m = static_cast<std::size_t>(number / N);
      const bool failed = !failures[static_cast<std::size_t>(number)].ok();
      answers.put(failed ? std::string() : reject(which[m].condition, number % N, rollouts[m]));
    }
  }
  std::string bytes = answers.bytes();
  if (team.size() > 1) bytes = team.exchange(bytes).front();
  MessageReader in(bytes);
  for (const int number : made) {
    std::string reason = in.get_text();
    if (reason.empty()) continue;
    const auto m = static_cast<std::size_t>(number / N);
    failures[static_cast<std::size_t>(number)] = {.kind = FailureKind::rejected,
                                                  .condition = which[m].condition,
                                                  .sample = number % N,
                                                  .step = rollouts[m].steps(),
                                                  .detail = std::move(reason),
                                                  .attempt = which[m].attempt};
  }
}

/// How many are good, as a failure says it after its own words.
inline std::string how_many_are_good(const std::string& detail, int good, int N, int needed) {
  return fmt::format("{}{}{} of {} rollouts are good, {} needed", detail,
                     detail.empty() ? "" : "; ", good, N, needed);
}

/// Leaves the good rollouts, if they are enough.
/// @param failures of the N rollouts. @param origins of the N rollouts.
template <int Nx, int Nu>
Failure keep_good(std::span<const Failure> failures, const FaultOptions& faults,
                  Rollouts<Nx, Nu>& rollouts, std::vector<RolloutOrigin>& origins) {
  std::vector<int> good;
  Failure first;
  for (std::size_t i = 0; i < failures.size(); ++i) {
    if (failures[i].ok()) {
      good.push_back(static_cast<int>(i));
    } else if (first.ok()) {
      first = failures[i];
    }
  }
  if (first.ok()) return {};
  const int N = rollouts.samples();
  const int needed = faults.needed(N);
  if (static_cast<int>(good.size()) < needed) {
    first.detail = how_many_are_good(first.detail, static_cast<int>(good.size()), N, needed);
    return first;
  }
  rollouts = only(rollouts, good);
  std::erase_if(origins, [&](const RolloutOrigin& origin) {
    return !failures[static_cast<std::size_t>(origin.sample)].ok();
  });
  return {};
}

/// Names the rollout of an update's failure as the samples are counted, not those that are left.
inline void name_rollout(const std::vector<RolloutOrigin>& origins, Failure& failure) {
  if (failure.sample < 0) return;
  const RolloutOrigin& origin = origins[static_cast<std::size_t>(failure.sample)];
  failure.sample = origin.sample;
  failure.attempt = origin.attempt;
}

}  // namespace detail

/// Line 2 of Algorithm 1 for all conditions in one run of the executor: rollout i of condition m is
/// number m N + i of the team's work. Those that fail are made again with other noise, all of an
/// attempt in one run, and left out if they fail to the last. Throws InvalidArgument for options
/// out of range.
/// @param on_failed see TrainCallbacks::on_failed_rollout.
/// @param actor_of actor_of(m) is who acts in condition m, by reference or, if its act() is not
/// const, a copy.
template <int Nx, int Nu, class ActorOf, System S, Cost C, Executor E, Team R>
ConditionBatches<Nx, Nu> sample_conditions(S& system, const std::vector<C>& costs, int conditions,
                                           const ActorOf& actor_of, const TrainOptions& options,
                                           int iteration, E& executor, R& team,
                                           const Reject<Nx, Nu>& reject = {},
                                           const OnFailedRollout<Nx, Nu>& on_failed = {}) {
  const auto start = std::chrono::steady_clock::now();
  const int M = conditions;
  const int N = options.samples;
  std::vector<SampleOptions> which(static_cast<std::size_t>(M));
  ConditionBatches<Nx, Nu> batches;
  batches.failed.resize(which.size());
  batches.origins.resize(which.size());
  batches.made.resize(which.size());
  for (std::size_t m = 0; m < which.size(); ++m) {
    which[m] = {.samples = N,
                .seed = options.seed,
                .iteration = iteration,
                .condition = options.id(m),
                .noise = options.noise,
                .attempt = options.faults.retries,  // the last one, to be checked
                .time_limit = options.faults.time_limit};
    require_valid(which[m]);
    const auto& actor = actor_of(m);
    batches.rollouts.emplace_back(actor.steps(), N, actor.nx(), actor.nu());
    for (int i = 0; i < N; ++i) batches.origins[m].push_back({.sample = i});
  }
  std::vector<Failure> failures(static_cast<std::size_t>(M) * static_cast<std::size_t>(N));
  std::vector<int> missing(failures.size());
  std::iota(missing.begin(), missing.end(), 0);
  std::mutex telling;
  const RolloutEvents& events = options.events;
  const auto id_of = [&](int number, int attempt) -> RolloutId {
    return {iteration, options.id(static_cast<std::size_t>(number / N)), number % N, attempt};
  };
  const auto failed_rollout = [&](int number) -> FailedRollout<Nx, Nu> {
    return {iteration, failures[static_cast<std::size_t>(number)],
            part_of(batches.rollouts[static_cast<std::size_t>(number / N)], number % N)};
  };
  for (int attempt = 0; attempt <= options.faults.retries && !missing.empty(); ++attempt) {
    for (SampleOptions& w : which) w.attempt = attempt;
    const Share share{team.rank(), team.size(), static_cast<int>(missing.size())};
    run_on_copies(system, executor, share.count(), [&](S& own, int j) {
      const int number = missing[static_cast<std::size_t>(share.piece(j))];
      const auto m = static_cast<std::size_t>(number / N);
      Failure& failure = failures[static_cast<std::size_t>(number)];
      auto&& actor = actor_of(m);
      if (events.begins) events.begins(id_of(number, attempt));
      failure = run_rollout(own, costs[costs.size() == 1 ? 0 : m], actor, which[m], number % N,
                            batches.rollouts[m]);
      if (events.ends) events.ends(id_of(number, attempt));
      if (!failure.ok() && team.size() > 1) failure.rank = team.rank();
      if (failure.ok() ? !events.good : !on_failed) return;
      const std::lock_guard<std::mutex> lock(telling);
      if (failure.ok()) {
        events.good(id_of(number, attempt), batches.rollouts[m]);
      } else {
        on_failed(failed_rollout(number));
      }
    });
    if (team.size() > 1) {
      exchange_rollouts(team, missing, batches.rollouts, failures);
      for (int j = 0; events.good && j < share.pieces; ++j) {
        const int number = missing[static_cast<std::size_t>(j)];
        const bool mine = j % share.ranks == share.rank;
        if (mine || !failures[static_cast<std::size_t>(number)].ok()) continue;
        events.good(id_of(number, attempt), batches.rollouts[static_cast<std::size_t>(number / N)]);
      }
    }
    detail::ask(reject, missing, which, batches.rollouts, team, failures);
    std::vector<int> again;
    for (const int number : missing) {
      const auto m = static_cast<std::size_t>(number / N);
      ++batches.made[m];
      batches.origins[m][static_cast<std::size_t>(number % N)].attempt = attempt;
      const Failure& failure = failures[static_cast<std::size_t>(number)];
      if (failure.ok()) continue;
      batches.failed[m].push_back(failed_rollout(number));
      const bool told = failure.kind != FailureKind::rejected &&
                        (team.size() == 1 || failure.rank == team.rank());
      if (on_failed && !told) on_failed(batches.failed[m].back());
      again.push_back(number);
    }
    missing = std::move(again);
  }
  for (std::size_t m = 0; m < which.size(); ++m) {
    const std::span all(failures);
    batches.failures.push_back(
        detail::keep_good(all.subspan(m * static_cast<std::size_t>(N), static_cast<std::size_t>(N)),
                          options.faults, batches.rollouts[m], batches.origins[m]));
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
                                           R& team, const Reject<Nx, Nu>& reject = {},
                                           const OnFailedRollout<Nx, Nu>& on_failed = {}) {
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(optimizers.front().policy())>,
                               LinearGaussianPolicy<Nx, Nu>>,
                "the policies' Nx and Nu must be those of the callbacks or, without them, of the "
                "system");
  return sample_conditions<Nx, Nu>(
      system, costs, static_cast<int>(optimizers.size()),
      [&](std::size_t m) -> const auto& { return optimizers[m].policy(); }, options, iteration,
      executor, team, reject, on_failed);
}

/// Lines 3 to 8 of Algorithm 1 for all conditions, each by one worker of one rank. A condition with
/// too few good rollouts is not updated. Returns a record for each condition.
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
    record.rollouts = batches.made[m];
    for (const auto& failed : batches.failed[m]) record.faults.push_back(failed.failure);
    record.report.failure = batches.failures[m];
    if (!record.report.ok()) return;
    const auto start = Clock::now();
    record.report = update(m, costs[costs.size() == 1 ? 0 : m],
                           RandomStream({.seed = options.seed,
                                         .iteration = static_cast<std::uint32_t>(iteration),
                                         .condition = static_cast<std::uint32_t>(options.id(m)),
                                         .purpose = StreamPurpose::fit}));
    if (!record.report.ok()) describe_samples(batches.rollouts[m], record.report);
    record.report.failure.condition = record.report.ok() ? -1 : record.condition;
    detail::name_rollout(batches.origins[m], record.report.failure);
    record.seconds_update = std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Share share{team.rank(), team.size(), static_cast<int>(optimizers.size())};
  executor.run(share.count(), [&] {
    return [&](int j) { update_one(static_cast<std::size_t>(share.piece(j))); };
  });
  if (team.size() > 1) exchange_updates(team, records, optimizers);
  return records;
}

}  // namespace pilqr
