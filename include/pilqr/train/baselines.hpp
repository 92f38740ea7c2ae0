#pragma once
/// The outer loop of DDPG and TRPO: sample all conditions with one policy, learn, report, repeat.

#include <concepts>
#include <functional>
#include <utility>
#include <vector>

#include "pilqr/baselines/network_actor.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/train/trainer.hpp"
#include "pilqr/train/work.hpp"

namespace pilqr {

/// What learns one network policy from rollouts of it: Trpo, Ddpg. update() reports its failure,
/// and the samples and steps so far.
template <class L>
concept Baseline = std::copyable<L> &&
    requires(L& learner, const L& other, const std::vector<RolloutsView>& batches,
             const RandomStream& stream) {
  { other.steps() } -> std::convertible_to<int>;
  { other.policy() } -> std::same_as<NetworkPolicy>;
  { learner.update(batches, stream).failure } -> std::convertible_to<Failure>;
};

/// One iteration.
template <class Update>
struct BaselineReport {
  /// One per condition, in their order: its samples' costs, its rollouts and what failed of them.
  std::vector<IterationRecord> conditions;
  Update update{};               ///< what the learner reports; as new if there was no update
  double seconds_rollout = 0.0;  ///< all rollouts on this rank
  double seconds_update = 0.0;

  /// The first failure: of a condition in their order, of the update.
  [[nodiscard]] Failure failure() const {
    for (const IterationRecord& record : conditions) {
      if (!record.report.ok()) return record.report.failure;
    }
    return update.failure;
  }
  /// Mean total cost of the samples, over the conditions.
  [[nodiscard]] double cost_mean() const {
    double sum = 0.0;
    for (const IterationRecord& record : conditions) sum += record.report.cost_mean;
    return sum / static_cast<double>(conditions.size());
  }
};

/// The type of an iteration's report.
template <Baseline L>
using BaselineReportOf = BaselineReport<std::remove_cvref_t<decltype(std::declval<L&>().update(
    std::declval<const std::vector<RolloutsView>&>(), std::declval<const RandomStream&>()))>>;

/// One iteration: options.samples rollouts of every condition by the learner's policy, with its
/// exploration, then one update() on all of them. Of the options, samples, seed, noise, faults and
/// conditions count. There are as many conditions as options.conditions, or as costs if that is
/// empty; see train() for costs, executor and team. All ranks must be given the same and have equal
/// learners; each of them makes the update. If a condition has too few good rollouts there is none.
template <Baseline L, System S, Cost C, Executor E, Team R = SingleRank>
BaselineReportOf<L> iterate(L& learner, S& system, const std::vector<C>& costs,
                            const TrainOptions& options, int iteration, E& executor,
                            R&& team = {}) {
  const std::size_t M = options.conditions.empty() ? costs.size() : options.conditions.size();
  require_valid(options, costs.size(), M);
  BaselineReportOf<L> report;
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const NetworkActor actor(learner.policy(), learner.steps());
  const auto batches = sample_conditions<S::Nx, S::Nu>(
      system, costs, static_cast<int>(M), [&](std::size_t) { return actor; }, options, iteration,
      executor, team);
  const auto sampled = Clock::now();
  report.seconds_rollout = std::chrono::duration<double>(sampled - start).count();
  std::vector<RolloutsView> views;
  for (std::size_t m = 0; m < M; ++m) {
    IterationRecord& record = report.conditions.emplace_back();
    record.iteration = iteration;
    record.condition = options.id(m);
    record.seconds_rollout = batches.seconds;
    record.rollouts = batches.made[m];
    for (const auto& failed : batches.failed[m]) record.faults.push_back(failed.failure);
    record.report.failure = batches.failures[m];
    if (record.report.ok()) describe_samples(batches.rollouts[m], record.report);
    views.emplace_back(batches.rollouts[m]);
  }
  if (!report.failure().ok()) return report;
  report.update =
      learner.update(views, RandomStream({.seed = options.seed,
                                          .iteration = static_cast<std::uint32_t>(iteration),
                                          .purpose = StreamPurpose::baseline}));
  report.seconds_update = std::chrono::duration<double>(Clock::now() - sampled).count();
  return report;
}

/// How a training ended.
template <class Report>
struct BaselineResult {
  int iterations = 0;    ///< finished without a failure, in this call
  bool stopped = false;  ///< by the callback, of any rank
  Report last{};         ///< of the last iteration; empty before the first
  Failure failure{};     ///< what ended the training; the policy is then the last good one
  [[nodiscard]] bool ok() const { return failure.ok(); }
};

/// `options.iterations` iterations, or until one in which something failed.
/// @param on_iteration after every iteration, good or failed, on the calling thread of every rank;
/// returning false on any rank ends the training on all. May be empty.
template <Baseline L, System S, Cost C, Executor E, Team R = SingleRank>
BaselineResult<BaselineReportOf<L>> train(
    L& learner, S& system, const std::vector<C>& costs, const TrainOptions& options,
    const std::function<bool(int iteration, const BaselineReportOf<L>&)>& on_iteration, E& executor,
    R&& team = {}) {
  BaselineResult<BaselineReportOf<L>> result;
  for (int n = 0; n < options.iterations; ++n) {
    const int iteration = options.first_iteration + n;
    result.last = iterate(learner, system, costs, options, iteration, executor, team);
    result.failure = result.last.failure();
    const bool go_on = !on_iteration || on_iteration(iteration, result.last);
    if (!result.ok()) return result;
    ++result.iterations;
    if (!detail::all_agree(go_on, team)) {
      result.stopped = true;
      return result;
    }
  }
  return result;
}

}  // namespace pilqr
