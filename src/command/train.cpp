#include "train.hpp"

#include <utility>

#include "console.hpp"
#include "exit_status.hpp"
#include "interrupt.hpp"
#include "threads.hpp"

namespace pilqr::command {

RunOutcome run_training(const RunFolder& folder, const Settings& settings, Progress progress,
                        std::vector<AnyOptimizer>& optimizers, int threads, Sync sync,
                        const RunObserver& observer) {
  const Task& task = find_task(settings.task);
  AnySystem system = task.system();
  std::vector<AnyCost> costs;
  for (const int condition : settings.conditions) costs.push_back(task.cost(condition));
  LineWriter metrics(folder.metrics());

  TrainCallbacks<> callbacks;
  callbacks.on_update = [&](const IterationRecord& record, const Rollouts<>& rollouts) {
    const MetricsRow row = describe_update(record, rollouts, task, progress);
    progress.samples_total = row.samples_total;
    progress.steps_total = row.steps_total;
    metrics.append(to_line(row));
    if (observer.on_update) observer.on_update(row);
  };
  // The checkpoint comes last: whatever is newer than it is done again when the run goes on.
  callbacks.on_iteration = [&](int iteration) {
    progress.iterations = iteration + 1;
    if (sync == Sync::now) metrics.sync();
    save_run(folder, settings, progress, optimizers, sync);
    if (observer.on_iteration) observer.on_iteration(iteration);
    return !interrupted();
  };
  const TrainOptions options{.iterations = settings.iterations - progress.iterations,
                             .samples = settings.samples,
                             .seed = settings.seed,
                             .noise = settings.noise,
                             .first_iteration = progress.iterations,
                             .conditions = settings.conditions};
  const TrainResult result = with_executor(threads, [&](auto& executor) {
    return pilqr::train(system, costs, optimizers, options, callbacks, executor);
  });
  return {.progress = progress,
          .failure = result.failure,
          .interrupted = result.stopped && progress.iterations < settings.iterations};
}

namespace {

/// Trains with a table; the exit status.
int train_and_tell(const RunFolder& folder, SavedRun& saved, const TrainArguments& arguments) {
  const Settings& settings = saved.run.settings;
  TrainTable table(saved.progress.iterations, settings.iterations, arguments.quiet);
  std::vector<MetricsRow> rows;
  std::vector<MetricsRow> last;
  RunObserver observer;
  observer.on_update = [&](const MetricsRow& row) {
    if (row.record.report.ok()) {
      table.update(row, static_cast<int>(rows.size()),
                   static_cast<int>(settings.conditions.size()));
    }
    rows.push_back(row);
  };
  observer.on_iteration = [&](int /*iteration*/) {
    table.row(rows);
    last = std::exchange(rows, {});
  };
  const RunOutcome outcome = run_training(folder, settings, saved.progress, saved.optimizers,
                                          arguments.threads, Sync::now, observer);
  table.clear();
  const std::string where = folder.path.string();
  if (!outcome.failure.ok()) {
    print_error(fmt::format("iteration {} failed: {}; {} holds the last good policy",
                            outcome.progress.iterations + 1, outcome.failure.message(),
                            folder.policy().string()));
    return exit_failure;
  }
  if (outcome.interrupted) {
    print(
        fmt::format("Interrupted after {} of {} iterations; go on with: pilqr train --resume {}\n",
                    outcome.progress.iterations, settings.iterations, where));
    return exit_interrupted;
  }
  double cost = 0.0;
  double success = 0.0;
  for (const MetricsRow& row : last) {
    cost += row.record.report.cost_mean / static_cast<double>(last.size());
    success += row.success_rate / static_cast<double>(last.size());
  }
  print(fmt::format("Done: {} iterations, {} rollouts, cost {}, success {}; run folder {}\n",
                    outcome.progress.iterations, outcome.progress.samples_total, short_number(cost),
                    percent(success), where));
  return exit_done;
}

/// What follows works on the folder: a fault is no longer bad input.
template <class Action>
int running(Action&& action) {
  try {
    return action();
  } catch (const std::exception& error) {
    print_error(error.what());
    return exit_failure;
  }
}

int resume(const TrainArguments& arguments) {
  require(!arguments.resume->empty(), "--resume is empty, expected a run folder");
  const RunFolder folder{*arguments.resume};
  SavedRun saved = load_run(folder);
  int& iterations = saved.run.settings.iterations;
  if (arguments.iterations) iterations = *arguments.iterations;
  require_valid(saved.run.settings, find_task(saved.run.settings.task));
  if (saved.progress.iterations >= iterations) {
    print(fmt::format("{} is finished: {} iterations, more with --iterations\n",
                      folder.path.string(), saved.progress.iterations));
    return exit_done;
  }
  return running([&] {
    rewind_run(folder, saved);
    return train_and_tell(folder, saved, arguments);
  });
}

}  // namespace

int train_command(const TrainArguments& arguments) {
  require_threads(arguments.threads);
  catch_interrupts();
  if (arguments.resume) return resume(arguments);
  SavedRun fresh{.run = resolve(arguments.settings), .optimizers = {}, .progress = {}};
  const Settings& settings = fresh.run.settings;
  const std::filesystem::path path = arguments.out.value_or(
      std::filesystem::path("runs") /
      fmt::format("{}-{}-seed{}", settings.task, name(settings.algorithm), settings.seed));
  fresh.optimizers = make_optimizers(find_task(settings.task), settings);
  const RunFolder folder = create_run(path, fresh.run, fresh.optimizers, Sync::now);
  return running([&] { return train_and_tell(folder, fresh, arguments); });
}

}  // namespace pilqr::command
