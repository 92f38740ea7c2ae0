#pragma once
/// Trainings of every kind of learner, with their logs.

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "pilqr/io/safetensors.hpp"
#include "pilqr/model/global_controller.hpp"
#include "pilqr/train/baselines.hpp"
#include "pilqr/train/checkpoint.hpp"
#include "pilqr/train/learner.hpp"

namespace pilqr::test {

/// A training by its settings and all that its callbacks were told.
struct LearnerRun {
  explicit LearnerRun(const Settings& of)
      : settings(of), task(find_task(of.task)), learner(make_learner(of, task)) {}

  /// On a system of the task's sizes; the failure that ended it, if there is one.
  template <class S>
  Failure train_on(const S& of) {
    AnySystem system(of, task.nx, task.nu);
    std::vector<AnyCost> costs;
    for (const int condition : settings.conditions) costs.push_back(task.cost(condition));
    const TrainOptions options{.iterations = settings.iterations,
                               .samples = settings.samples,
                               .seed = settings.seed,
                               .noise = settings.noise,
                               .faults = settings.faults,
                               .stop = settings.stop,
                               .first_iteration = first_iteration,
                               .conditions = settings.conditions};
    TrainCallbacks<> callbacks;
    callbacks.on_failed_rollout = [this](const FailedRollout<>& f) { failed.push_back(f); };
    callbacks.on_update = [this](const IterationRecord& record, const Rollouts<>& rollouts) {
      log.push_back(record);
      used.push_back(rollouts.samples());
    };
    SerialExecutor serial;
    const auto train_one = [&](auto& one) -> Failure {
      using One = std::remove_reference_t<decltype(one)>;
      if constexpr (std::is_same_v<One, AnyMdgps>) {
        return train(system, costs, one, options, {callbacks}, serial).failure;
      } else if constexpr (std::is_same_v<One, AnyBaseline>) {
        return std::visit(
            [&](auto& l) {
              return train(l, system, costs, one.observations, options, {callbacks}, serial)
                  .failure;
            },
            one.learner);
      } else {
        return train(system, costs, one, options, callbacks, serial).failure;
      }
    };
    return std::visit(train_one, learner);
  }

  /// Mean over the conditions of the cost of the policy without noise, on the task's own system.
  [[nodiscard]] double noiseless_cost() const {
    double sum = 0.0;
    const auto add = [&](const auto& policy, int condition) {
      AnySystem system = task.system();
      const auto batch = sample(system, task.cost(condition), policy,
                                {.samples = 1, .condition = condition, .noiseless = true});
      sum += batch.rollouts.total_cost()(0);
    };
    const auto network = network_of(learner);
    for (std::size_t m = 0; m < settings.conditions.size(); ++m) {
      const int condition = settings.conditions[m];
      if (network) {
        add(GlobalController(*network, task.steps, task.observation(condition)), condition);
      } else {
        add(locals_of(learner)[m].policy(), condition);
      }
    }
    return sum / static_cast<double>(settings.conditions.size());
  }

  /// All that the learner carries.
  [[nodiscard]] std::string state() const {
    return encode_safetensors(checkpoint_to_safetensors(settings, {}, learner));
  }

  Settings settings;
  const Task& task;
  Learner learner;
  int first_iteration = 0;  ///< of the next training
  std::vector<IterationRecord> log{};
  std::vector<int> used{};  ///< rollouts, of the log's
  std::vector<FailedRollout<>> failed{};
};

}  // namespace pilqr::test
