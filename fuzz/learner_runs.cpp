#include "learner_runs.hpp"

#include <type_traits>

#include "pilqr/train/baselines.hpp"
#include "small_runs.hpp"

namespace pilqr::fuzz {
namespace {

/// Two steps of the point mass.
Task small_task() {
  Task task = find_task("point_mass");
  const auto whole = task.initial_policy;
  task.steps = 2;
  task.conditions = 4;  // all the same
  task.initial_policy = [whole](int condition) { return beginning(whole(condition), 2); };
  return task;
}

Settings network_settings(Algorithm algorithm, bool mixture) {
  Settings settings = default_settings(find_task("point_mass"), algorithm);
  settings.samples = 4;
  settings.conditions = {0, 3};
  settings.network.hidden = {2};
  settings.network.training.steps = 5;
  if (mixture) {
    settings.mdgps.linearize.neighbours.reset();
    settings.mdgps.linearize.gmm =
        GmmPriorOptions{.max_clusters = 2, .min_points_per_cluster = 2, .max_points = 8};
  }
  settings.ddpg.start_steps = 1;
  settings.ddpg.batch = 4;
  settings.ddpg.capacity = 24;  // of the 32 that there are after two iterations
  return settings;
}

/// The failure that ended the training, if there is one.
Failure train_all(AnySystem& system, const std::vector<AnyCost>& costs, const TrainOptions& options,
                  Learner& learner) {
  SerialExecutor serial;
  if (auto* guided = std::get_if<AnyMdgps>(&learner)) {
    return train(system, costs, *guided, options, {}, serial).failure;
  }
  auto& baseline = std::get<AnyBaseline>(learner);
  return std::visit(
      [&](auto& network) {
        return train(network, system, costs, baseline.observations, options, {}, serial).failure;
      },
      baseline.learner);
}

LearnerRun network_run(Algorithm algorithm, bool mixture, int iterations) {
  const Task task = small_task();
  LearnerRun run{.settings = network_settings(algorithm, mixture)};
  run.fresh = make_learner(run.settings, task);
  run.trained = run.fresh;
  AnySystem system = task.system();
  const TrainOptions options{.iterations = iterations,
                             .samples = run.settings.samples,
                             .noise = run.settings.noise,
                             .conditions = run.settings.conditions};
  const Failure failure = train_all(system, {task.cost(0)}, options, run.trained);
  require(failure.ok(), "a small run of {} failed: {}", name(algorithm), failure.message());
  run.progress = {
      .iterations = iterations, .samples_total = 8L * iterations, .steps_total = 16L * iterations};
  run.progress.best_network = {*network_of(run.trained), 3.5, iterations - 1};
  return run;
}

}  // namespace

LearnerRun mixture_run(int iterations) {
  return network_run(Algorithm::mdgps_pilqr, true, iterations);
}

std::vector<LearnerRun> learner_runs(int iterations) {
  std::vector<LearnerRun> runs;
  for (SmallRun& run : small_runs(iterations)) {
    runs.push_back(
        {std::move(run.settings), run.progress, std::move(run.fresh), std::move(run.trained)});
  }
  runs.push_back(mixture_run(iterations));
  for (const Algorithm algorithm : {Algorithm::mdgps_pilqr, Algorithm::mdgps_lqr_flm,
                                    Algorithm::mdgps_pi2, Algorithm::trpo, Algorithm::ddpg}) {
    runs.push_back(network_run(algorithm, false, iterations));
  }
  return runs;
}

}  // namespace pilqr::fuzz
