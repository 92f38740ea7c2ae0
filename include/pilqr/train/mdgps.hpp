#pragma once
/// Mirror-descent guided policy search: local policies of several conditions and one global policy
/// that learns from all of them (ML16 algorithm 1; PILQR17 section 5).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "pilqr/mdgps/c_step.hpp"
#include "pilqr/mdgps/linearize.hpp"
#include "pilqr/mdgps/s_step.hpp"
#include "pilqr/model/global_controller.hpp"
#include "pilqr/model/global_policy.hpp"
#include "pilqr/train/failed_updates.hpp"
#include "pilqr/train/mdgps_options.hpp"
#include "pilqr/train/message.hpp"
#include "pilqr/train/share_mixtures.hpp"
#include "pilqr/train/trainer.hpp"
#include "pilqr/train/work.hpp"

namespace pilqr {

/// One iteration.
struct MdgpsReport {
  /// One per condition, in their order; seconds_update is that of its linearisation and its C-step.
  std::vector<IterationRecord> conditions;
  SupervisionReport initial;      ///< first iteration only: the S-step on the initial policies
  SupervisionReport supervision;  ///< the S-step
  Failure sampling{};             ///< of the first condition that has too few good rollouts
  double seconds_rollout = 0.0;   ///< all rollouts on this rank
  double seconds_fit = 0.0;       ///< this rank's linearisations, which may run at the same time
  double seconds_c_step = 0.0;    ///< its C-steps, the same
  double seconds_s_step = 0.0;    ///< both S-steps

  /// The first failure: of the rollouts, of the initial S-step, of a condition in their order, of
  /// the S-step.
  [[nodiscard]] Failure failure() const {
    if (!sampling.ok()) return sampling;
    if (!initial.ok()) return initial.failure;
    for (const IterationRecord& record : conditions) {
      if (!record.report.ok()) return record.report.failure;
    }
    return supervision.failure;
  }
};

namespace detail {

/// The seconds since it was made or asked.
class StopWatch {
 public:
  double lap() {
    const auto now = Clock::now();
    return std::chrono::duration<double>(now - std::exchange(start_, now)).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// Adds a global policy to a message: a network whole, of others the covariance and the mean at the
/// origin and at each unit state.
template <GlobalPolicy G>
void put_policy(const G& policy, MessageWriter& out) {
  if constexpr (requires { put(policy, out); }) {
    put(policy, out);
  } else {
    MatrixX x = MatrixX::Zero(policy.nx(), policy.nx() + 1);
    x.rightCols(policy.nx()).setIdentity();
    MatrixX mean;
    policy.mean(x, mean);
    const auto put_all = [&](const MatrixX& part) {
      for (const double value : part.reshaped()) out.put(value);
    };
    put_all(mean);
    put_all(policy.covariance());
  }
}

}  // namespace detail

/// The local policies (optimiser m: condition m) and the global one. A value.
template <class Optimizer, GlobalPolicy G>
class Mdgps {
 public:
  /// Of a condition.
  using Policy = std::remove_cvref_t<decltype(std::declval<const Optimizer&>().policy())>;
  /// Entries of the state.
  static constexpr int Nx = decltype(Policy::K)::Element::ColsAtCompileTime;
  /// Entries of the control.
  static constexpr int Nu = decltype(Policy::K)::Element::RowsAtCompileTime;

  /// @param observations of the conditions; none: the state alone in all.
  /// @param trained whether the global policy has learnt already; otherwise the first iteration
  /// begins with an S-step on the local policies. Throws InvalidArgument without an optimiser, on
  /// sizes that differ, an observation that is not valid and for an option out of range.
  Mdgps(std::vector<Optimizer> locals, G global, std::vector<Observation> observations = {},
        const MdgpsOptions& options = {}, bool trained = false)
      : options_(options),
        locals_(std::move(locals)),
        global_(std::move(global)),
        observations_(std::move(observations)),
        trained_(trained),
        priors_(locals_.size()) {
    require_valid(options_);
    require(!locals_.empty(), "guided policy search without a condition");
    if (observations_.empty()) observations_.resize(locals_.size());
    require(observations_.size() == locals_.size(), "{} observations for {} conditions",
            observations_.size(), locals_.size());
    for (std::size_t m = 0; m < locals_.size(); ++m) {
      const auto& policy = locals_[m].policy();
      require(
          policy.nx() + observations_[m].extra() == global_.nx() && policy.nu() == global_.nu(),
          "local policy with nx = {}, {} entries of observation and nu = {}, global policy with "
          "{}, {}",
          policy.nx(), observations_[m].extra(), policy.nu(), global_.nx(), global_.nu());
      require_valid(observations_[m], policy.nx());
    }
    if (options_.linearize.gmm) {
      for (auto& prior : priors_) prior.emplace(*options_.linearize.gmm);
    }
  }

  [[nodiscard]] const MdgpsOptions& options() const { return options_; }  ///< as they were given
  /// The optimisers, whose policy() is the local policy of their last good C-step.
  [[nodiscard]] const std::vector<Optimizer>& locals() const { return locals_; }
  /// The policy of the last good S-step.
  [[nodiscard]] const G& global() const { return global_; }
  /// One per condition.
  [[nodiscard]] const std::vector<Observation>& observations() const { return observations_; }
  /// Whether there has been an S-step.
  [[nodiscard]] bool trained() const { return trained_; }
  /// The mixtures of the linearisation, one per condition; empty unless asked for.
  [[nodiscard]] const std::vector<std::optional<GmmPrior>>& priors() const { return priors_; }
  /// Replaces the mixtures, of a saved run. Throws InvalidArgument on another number of them, or if
  /// there are some where the options want none or the other way round.
  void set_priors(std::vector<std::optional<GmmPrior>> priors) {
    require(priors.size() == priors_.size(), "{} mixtures for {} conditions", priors.size(),
            priors_.size());
    for (const auto& prior : priors) {
      require(prior.has_value() == options_.linearize.gmm.has_value(),
              "linearisation with a mixture in some places only");
    }
    priors_ = std::move(priors);
  }
  /// Adds what ranks must have in common to a message, for them to compare: what the optimisers
  /// carry, the global policy and the mixtures.
  void put_state(MessageWriter& out) const {
    detail::put_states(locals_, out);
    out.put(trained_);
    detail::put_policy(global_, out);
    for (const auto& prior : priors_) {
      if (prior) out.put(std::hash<std::string>{}(encode_mixture(*prior)));
    }
  }
  /// The rollouts of the last iteration, one batch per condition: the good ones; incomplete where
  /// too few are.
  [[nodiscard]] const std::vector<Rollouts<Nx, Nu>>& rollouts() const { return batches_.rollouts; }

  /// One iteration of ML16 algorithm 1. Of the options, samples, seed, noise and conditions count;
  /// see train() for costs, executor and team. All ranks must be given the same and have equal
  /// objects; each of them makes the S-step.
  ///
  /// @param reject, on_failed_rollout see TrainCallbacks.
  ///
  /// A condition of which a rollout, the linearisation or the C-step fails keeps its local policy
  /// and all that it carries, and teaches nothing in this iteration. If the S-step fails the global
  /// policy stays as it was; if that is the first of all, there is no C-step.
  template <System S, Cost C, Executor E, Team R = SingleRank>
  MdgpsReport iterate(S& system, const std::vector<C>& costs, const TrainOptions& options,
                      int iteration, E& executor, R&& team = {}, const Reject<Nx, Nu>& reject = {},
                      const OnFailedRollout<Nx, Nu>& on_failed_rollout = {}) {
    require_valid(options, costs.size(), locals_.size());
    MdgpsReport report;
    detail::StopWatch watch;
    sample(system, costs, options, iteration, executor, team, reject, on_failed_rollout);
    for (const Failure& failure : batches_.failures) {
      if (report.sampling.ok()) report.sampling = failure;
    }
    report.seconds_rollout = watch.lap();
    if (!trained_) report.initial = supervise(batches_.failures, options, iteration, 0);
    report.seconds_s_step = watch.lap();

    improve(costs, options, iteration, executor, team, report);
    watch.lap();
    if (trained_) {
      report.supervision = supervise(failures_of(report.conditions), options, iteration, 1);
    }
    report.seconds_s_step += watch.lap();
    return report;
  }

 private:
  /// Rollouts of all conditions.
  template <class S, class C, class E, class R>
  void sample(S& system, const std::vector<C>& costs, const TrainOptions& options, int iteration,
              E& executor, R& team, const Reject<Nx, Nu>& reject,
              const OnFailedRollout<Nx, Nu>& on_failed) {
    if (options_.sample_with == SampleWith::local_policy || !trained_) {
      batches_ = sample_conditions<Nx, Nu>(system, costs, locals_, options, iteration, executor,
                                           team, reject, on_failed);
      return;
    }
    std::vector<GlobalController<G>> controllers;
    for (std::size_t m = 0; m < locals_.size(); ++m) {
      controllers.emplace_back(global_, locals_[m].policy().steps(), observations_[m]);
    }
    batches_ = sample_conditions<Nx, Nu>(
        system, costs, static_cast<int>(locals_.size()),
        [&](std::size_t m) { return controllers[m]; }, options, iteration, executor, team, reject,
        on_failed);
  }

  /// The linearisation and the C-step of every condition; none as long as the global policy has
  /// learnt nothing.
  template <class C, class E, class R>
  void improve(const std::vector<C>& costs, const TrainOptions& options, int iteration, E& executor,
               R& team, MdgpsReport& report) {
    std::vector<double> seconds_fit(locals_.size());
    std::vector<double> seconds_c_step(locals_.size());
    const auto improve_one = [&](std::size_t m, const C& cost, const RandomStream& stream) {
      if (!trained_) return failed({}, report.initial.failure);
      const Rollouts<Nx, Nu>& rollouts = batches_.rollouts[m];
      detail::StopWatch watch;
      std::optional<GmmPrior> prior = priors_[m];
      auto reference = linearize<Nx, Nu>(
          global_, rollouts.x, observations_[m], options_.linearize, prior,
          stream_for(StreamPurpose::policy_fit, options, iteration, options.id(m), 0));
      seconds_fit[m] = watch.lap();
      if (!reference.ok()) return failed({}, reference.failure);
      UpdateReport done = c_step(locals_[m], std::move(reference.policy), rollouts, cost, stream);
      if (done.ok()) priors_[m] = std::move(prior);
      seconds_c_step[m] = watch.lap();
      return done;
    };
    report.conditions = update_conditions(batches_, costs, locals_, improve_one, options, iteration,
                                          executor, team);
    if (options_.linearize.gmm && team.size() > 1) {
      const int dim = locals_.front().policy().nx() + global_.nu();
      exchange_mixtures(team, report.conditions, dim, priors_);
    }
    report.seconds_fit = std::accumulate(seconds_fit.begin(), seconds_fit.end(), 0.0);
    report.seconds_c_step = std::accumulate(seconds_c_step.begin(), seconds_c_step.end(), 0.0);
  }

  /// The S-step on the local policies of the conditions that have not failed, if there is one.
  SupervisionReport supervise(const std::vector<Failure>& failures, const TrainOptions& options,
                              int iteration, int which) {
    std::vector<Lesson> lessons;
    std::vector<int> ids;  // of the lessons' conditions
    for (std::size_t m = 0; m < locals_.size(); ++m) {
      if (!failures[m].ok()) continue;
      ids.push_back(options.id(m));
      lessons.push_back({locals_[m].policy(), batches_.rollouts[m], observations_[m]});
    }
    if (lessons.empty()) return {};
    SupervisionReport report =
        s_step(global_, lessons, options_.supervision,
               stream_for(StreamPurpose::policy_training, options, iteration, 0, which));
    const int place = report.failure.condition;
    if (place >= 0) report.failure.condition = ids[static_cast<std::size_t>(place)];
    trained_ = trained_ || report.ok();
    return report;
  }

  static std::vector<Failure> failures_of(const std::vector<IterationRecord>& records) {
    std::vector<Failure> failures;
    for (const IterationRecord& record : records) failures.push_back(record.report.failure);
    return failures;
  }
  static RandomStream stream_for(StreamPurpose purpose, const TrainOptions& options, int iteration,
                                 int condition, int which) {
    return RandomStream({.seed = options.seed,
                         .iteration = static_cast<std::uint32_t>(iteration),
                         .condition = static_cast<std::uint32_t>(condition),
                         .sample = static_cast<std::uint32_t>(which),
                         .purpose = purpose});
  }

  MdgpsOptions options_;
  std::vector<Optimizer> locals_;
  G global_;
  std::vector<Observation> observations_;
  bool trained_;
  std::vector<std::optional<GmmPrior>> priors_;  // one per condition
  ConditionBatches<Nx, Nu> batches_;             // of the last iteration
};

/// How a training ended.
struct MdgpsResult {
  int iterations = 0;      ///< finished, in this call
  bool stopped = false;    ///< by the callback, of any rank
  MdgpsReport last{};      ///< of the last iteration; empty before the first
  Failure failure{};       ///< what ended the training; every policy is then its last good one
  int failed_updates = 0;  ///< iterations in a row that had failed; 0: too few good rollouts
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// What to do along the way: that of a training without a global policy, and what there is besides.
template <int Nx = Dynamic, int Nu = Dynamic>
struct MdgpsCallbacks : TrainCallbacks<Nx, Nu> {
  /// After every iteration, good or failed, before on_update. May be empty.
  std::function<void(int iteration, const MdgpsReport& report)> on_report{};
};

/// `options.iterations` iterations. One in which an update or the S-step failed leaves there what
/// it did not change, to be sampled again. The training ends with a failure when a condition has
/// too few good rollouts, after StopOptions::failed_updates such iterations in a row, or when the
/// iterations are over and something has failed in each since iteration 0. Costs, options, executor
/// and team are those of train() for trajectory optimisers (train/trainer.hpp), and so is what
/// ranks must agree on; global policies, mixtures and failed_updates are compared besides. Throws
/// InvalidArgument as that does.
/// @param failed_updates iterations in a row that have failed; a training that goes on needs what
/// the last call left, others 0.
template <class Optimizer, class G, System S, Cost C, Executor E, Team R>
MdgpsResult train(S& system, const std::vector<C>& costs, Mdgps<Optimizer, G>& mdgps,
                  const TrainOptions& options,
                  const MdgpsCallbacks<Mdgps<Optimizer, G>::Nx, Mdgps<Optimizer, G>::Nu>& callbacks,
                  E& executor, R&& team, int& failed_updates) {
  require_valid(options, costs.size(), mdgps.locals().size());
  const auto put_state = [&](MessageWriter& work) {
    work.put(failed_updates);
    mdgps.put_state(work);
  };
  detail::require_same_work(options, static_cast<bool>(callbacks.reject), put_state, team);
  MdgpsResult result;
  for (int n = 0; n < options.iterations; ++n) {
    const int iteration = options.first_iteration + n;
    result.last = mdgps.iterate(system, costs, options, iteration, executor, team, callbacks.reject,
                                callbacks.on_failed_rollout);
    if (callbacks.on_report) callbacks.on_report(iteration, result.last);
    for (std::size_t m = 0; m < result.last.conditions.size(); ++m) {
      if (callbacks.on_update) {
        callbacks.on_update(result.last.conditions[m], mdgps.rollouts()[m]);
      }
    }
    const Failure failure = result.last.failure();
    const bool sampled = result.last.sampling.ok();
    if (!sampled || detail::ends_with_failure(failure, iteration, n + 1 == options.iterations,
                                              options.stop, failed_updates)) {
      result.failure = failure;
      result.failed_updates = sampled ? failed_updates : 0;
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
template <class Optimizer, class G, System S, Cost C, Executor E, Team R = SingleRank>
MdgpsResult train(S& system, const std::vector<C>& costs, Mdgps<Optimizer, G>& mdgps,
                  const TrainOptions& options,
                  const MdgpsCallbacks<Mdgps<Optimizer, G>::Nx, Mdgps<Optimizer, G>::Nu>& callbacks,
                  E& executor, R&& team = {}) {
  int failed_updates = 0;
  return train(system, costs, mdgps, options, callbacks, executor, team, failed_updates);
}

}  // namespace pilqr
