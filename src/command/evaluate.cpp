#include "evaluate.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "console.hpp"
#include "exit_status.hpp"
#include "pilqr/model/global_controller.hpp"
#include "pilqr/model/sample.hpp"
#include "run_folder.hpp"

namespace pilqr::command {

namespace {

template <Actor A>
Evaluation evaluate(const Task& task, const Settings& settings, const A& policy, int condition,
                    const EvaluationOptions& options) {
  Evaluation result{.condition = condition, .rollouts = options.rollouts};
  AnySystem system = task.system();
  const auto batch = sample(system, task.cost(condition), policy,
                            {.samples = options.rollouts,
                             .seed = options.seed,
                             .condition = condition,
                             .noise = settings.noise,
                             .noiseless = !options.noise,
                             .purpose = StreamPurpose::evaluation});
  result.failure = batch.failure;
  if (!batch.ok()) return result;
  const VectorX cost = batch.rollouts.total_cost();
  result.cost_mean = cost.mean();
  result.cost_std = std::sqrt((cost.array() - cost.mean()).square().mean());
  int successes = 0;
  double distance = 0.0;
  for (int i = 0; i < options.rollouts; ++i) {
    successes += task.success(batch.rollouts, condition, i) ? 1 : 0;
    distance += task.distance(batch.rollouts, condition, i);
  }
  result.distance_mean = distance / options.rollouts;
  result.success_rate = static_cast<double>(successes) / options.rollouts;
  return result;
}

}  // namespace

Evaluation evaluate_policy(const Task& task, const Settings& settings,
                           const LinearGaussianPolicy<>& policy, int condition,
                           const EvaluationOptions& options) {
  return evaluate(task, settings, policy, condition, options);
}

Evaluation evaluate_policy(const Task& task, const Settings& settings, const NetworkPolicy& policy,
                           int condition, const EvaluationOptions& options) {
  return evaluate(task, settings, GlobalController(policy, task.steps, task.observation(condition)),
                  condition, options);
}

namespace {

/// After how many iterations the policies of a file of best ones were those of their conditions.
std::optional<std::string> best_of(const TrainedRun& trained) {
  const auto& extra = trained.network ? trained.network->extra : trained.policy.extra;
  const auto entry = extra.find("best_iterations");
  if (entry == extra.end()) return {};
  return entry->second;
}

/// The place of a condition's group in the task's held-out ones; -1: it is one to train with.
int group_of(const Task& task, int condition) {
  int group = -1;
  int end = task.conditions;
  for (; condition >= end; ++group) end += task.held_out[static_cast<std::size_t>(group + 1)].count;
  return group;
}

std::string as_json(const Task& task, const TrainedRun& trained, const EvaluationOptions& options,
                    const std::vector<Evaluation>& evaluations) {
  const PolicyFile& policy = trained.policy;
  nlohmann::ordered_json conditions = nlohmann::ordered_json::array();
  for (const Evaluation& e : evaluations) {
    conditions.push_back({{"condition", e.condition},
                          {"cost_mean", e.cost_mean},
                          {"cost_std", e.cost_std},
                          {"distance_mean", e.distance_mean},
                          {"success_rate", e.success_rate},
                          {"rollouts", e.rollouts}});
    const int group = group_of(task, e.condition);
    if (group >= 0) {
      conditions.back()["held_out"] = task.held_out[static_cast<std::size_t>(group)].what;
    }
  }
  const std::optional<std::string> best_iterations = best_of(trained);
  nlohmann::ordered_json out = {{"task", policy.task},
                                {"algorithm", policy.algorithm},
                                {"seed", policy.seed},
                                {"samples_total", policy.samples_total},
                                {"iterations", policy.iteration},
                                {"evaluation_seed", options.seed},
                                {"noise", options.noise},
                                {"best", best_iterations.has_value()},
                                {"conditions", conditions}};
  if (best_iterations) out["best_iterations"] = *best_iterations;
  return out.dump(2) + '\n';
}

/// The means over the conditions of a group, see group_of; empty if there are none.
std::string summary(const Task& task, const std::vector<Evaluation>& evaluations, int group) {
  double cost = 0.0;
  double distance = 0.0;
  double success = 0.0;
  int count = 0;
  for (const Evaluation& e : evaluations) {
    if (group_of(task, e.condition) != group) continue;
    ++count;
    cost += e.cost_mean;
    distance += e.distance_mean;
    success += e.success_rate;
  }
  if (count == 0) return {};
  const std::string name =
      group < 0 ? "trained" : "new " + task.held_out[static_cast<std::size_t>(group)].what;
  return fmt::format("{:>11} {:>11}   {:<10} {:>9} {:>8}\n", name, short_number(cost / count),
                     fmt::format("({})", count), short_number(distance / count),
                     percent(success / count));
}

std::string as_table(const Task& task, const TrainedRun& trained, const EvaluationOptions& options,
                     const std::vector<Evaluation>& evaluations) {
  const PolicyFile& policy = trained.policy;
  const std::optional<std::string> best = best_of(trained);
  std::string out = fmt::format(
      "{}, {}, seed {}, {}after {} iterations and {} rollouts; {} rollouts {} exploration noise\n"
      "distance: {}\n{:>11} {:>11} ± {:<10} {:>9} {:>8}\n",
      policy.task, policy.algorithm, policy.seed,
      best ? fmt::format("best policies (of iterations {}) ", *best) : "", policy.iteration,
      policy.samples_total, options.rollouts, options.noise ? "with" : "without",
      task.distance_text, "condition", "cost mean", "std", "distance", "success");
  for (const Evaluation& e : evaluations) {
    out += fmt::format("{:>11} {:>11} ± {:<10} {:>9} {:>8}\n", e.condition,
                       short_number(e.cost_mean), short_number(e.cost_std),
                       short_number(e.distance_mean), percent(e.success_rate));
  }
  if (evaluations.back().condition >= task.conditions) {
    const int groups = static_cast<int>(task.held_out.size());
    for (int group = -1; group < groups; ++group) out += summary(task, evaluations, group);
  }
  return out;
}

}  // namespace

int evaluate_command(const EvaluateArguments& arguments) {
  constexpr int most = 1'000'000;
  require(arguments.rollouts >= 1 && arguments.rollouts <= most, "--rollouts {}: expected 1 to {}",
          arguments.rollouts, most);
  const TrainedRun trained = load_trained({arguments.folder}, arguments.best);
  const Settings& settings = trained.run.settings;
  const Task& task = find_task(settings.task);
  const EvaluationOptions options{.rollouts = arguments.rollouts,
                                  .seed = arguments.seed.value_or(settings.seed),
                                  .noise = arguments.noise};
  std::vector<int> conditions = settings.conditions;
  if (trained.network) {
    int next = task.conditions;
    for (const HeldOut& group : task.held_out) {
      for (int i = 0; i < group.count; ++i) conditions.push_back(next++);
    }
  }
  std::vector<Evaluation> evaluations;
  for (std::size_t m = 0; m < conditions.size(); ++m) {
    evaluations.push_back(
        trained.network
            ? evaluate_policy(task, settings, trained.network->policy, conditions[m], options)
            : evaluate_policy(task, settings, trained.policy.policies[m], conditions[m], options));
    const Failure& failure = evaluations.back().failure;
    if (!failure.ok()) {
      print_error(fmt::format("evaluation failed: {}", failure.message()));
      return exit_failure;
    }
  }
  print(arguments.json ? as_json(task, trained, options, evaluations)
                       : as_table(task, trained, options, evaluations));
  return exit_done;
}

}  // namespace pilqr::command
