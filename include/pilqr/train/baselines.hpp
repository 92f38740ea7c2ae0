#pragma once
/// The outer loop of DDPG and TRPO: sample all conditions with one policy, learn, report, repeat.

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "pilqr/baselines/network_actor.hpp"
#include "pilqr/io/baseline_state.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/train/failed_updates.hpp"
#include "pilqr/train/trainer.hpp"
#include "pilqr/train/work.hpp"

namespace pilqr {

/// What learns one network policy from rollouts of it: Trpo, Ddpg. update() reports its failure,
/// and the samples and steps so far; if its report has rejected(), a Failure, that counts as one.
template <class L>
concept Baseline = std::copyable<L> &&
    requires(L& learner, const L& other, const std::vector<RolloutsView>& batches,
             const RandomStream& stream) {
  { other.steps() } -> std::convertible_to<int>;
  { other.policy() } -> std::same_as<NetworkPolicy>;
  { learner.update(batches, stream).failure } -> std::convertible_to<Failure>;
};

/// One iteration.
template <class Update, int Nx = Dynamic, int Nu = Dynamic>
struct BaselineReport {
  /// One per condition, in their order: its samples' costs, its rollouts and what failed of them.
  std::vector<IterationRecord> conditions;
  /// The good ones of each condition, as they were made; of one that has none, incomplete ones.
  std::vector<Rollouts<Nx, Nu>> rollouts;
  Update update{};               ///< what the learner reports; as new if there was no update
  bool sampled = true;           ///< whether there were enough good rollouts for an update
  double seconds_rollout = 0.0;  ///< all rollouts on this rank
  double seconds_update = 0.0;   ///< of the learner

  /// Why there was no update: too few good rollouts, named by the first condition that lacks some,
  /// or the update's own failure; or why the update moved nothing.
  [[nodiscard]] Failure failure() const {
    for (const IterationRecord& record : conditions) {
      if (!sampled && !record.report.ok()) return record.report.failure;
    }
    if constexpr (requires { update.rejected(); }) {
      if (update.failure.ok()) return update.rejected();
    }
    return update.failure;
  }
  /// Mean total cost of the samples, over the conditions; NaN if one of them has no good rollout.
  [[nodiscard]] double cost_mean() const {
    double sum = 0.0;
    for (const IterationRecord& record : conditions) sum += record.report.cost_mean;
    return sum / static_cast<double>(conditions.size());
  }
};

/// The type of an iteration's report.
template <Baseline L, System S>
using BaselineReportOf = BaselineReport<
    std::remove_cvref_t<decltype(std::declval<L&>().update(
        std::declval<const std::vector<RolloutsView>&>(), std::declval<const RandomStream&>()))>,
    S::Nx, S::Nu>;

namespace detail {

/// Adds what ranks must have in common to a message: what the learner carries, as far as there are
/// files of it, and the policy.
template <Baseline L>
void put_learner(const L& learner, MessageWriter& out) {
  put(learner.policy(), out);
  const auto put_contents = [&](const SafeTensors& contents) {
    out.put(std::hash<std::string>{}(encode_safetensors(contents)));
  };
  if constexpr (std::same_as<L, Trpo>) put_contents(trpo_to_safetensors(learner));
  if constexpr (std::same_as<L, Ddpg>) put_contents(ddpg_to_safetensors(learner));
}

/// What an update says of itself in the line of every condition.
/// @param after the policy after it.
template <class Update>
void describe_network(const Update& update, const NetworkPolicy& after, UpdateReport& report) {
  report.noise_std_min = after.covariance_factor().rowwise().norm().minCoeff();
  if (!update.failure.ok()) return;
  if constexpr (std::same_as<Update, TrpoReport>) {
    report.kl_mean = update.step.kl;
    report.moved = update.step.moved ? 1 : 0;
  }
}

/// The totals of an iteration with too few good rollouts, in every condition that lost some.
template <int Nx, int Nu>
void describe_lack(const ConditionBatches<Nx, Nu>& batches, int good, int all,
                   const FaultOptions& faults, std::vector<IterationRecord>& records) {
  for (std::size_t m = 0; m < records.size(); ++m) {
    for (const auto& failed : batches.failed[m]) {
      if (failed.failure.attempt < faults.retries) continue;  // it was made again
      Failure& failure = records[m].report.failure;
      failure = failed.failure;
      failure.detail = how_many_are_good(failure.detail, good, all, faults.needed(all));
      break;
    }
  }
}

}  // namespace detail

/// The rollouts of a condition with what a policy sees in the place of the states.
[[nodiscard]] inline Rollouts<> observed(const RolloutsView& r, const Observation& observation) {
  Rollouts<> seen(r.steps(), r.samples(), r.nx() + observation.extra(), r.nu());
  seen.cost = r.cost;
  for (int t = 0; t < r.steps(); ++t) {
    observation.see(r.x[t], seen.x[t]);
    seen.u[t] = r.u[t];
    seen.xi[t] = r.xi[t];
  }
  return seen;
}

/// One iteration: options.samples rollouts of every condition by the learner's policy, with its
/// exploration, then one update() on all of them, as the policy saw them. Of the options, samples,
/// seed, noise, faults and conditions count. There are as many conditions as options.conditions, or
/// as costs if that is empty; see train() for costs, executor and team. All ranks must be given the
/// same and have equal learners; each of them makes the update. There may be but one rollout of
/// each condition: it is of all samples together that FaultOptions::least_share has to be good. If
/// less is, there is no update, and the records of the conditions that lost rollouts say so.
/// Otherwise the learner gets all that are good, and a condition without any is left out, which its
/// record says. If the update fails, or moves nothing (TrpoReport::rejected), every record says so.
/// @param observations of the conditions; none: the state alone in all.
/// @param reject, on_failed see TrainCallbacks.
template <Baseline L, System S, Cost C, Executor E, Team R = SingleRank>
BaselineReportOf<L, S> iterate(L& learner, S& system, const std::vector<C>& costs,
                               const std::vector<Observation>& observations,
                               const TrainOptions& options, int iteration, E& executor,
                               R&& team = {}, const Reject<S::Nx, S::Nu>& reject = {},
                               const OnFailedRollout<S::Nx, S::Nu>& on_failed = {}) {
  const std::size_t M = options.conditions.empty() ? costs.size() : options.conditions.size();
  require_valid(options, costs.size(), M);
  require(observations.empty() || observations.size() == M, "{} observations for {} conditions",
          observations.size(), M);
  BaselineReportOf<L, S> report;
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::vector<NetworkActor> actors;
  for (std::size_t m = 0; m < M; ++m) {
    actors.emplace_back(learner.policy(), learner.steps(),
                        observations.empty() ? Observation{} : observations[m]);
  }
  TrainOptions any_good = options;  // of each condition; all together are counted below
  any_good.faults.least_share = std::numeric_limits<double>::min();
  auto batches = sample_conditions<S::Nx, S::Nu>(
      system, costs, static_cast<int>(M), [&](std::size_t m) { return actors[m]; }, any_good,
      iteration, executor, team, reject, on_failed);
  const auto sampled = Clock::now();
  report.seconds_rollout = std::chrono::duration<double>(sampled - start).count();
  report.rollouts = std::move(batches.rollouts);
  for (std::size_t m = 0; m < M; ++m) {
    IterationRecord& record = report.conditions.emplace_back();
    record.iteration = iteration;
    record.condition = options.id(m);
    record.seconds_rollout = batches.seconds;
    record.rollouts = batches.made[m];
    for (const auto& failed : batches.failed[m]) record.faults.push_back(failed.failure);
    record.report.failure = batches.failures[m];
    if (record.report.ok()) describe_samples(report.rollouts[m], record.report);
  }
  std::vector<Rollouts<>> seen;
  int good = 0;
  for (std::size_t m = 0; m < M; ++m) {
    if (!report.conditions[m].report.ok()) continue;
    good += report.rollouts[m].samples();
    seen.push_back(
        observed(report.rollouts[m], observations.empty() ? Observation{} : observations[m]));
  }
  const int all = options.samples * static_cast<int>(M);
  report.sampled = good >= options.faults.needed(all);
  if (!report.sampled) {
    detail::describe_lack(batches, good, all, options.faults, report.conditions);
    return report;
  }
  const std::vector<RolloutsView> views(seen.begin(), seen.end());
  report.update =
      learner.update(views, RandomStream({.seed = options.seed,
                                          .iteration = static_cast<std::uint32_t>(iteration),
                                          .purpose = StreamPurpose::baseline}));
  report.seconds_update = std::chrono::duration<double>(Clock::now() - sampled).count();
  const NetworkPolicy after = learner.policy();
  for (IterationRecord& record : report.conditions) {
    record.seconds_update = report.seconds_update / static_cast<double>(M);
    detail::describe_network(report.update, after, record.report);
    if (record.report.ok()) record.report.failure = report.failure();
  }
  return report;
}

/// How a training ended.
template <class Report>
struct BaselineResult {
  int iterations = 0;      ///< finished, in this call
  bool stopped = false;    ///< by the callback, of any rank
  Report last{};           ///< of the last iteration; empty before the first
  Failure failure{};       ///< what ended the training; the policy is then the last good one
  int failed_updates = 0;  ///< updates in a row that had failed; 0: too few good rollouts
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// What to do along the way, as with trajectory optimisers, and what there is besides.
template <Baseline L, System S>
struct BaselineCallbacks : TrainCallbacks<S::Nx, S::Nu> {
  /// After every iteration, good or failed, before on_update. May be empty.
  std::function<void(int iteration, const BaselineReportOf<L, S>& report)> on_report{};
};

/// `options.iterations` iterations. A failed or rejected update leaves the policy, to be sampled
/// again. The training ends with a failure when too few rollouts of all conditions together are
/// good, after StopOptions::failed_updates such updates in a row, or when the iterations are over
/// and all of them since iteration 0 have failed. See iterate() for the rest, and train() of
/// trajectory optimisers (train/trainer.hpp) for the callbacks and for what ranks must agree on; of
/// the learner its policy and state are compared, and failed_updates. Throws InvalidArgument as
/// that does.
/// @param failed_updates updates in a row that have failed; a training that goes on needs what the
/// last call left, others 0.
template <Baseline L, System S, Cost C, Executor E, Team R>
BaselineResult<BaselineReportOf<L, S>> train(
    L& learner, S& system, const std::vector<C>& costs,
    const std::vector<Observation>& observations, const TrainOptions& options,
    const std::type_identity_t<BaselineCallbacks<L, S>>& callbacks, E& executor, R&& team,
    int& failed_updates) {
  const auto put_state = [&](MessageWriter& work) {
    work.put(failed_updates);
    detail::put_learner(learner, work);
  };
  detail::require_same_work(options, static_cast<bool>(callbacks.reject), put_state, team);
  BaselineResult<BaselineReportOf<L, S>> result;
  for (int n = 0; n < options.iterations; ++n) {
    const int iteration = options.first_iteration + n;
    result.last = iterate(learner, system, costs, observations, options, iteration, executor, team,
                          callbacks.reject, callbacks.on_failed_rollout);
    if (callbacks.on_report) callbacks.on_report(iteration, result.last);
    for (std::size_t m = 0; m < result.last.conditions.size() && callbacks.on_update; ++m) {
      callbacks.on_update(result.last.conditions[m], result.last.rollouts[m]);
    }
    const Failure failure = result.last.failure();
    if (!result.last.sampled ||
        detail::ends_with_failure(failure, iteration, n + 1 == options.iterations, options.stop,
                                  failed_updates)) {
      result.failure = failure;
      result.failed_updates = result.last.sampled ? failed_updates : 0;
      return result;
    }
    ++result.iterations;
    const bool go_on = !callbacks.on_iteration || callbacks.on_iteration(iteration);
    if (!detail::all_agree(go_on, team)) {
      result.stopped = true;
      return result;
    }
  }
  return result;
}

/// The same from the beginning.
template <Baseline L, System S, Cost C, Executor E, Team R = SingleRank>
BaselineResult<BaselineReportOf<L, S>> train(
    L& learner, S& system, const std::vector<C>& costs,
    const std::vector<Observation>& observations, const TrainOptions& options,
    const std::type_identity_t<BaselineCallbacks<L, S>>& callbacks, E& executor, R&& team = {}) {
  int failed_updates = 0;
  return train(learner, system, costs, observations, options, callbacks, executor, team,
               failed_updates);
}

}  // namespace pilqr
