#include "small_runs.hpp"

#include "pilqr/model/sample.hpp"

namespace pilqr::fuzz {
namespace {

SmallRun small_run(Algorithm algorithm, bool mixture, int iterations) {
  constexpr int steps = 2;
  const Task& task = find_task("point_mass");
  SmallRun run{.settings = default_settings(task, algorithm)};
  run.settings.samples = 4;
  run.settings.conditions = {0, 3};
  if (mixture) {
    run.settings.model.neighbours.reset();
    run.settings.model.gmm =
        GmmPriorOptions{.max_clusters = 2, .min_points_per_cluster = 2, .max_points = 8};
  }
  AnySystem system = task.system();
  const AnyCost cost = task.cost(0);
  for (int m = 0; m < 2; ++m) {
    run.fresh.emplace_back(run.settings, beginning(task.initial_policy(0), steps));
  }
  run.trained = run.fresh;
  for (int i = 0; i < iterations; ++i) {
    for (std::size_t m = 0; m < 2; ++m) {
      const SampleOptions options{
          .samples = run.settings.samples, .seed = m, .iteration = i, .noise = run.settings.noise};
      auto result = sample(system, cost, run.trained[m].policy(), options);
      const RandomStream stream({.seed = m, .iteration = static_cast<std::uint32_t>(i)});
      IterationRecord record{.iteration = i, .condition = run.settings.conditions[m]};
      record.report = run.trained[m].update(result.rollouts, cost, stream);
      record.rollouts = run.settings.samples;
      require(record.report.ok(), "a small run failed: {}", record.report.failure.message());
      run.records.push_back(record);
      if (m == 0) run.rollouts = std::move(result.rollouts);
    }
  }
  run.progress = {
      .iterations = iterations, .samples_total = 8L * iterations, .steps_total = 16L * iterations};
  return run;
}

}  // namespace

LinearGaussianPolicy<> beginning(const LinearGaussianPolicy<>& policy, int steps) {
  LinearGaussianPolicy<> out(steps, policy.nx(), policy.nu());
  for (int t = 0; t < steps; ++t) {
    out.K[t] = policy.K[t];
    out.k[t] = policy.k[t];
    out.L[t] = policy.L[t];
  }
  return out;
}

std::vector<SmallRun> small_runs(int iterations) {
  std::vector<SmallRun> runs;
  runs.push_back(small_run(Algorithm::pilqr, true, iterations));
  for (const Algorithm algorithm : {Algorithm::pilqr, Algorithm::lqr_flm, Algorithm::pi2}) {
    runs.push_back(small_run(algorithm, false, iterations));
  }
  return runs;
}

}  // namespace pilqr::fuzz
