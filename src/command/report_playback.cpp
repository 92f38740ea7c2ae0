#include "report_playback.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "pilqr/model/global_controller.hpp"
#include "pilqr/model/sample.hpp"

namespace pilqr::command {
namespace {

/// From the first state to the last one; where there are more states than frames, between two of
/// them, as the player does between two frames.
/// @param every control steps between two of the states.
Playback draw_all(const Task& task, int condition, const std::vector<VectorX>& states, int every,
                  int frames) {
  Playback out{.condition = condition};
  const int count = static_cast<int>(states.size());
  const int kept = std::min(count, std::max(2, frames));
  const double stride = kept > 1 ? static_cast<double>(count - 1) / (kept - 1) : 1.0;
  out.seconds_per_frame = task.dt * every * stride;
  for (int j = 0; j < kept; ++j) {
    const int i = j + 1 < kept ? static_cast<int>(j * stride) : count - 1;
    const double share = j + 1 < kept ? j * stride - i : 0.0;  // of the state after
    const auto at = static_cast<std::size_t>(i);
    systems::Drawing drawing = task.draw(condition, states[at]);
    if (share > 0.0) {
      const systems::Drawing after = task.draw(condition, states[at + 1]);
      for (std::size_t s = 0; s < drawing.size(); ++s) {
        drawing[s].points += share * (after[s].points - drawing[s].points);
      }
    }
    out.shapes.resize(drawing.size());
    for (std::size_t s = 0; s < drawing.size(); ++s) {
      PlayedShape& shape = out.shapes[s];
      shape.name = drawing[s].name;
      shape.role = drawing[s].role;
      shape.kind = drawing[s].kind;
      shape.radius = drawing[s].radius;
      shape.points.push_back(drawing[s].points);
    }
  }
  for (PlayedShape& shape : out.shapes) {
    const auto still = [&](const MatrixX& p) { return p == shape.points.front(); };
    if (std::all_of(shape.points.begin(), shape.points.end(), still)) shape.points.resize(1);
  }
  return out;
}

/// The mean of what acts; without shapes if the rollout fails.
template <class A>
Playback run_mean(const Task& task, int condition, const A& policy, int frames) {
  AnySystem system = task.system();
  const auto batch = sample(system, task.cost(condition), policy,
                            {.samples = 1,
                             .condition = condition,
                             .noiseless = true,
                             .purpose = StreamPurpose::evaluation});
  if (!batch.ok()) return {};
  std::vector<VectorX> states;
  for (int t = 0; t < batch.rollouts.steps(); ++t) states.emplace_back(batch.rollouts.x[t].col(0));
  Playback out = draw_all(task, condition, states, 1, frames);
  out.noiseless = true;
  out.cost = batch.rollouts.cost.sum();
  return out;
}

}  // namespace

std::vector<Playback> play(const ReportedTask& reported, int samples, int frames) {
  const Task& task = *reported.task;
  std::vector<Playback> out;
  for (std::size_t a = 0; a < reported.algorithms.size(); ++a) {
    const ReportedAlgorithm& algorithm = reported.algorithms[a];
    const ReportedRun& run = *algorithm.runs.front();
    const PolicyFile& file = run.trained.policy;
    const auto add = [&](Playback playback, int iteration) {
      if (playback.shapes.empty()) return;
      playback.algorithm = a;
      playback.iteration = iteration;
      out.push_back(std::move(playback));
    };
    std::map<int, std::vector<const ReportedSteps*>> lines_of;  // by condition
    for (const ReportedSteps& line : run.details) {
      if (!line.rollout.empty()) lines_of[line.condition].push_back(&line);
    }
    for (const ReportedCondition& shown : algorithm.conditions) {
      const int condition = shown.condition;
      if (condition < 0) continue;
      // Those begin with a network that is not saved; their first sample shows what it did.
      const bool baseline = is_baseline(run.trained.run.settings.algorithm);
      if (!baseline) add(run_mean(task, condition, task.initial_policy(condition), frames), 0);
      const std::vector<const ReportedSteps*>& lines = lines_of[condition];
      const std::size_t count = std::min(lines.size(), static_cast<std::size_t>(samples));
      for (std::size_t j = 0; j < count;
           ++j) {  // of equal parts the middles or, without it, begins
        const ReportedSteps& line =
            *lines[(2 * j + (baseline ? 0 : 1)) * lines.size() / (2 * count)];
        Playback playback = draw_all(task, condition, line.rollout, line.every, frames);
        playback.cost = line.cost;
        add(std::move(playback), line.iteration);
      }
      if (run.trained.network) {
        const GlobalController actor(run.trained.network->policy, task.steps,
                                     task.observation(condition));
        add(run_mean(task, condition, actor, frames), file.iteration);
        continue;
      }
      const auto m = std::find(file.conditions.begin(), file.conditions.end(), condition) -
                     file.conditions.begin();
      add(run_mean(task, condition, file.policies[static_cast<std::size_t>(m)], frames),
          file.iteration);
    }
  }
  return out;
}

}  // namespace pilqr::command
