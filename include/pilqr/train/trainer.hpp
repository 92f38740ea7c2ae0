#pragma once
/// The outer loop: sample all conditions, update their policies, report, repeat.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "pilqr/core/executor.hpp"
#include "pilqr/core/team.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/train/work.hpp"

namespace pilqr {

/// How a training ended.
struct TrainResult {
  int iterations = 0;    ///< finished for all conditions, in this call
  bool stopped = false;  ///< by the callback, of any rank
  bool spent = false;    ///< its exploration, see ExplorationOptions: it ends early
  bool serial = false;   ///< rollouts were not spread, because the system is_serial()
  /// The last update of every condition, in the order of the optimisers; empty before the first
  /// iteration.
  std::vector<IterationRecord> last{};
  Failure failure{};  ///< what ended the training; every policy is then its last good one
  /// Updates in a row that had failed in the failure's condition; 0: it had too few good rollouts.
  int failed_updates = 0;
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// What to do along the way, on the calling thread if not said otherwise. Any may be empty. Every
/// rank of a team calls its own.
template <int Nx = Dynamic, int Nu = Dynamic>
struct TrainCallbacks {
  /// Whether a rollout counts, see Reject. What is rejected is made again as if it had failed.
  Reject<Nx, Nu> reject{};
  /// For every rollout that failed or was rejected, further attempts included, as soon as it has:
  /// for a file, or for people. One call at a time, on the thread that made the rollout, so that
  /// the order depends on the executor; those of other ranks and rejected ones follow when all of
  /// an attempt are made.
  OnFailedRollout<Nx, Nu> on_failed_rollout{};
  /// After the updates of an iteration, good or failed, in the order of the conditions. The
  /// rollouts are those that the update used; if too few were good they are incomplete.
  std::function<void(const IterationRecord&, const Rollouts<Nx, Nu>&)> on_update{};
  /// After every iteration that did not end the training with a failure; returning false on any
  /// rank ends the training on all.
  std::function<bool(int iteration)> on_iteration{};
};

namespace detail {

/// Throws InvalidArgument on all ranks if their training options or what a learner carries differ,
/// or if only some of them ask an operator. The learners' own options are not compared.
/// @param put_state put_state(work) adds what they carry to a message; called if there is anybody
/// to compare with.
template <class PutState, Team R>
void require_same_work(const TrainOptions& options, bool asks, const PutState& put_state, R& team) {
  if (team.size() == 1) return;
  MessageWriter work;
  put(options, work);
  work.put(asks);
  put_state(work);
  const std::vector<std::string> all = team.exchange(work.bytes());
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    require(all[rank] == all[0],
            "ranks 0 and {} have different training options, policies, states or operators to ask",
            rank);
  }
}

/// What the optimisers carry, for require_same_work().
template <class Optimizer>
void put_states(const std::vector<Optimizer>& optimizers, MessageWriter& work) {
  for (const Optimizer& optimizer : optimizers) {
    work.put(std::hash<std::string>{}(encode_optimizer(state_of(optimizer))));
  }
}

/// Whether all ranks want to go on.
template <Team R>
bool all_agree(bool mine, R& team) {
  if (team.size() == 1) return mine;
  bool all = true;
  for (const std::string& answer : team.exchange(mine ? "y" : "n")) all = all && answer == "y";
  return all;
}

/// One update and the floor under its exploration.
template <class Optimizer, int Nx, int Nu, Cost C>
UpdateReport update_above_floor(Optimizer& optimizer, const Rollouts<Nx, Nu>& rollouts,
                                const C& cost, const RandomStream& stream,
                                const ExplorationOptions& options,
                                const ConditionHistory& history) {
  UpdateReport report = optimizer.update(rollouts, cost, stream);
  if (report.ok() && options.floor > 0.0) {
    auto L = convert<Dynamic, Dynamic>(optimizer.policy().L);
    report.floored_steps = raise_exploration(history.first_L, options.floor, L);
    if (report.floored_steps > 0) {
      LinearGaussianPolicy<Nx, Nu> policy = optimizer.policy();
      policy.L = convert<Nu, Nu>(L);
      optimizer.set_policy(std::move(policy));
    }
  }
  const Exploration left = describe_exploration(optimizer.policy().L, history.first_L);
  report.noise_std_min = left.std_min;
  report.noise_ratio_min = left.ratio_min;
  report.noise_ratio_max = left.ratio_max;
  return report;
}

/// Counts an update of condition m and, if that ends the training, says so in the result.
/// @param sampled whether there were enough good rollouts.
/// @param last whether there is no further iteration.
inline void count_update(const IterationRecord& record, bool sampled, bool last,
                         const TrainOptions& options, ConditionHistory& history,
                         TrainResult& result) {
  const Failure& failure = record.report.failure;
  if (sampled) {
    const Exploration left{.ratio_max = record.report.noise_ratio_max};
    history.spent = is_spent(left, options.exploration) ? history.spent + 1 : 0;
    history.failed_updates = failure.ok() ? 0 : history.failed_updates + 1;
  }
  if (failure.ok() || !result.ok()) return;
  const bool learnt_nothing = last && history.failed_updates == record.iteration + 1;
  if (sampled && history.failed_updates < options.stop.failed_updates && !learnt_nothing) return;
  result.failure = failure;
  result.failed_updates = sampled ? history.failed_updates : 0;
}

}  // namespace detail

/// PILQR17 Algorithm 1 around Optimizer::update, for M conditions: condition m has its own
/// optimiser, and costs[m], or costs[0] if there is one cost for all.
///
/// The rollouts of all conditions are spread over the ranks of the team and the executor of each;
/// then the updates are, condition m on rank m modulo their number. The results do not depend on
/// either, and all ranks have all of them, except that an optimiser's model() is only on the rank
/// that updates its condition. A system that is_serial() makes its rollouts on the calling thread.
///
/// All ranks must be given the same system, costs, TrainOptions and optimisers. Of these the
/// TrainOptions and what state_of() the optimisers gives, policies included, are compared. The rest
/// is not, the optimisers' own options among it: the caller sees to it.
///
/// Rollouts that fail are made again or left out, see FaultOptions. An update that fails leaves its
/// condition's policy as it was, to be sampled again. The training ends with a failure, after the
/// iteration, when a condition has too few good rollouts, or StopOptions::failed_updates failed
/// ones in a row, or when the iterations are over and all of its updates since iteration 0 have
/// failed: the other conditions are sampled, updated and reported all the same, and keep what they
/// learned; the result has the first such failure in the order of the conditions. It ends without
/// one when the exploration of all conditions is spent (ExplorationOptions). Throws InvalidArgument
/// for counts that do not fit and, on all ranks, if what is compared differs. What else one rank
/// throws, a callback's exception for example, the other ranks do not hear of: it is for the team
/// to end them.
/// @param histories one per condition, or none: new_histories() of the optimisers. A training that
/// goes on needs those that the last call left.
template <class Optimizer, System S, Cost C, Executor E, int Nx, int Nu, Team R>
TrainResult train(S& system, const std::vector<C>& costs, std::vector<Optimizer>& optimizers,
                  const TrainOptions& options, const TrainCallbacks<Nx, Nu>& callbacks, E& executor,
                  R&& team, std::vector<ConditionHistory>& histories) {
  require_valid(options, costs.size(), optimizers.size());
  if (histories.empty()) histories = new_histories(optimizers);
  require(histories.size() == optimizers.size(), "{} histories for {} optimisers", histories.size(),
          optimizers.size());
  const auto put_state = [&](MessageWriter& work) {
    for (const ConditionHistory& history : histories) put(history, work);
    detail::put_states(optimizers, work);
  };
  detail::require_same_work(options, static_cast<bool>(callbacks.reject), put_state, team);
  TrainResult result{.serial = is_serial(system)};
  result.spent = is_spent(histories, options.exploration);
  if (result.spent) return result;
  for (int n = 0; n < options.iterations; ++n) {
    const int iteration = options.first_iteration + n;
    const auto batches =
        sample_conditions<Nx, Nu>(system, costs, optimizers, options, iteration, executor, team,
                                  callbacks.reject, callbacks.on_failed_rollout);
    for (std::size_t m = 0; m < optimizers.size(); ++m) {
      if (!batches.failures[m].ok()) continue;
      keep_best(optimizers[m].policy(), batches.rollouts[m].total_cost().mean(), iteration,
                histories[m].best);
    }
    const auto update = [&](std::size_t m, const C& cost, const RandomStream& stream) {
      return detail::update_above_floor(optimizers[m], batches.rollouts[m], cost, stream,
                                        options.exploration, histories[m]);
    };
    result.last =
        update_conditions(batches, costs, optimizers, update, options, iteration, executor, team);

    for (std::size_t m = 0; m < optimizers.size(); ++m) {
      const IterationRecord& record = result.last[m];
      if (callbacks.on_update) callbacks.on_update(record, batches.rollouts[m]);
      detail::count_update(record, batches.failures[m].ok(), n + 1 == options.iterations, options,
                           histories[m], result);
    }
    if (!result.ok()) return result;
    ++result.iterations;
    result.spent = is_spent(histories, options.exploration);
    const bool go_on = !callbacks.on_iteration || callbacks.on_iteration(iteration);
    if (!detail::all_agree(go_on, team)) {
      result.stopped = true;
      return result;
    }
    if (result.spent) return result;
  }
  return result;
}

/// The same from the beginning.
template <class Optimizer, System S, Cost C, Executor E, int Nx, int Nu, Team R = SingleRank>
TrainResult train(S& system, const std::vector<C>& costs, std::vector<Optimizer>& optimizers,
                  const TrainOptions& options, const TrainCallbacks<Nx, Nu>& callbacks, E& executor,
                  R&& team = {}) {
  std::vector<ConditionHistory> histories;
  return train(system, costs, optimizers, options, callbacks, executor, team, histories);
}

/// The same on the calling thread and without callbacks.
template <class Optimizer, System S, Cost C>
TrainResult train(S& system, const std::vector<C>& costs, std::vector<Optimizer>& optimizers,
                  const TrainOptions& options) {
  SerialExecutor serial;
  return train(system, costs, optimizers, options, TrainCallbacks<S::Nx, S::Nu>{}, serial);
}

}  // namespace pilqr
