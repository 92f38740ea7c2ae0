#include "train.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "console.hpp"
#include "details.hpp"
#include "exit_status.hpp"
#include "interrupt.hpp"
#include "pilqr/train/baselines.hpp"
#include "pilqr/train/message.hpp"
#include "report.hpp"
#include "rollout_watch.hpp"
#include "samples.hpp"
#include "threads.hpp"
#include "train_words.hpp"

namespace pilqr::command {

RunOutcome run_training(const RunFolder& folder, const RunSettings& run, Progress progress,
                        Learner& learner, const RunOptions& how, Ranks& ranks) {
  const Settings& settings = run.settings;
  const Sync sync = how.sync;
  const Task& task = find_task(settings.task);
  AnySystem system = how.system ? *how.system : task.system();
  std::vector<AnyCost> costs;
  for (const int condition : settings.conditions) costs.push_back(task.cost(condition));
  std::optional<LineWriter> metrics;
  if (ranks.first()) metrics.emplace(folder.metrics());
  DetailsWriter details(folder.details());

  MdgpsCallbacks<> callbacks;
  std::optional<GuidedFigures> figures;
  std::optional<NetworkPolicy> sampled;  // by the iteration, if it is a network
  const auto remember_network = [&] {
    if (const auto* baseline = std::get_if<AnyBaseline>(&learner)) sampled = baseline->policy();
    const auto* guided = std::get_if<AnyMdgps>(&learner);
    const bool samples = guided != nullptr && guided->trained() &&
                         guided->options().sample_with == SampleWith::global_policy;
    if (samples) sampled = guided->global();
  };
  remember_network();
  callbacks.on_report = [&](int iteration, const MdgpsReport& report) {
    figures = {.supervision_loss = report.supervision.loss,
               .supervision_error = report.supervision.error,
               .seconds_fit = report.seconds_fit,
               .seconds_c_step = report.seconds_c_step,
               .seconds_s_step = report.seconds_s_step,
               .supervision_failure = report.supervision.failure};
    if (sampled) keep_best_network(*sampled, report.conditions, iteration, progress.best_network);
    remember_network();
  };
  callbacks.on_update = [&](const IterationRecord& record, const Rollouts<>& rollouts) {
    MetricsRow row = describe_update(record, rollouts, task, progress);
    row.guided = figures;
    progress.samples_total = row.samples_total;
    progress.steps_total = row.steps_total;
    if (!ranks.first()) return;
    metrics->append(to_line(row));
    if (record.report.ok()) {
      const auto m =
          std::find(settings.conditions.begin(), settings.conditions.end(), record.condition) -
          settings.conditions.begin();
      const auto& locals = locals_of(learner);
      const auto* policy = locals.empty() ? nullptr : &locals[static_cast<std::size_t>(m)].policy();
      details.append(details_line(record, rollouts, policy));
    }
    if (how.on_update) how.on_update(row);
  };
  callbacks.on_failed_rollout = [&](const FailedRollout<>& failed) {
    if (ranks.first()) save_failed_rollout(folder, settings, failed, sync);
  };
  // The checkpoint comes last: whatever is newer than it is done again when the run goes on.
  callbacks.on_iteration = [&](int iteration) {
    progress.iterations = iteration + 1;
    if (ranks.first()) {
      if (sync == Sync::now) metrics->sync();
      save_run(folder, settings, progress, learner, sync);
      if (how.on_iteration) how.on_iteration(iteration);
    }
    return !interrupted();
  };
  RolloutWatch watch(run.tell_after, [&](const std::string& what) {
    print_error(ranks.several() ? fmt::format("rank {}: {}", ranks.rank(), what) : what);
  });
  RolloutEvents events{.begins = [&](const RolloutId& id) { watch.begins(id); },
                       .ends = [&](const RolloutId& id) { watch.ends(id); }};
  SampleWriter samples(folder, settings, run.keep_samples, sync);
  if (ranks.first() && run.keep_samples != KeepSamples::none) {
    events.good = [&](const RolloutId& id, const RolloutsView& batch) { samples.add(id, batch); };
  }
  const TrainOptions options{.iterations = settings.iterations - progress.iterations,
                             .samples = settings.samples,
                             .seed = settings.seed,
                             .noise = settings.noise,
                             .faults = settings.faults,
                             .stop = settings.stop,
                             .exploration = settings.exploration,
                             .first_iteration = progress.iterations,
                             .conditions = settings.conditions,
                             .events = std::move(events)};
  const TrainResult result = with_executor(how.threads, [&](auto& executor) -> TrainResult {
    if (auto* guided = std::get_if<AnyMdgps>(&learner)) {
      const MdgpsResult done = pilqr::train(system, costs, *guided, options, callbacks, executor,
                                            ranks, progress.failed_updates);
      return {.iterations = done.iterations,
              .stopped = done.stopped,
              .failure = done.failure,
              .failed_updates = done.failed_updates};
    }
    const TrainCallbacks<>& trajectories = callbacks;
    if (auto* baseline = std::get_if<AnyBaseline>(&learner)) {
      return std::visit(
          [&]<class L>(L& network) -> TrainResult {
            BaselineCallbacks<L, AnySystem> own{trajectories};
            own.on_report = [&](int iteration, const auto& report) {
              keep_best_network(*sampled, report.conditions, iteration, progress.best_network);
              remember_network();
            };
            const auto done = pilqr::train(network, system, costs, baseline->observations, options,
                                           own, executor, ranks, progress.failed_updates);
            return {.iterations = done.iterations,
                    .stopped = done.stopped,
                    .failure = done.failure,
                    .failed_updates = done.failed_updates};
          },
          baseline->learner);
    }
    return pilqr::train(system, costs, std::get<std::vector<AnyOptimizer>>(learner), options,
                        trajectories, executor, ranks, progress.histories);
  });
  // An iteration that ends the run is not saved, but what it tells of the policies is.
  // The failure is to be told whatever becomes of that.
  std::string unsaved;
  try {
    if (!result.ok() && ranks.first()) save_best(folder, settings, progress, learner, sync);
  } catch (const FileError& error) {
    unsaved = error.what();
  }
  return {
      .progress = progress,
      .failure = result.failure,
      .failed_updates = result.failed_updates,
      .spent = result.spent,
      .interrupted = result.stopped && !result.spent && progress.iterations < settings.iterations,
      .unsaved = std::move(unsaved)};
}

namespace {

/// A training that the command line asks for, ready to begin or to go on.
struct Job {
  RunFolder folder{};
  SavedRun saved{};
  bool finished = false;  ///< there is nothing to do
  bool spent = false;     ///< because its exploration is
};

Job begin(const TrainArguments& arguments) {
  Job job{.saved = {.run = resolve(arguments.settings), .learner = {}, .progress = {}}};
  const Settings& settings = job.saved.run.settings;
  const std::filesystem::path path = arguments.out.value_or(
      std::filesystem::path("runs") /
      fmt::format("{}-{}-seed{}", settings.task, name(settings.algorithm), settings.seed));
  job.saved.learner = make_learner(settings, find_task(settings.task));
  job.folder = create_run(path, job.saved.run, job.saved.learner, Sync::now);
  return job;
}

Job resume(const TrainArguments& arguments) {
  require(!arguments.resume->empty(), "--resume is empty, expected a run folder");
  Job job{.folder = {*arguments.resume}, .saved = load_run({*arguments.resume})};
  int& iterations = job.saved.run.settings.iterations;
  if (arguments.iterations) iterations = *arguments.iterations;
  require_valid(job.saved.run.settings, find_task(job.saved.run.settings.task));
  const Progress& progress = job.saved.progress;
  job.spent = is_spent(progress.histories, job.saved.run.settings.exploration);
  job.finished = job.spent || progress.iterations >= iterations;
  return job;
}

/// What the other ranks need of a job: no files.
std::string to_message(const Job& job) {
  MessageWriter out;
  out.put(job.finished);
  out.put(to_toml(job.saved.run));
  out.put(encode_safetensors(
      checkpoint_to_safetensors(job.saved.run.settings, job.saved.progress, job.saved.learner)));
  return out.bytes();
}

Job from_message(const std::string& bytes) {
  MessageReader in(bytes);
  Job job{.finished = in.get<bool>()};
  job.saved.run = resolve({.text = in.get_text()});
  const Settings& settings = job.saved.run.settings;
  job.saved.learner = make_learner(settings, find_task(settings.task));
  const std::filesystem::path origin = "message of the first rank";  // begins error messages
  job.saved.progress = checkpoint_from_safetensors(decode_safetensors(in.get_text(), origin),
                                                   origin, settings, job.saved.learner);
  return job;
}

/// Tells of a fault that the other ranks cannot know of, and ends them all.
[[noreturn]] void end_all(Ranks& ranks, const std::exception& error) {
  print_error(fmt::format("rank {}: {}", ranks.rank(), error.what()));
  ranks.abort(exit_failure);
}

/// What follows works on the folder: a fault is no longer bad input.
template <class Action>
int running(Ranks& ranks, Action&& action) {
  try {
    return action();
  } catch (const std::exception& error) {
    if (ranks.several()) end_all(ranks, error);
    print_error(error.what());
    return exit_failure;
  }
}

/// The job on every rank; nothing on the others if the first one finds the input bad, which it
/// throws.
std::optional<Job> agree_on_job(const TrainArguments& arguments, Ranks& ranks) {
  if (!ranks.first()) {
    const std::string bytes = ranks.exchange("").front();
    if (bytes.empty()) return {};
    try {
      return from_message(bytes);
    } catch (const std::exception& error) {
      end_all(ranks, error);
    }
  }
  try {
    Job job = arguments.resume ? resume(arguments) : begin(arguments);
    if (ranks.several()) (void)ranks.exchange(to_message(job));
    return job;
  } catch (const std::exception&) {
    (void)ranks.exchange("");
    throw;
  }
}

/// Trains with a table; the exit status.
int train_and_tell(Job& job, const TrainArguments& arguments, Ranks& ranks) {
  const Settings& settings = job.saved.run.settings;
  const RunFolder& folder = job.folder;
  const bool quiet = arguments.quiet || !ranks.first();
  if (ranks.first()) {
    tell_if_serial(settings.task, is_serial(find_task(settings.task).system()), arguments.threads);
  }
  TrainTable table(job.saved.progress.iterations, settings.iterations, quiet, !ranks.several());
  std::vector<MetricsRow> rows;
  std::vector<MetricsRow> last;
  RunOptions how{.threads = arguments.threads};
  how.on_update = [&](const MetricsRow& row) {
    if (row.record.report.ok()) {
      table.update(row, static_cast<int>(rows.size()),
                   static_cast<int>(settings.conditions.size()));
    }
    rows.push_back(row);
  };
  how.on_iteration = [&](int /*iteration*/) {
    table.row(rows);
    for (const std::string& words : failed_updates(rows, is_baseline(settings.algorithm))) {
      print_error(words);
    }
    last = std::exchange(rows, {});
    if (arguments.live) (void)write_report(folder.path);
  };
  const RunOutcome outcome =
      run_training(folder, job.saved.run, job.saved.progress, job.saved.learner, how, ranks);
  table.clear();
  const int status = !outcome.failure.ok() ? exit_failure
                     : outcome.interrupted ? interruption_status()
                                           : exit_done;
  if (ranks.first()) {
    tell(outcome, last, settings, folder);
    (void)write_report(folder.path);
  }
  return status;
}

}  // namespace

int train_command(const TrainArguments& arguments, Ranks& ranks) {
  require_threads(arguments.threads);
  catch_interrupts();
  std::optional<Job> job = agree_on_job(arguments, ranks);
  if (!job) return exit_bad_input;
  if (job->finished) {
    if (ranks.first()) {
      print(fmt::format("{} is finished: {} iterations, {}\n", job->folder.path.string(),
                        job->saved.progress.iterations,
                        job->spent ? "its exploration is spent" : "more with --iterations"));
    }
    return exit_done;
  }
  return running(ranks, [&] {
    if (arguments.resume && ranks.first()) {
      tell_damage(job->folder, job->saved);
      const std::string fault = rewind_run(job->folder, job->saved);
      if (!fault.empty()) print_error(fault);
    }
    return train_and_tell(*job, arguments, ranks);
  });
}

}  // namespace pilqr::command
