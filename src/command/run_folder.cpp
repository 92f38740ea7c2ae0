#include "run_folder.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "abandoned.hpp"
#include "details.hpp"
#include "metrics.hpp"
#include "pilqr/io/atomic_file.hpp"

namespace pilqr::command {

namespace fs = std::filesystem;

void require_free(const fs::path& path) {
  require(!path.empty(), "--out is empty, expected a folder");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    require_file(status.type() == fs::file_type::not_found, path, "{}", error.message());
    return;
  }
  require_file(fs::is_directory(status), path, "exists and is not a folder");
  const bool empty = fs::is_empty(path, error);
  require_file(!error, path, "{}", error.message());
  require_file(empty, path, "exists and is not empty, choose another folder with --out");
}

namespace {

PolicyFile policy_file(const Settings& settings, const Progress& progress, const Learner& learner) {
  PolicyFile file{.task = settings.task,
                  .algorithm = name(settings.algorithm),
                  .dt = find_task(settings.task).dt,
                  .seed = settings.seed,
                  .samples_total = progress.samples_total,
                  .iteration = progress.iterations,
                  .conditions = settings.conditions};
  for (const AnyOptimizer& optimizer : locals_of(learner)) {
    file.policies.push_back(optimizer.policy());
  }
  return file;
}

NetworkFile network_file(const Settings& settings, const Progress& progress,
                         const NetworkPolicy& network) {
  return {.policy = network,
          .task = settings.task,
          .algorithm = name(settings.algorithm),
          .dt = find_task(settings.task).dt,
          .seed = settings.seed,
          .samples_total = progress.samples_total,
          .iteration = progress.iterations,
          .extra = {{"conditions", fmt::format("{}", fmt::join(settings.conditions, ","))}}};
}

/// What the run has to show: the policies, or the network and the policies it learns from.
void save_policies(const RunFolder& folder, const Settings& settings, const Progress& progress,
                   const Learner& learner, Sync sync) {
  const std::optional<NetworkPolicy> network = network_of(learner);
  if (network) save_network(folder.policy(), network_file(settings, progress, *network), sync);
  if (std::holds_alternative<AnyBaseline>(learner)) return;
  save_policy(network ? folder.local_policies() : folder.policy(),
              policy_file(settings, progress, learner), sync);
}

}  // namespace

RunSettings load_settings(const RunFolder& folder) {
  std::error_code error;
  require_file(fs::is_directory(folder.path, error), folder.path, "is not a run folder");
  // A folder of an earlier version holds every setting, used or not.
  return resolve({.file = folder.config(), .algorithms = algorithm_names()});
}

void save_best(const RunFolder& folder, const Settings& settings, const Progress& progress,
               const Learner& learner, Sync sync) {
  if (const std::optional<NetworkPolicy> network = network_of(learner)) {
    const auto& best = progress.best_network;
    NetworkFile file = network_file(settings, progress, best ? best->policy : *network);
    file.extra["best_iterations"] = fmt::format("{}", best ? best->iteration : progress.iterations);
    if (best) file.extra["best_costs"] = fmt::format("{}", best->cost);
    save_network(folder.best(), file, sync);
    return;
  }
  PolicyFile file = policy_file(settings, progress, learner);
  const std::vector<ConditionHistory> histories =
      progress.histories.empty() ? new_histories(locals_of(learner)) : progress.histories;
  std::vector<int> iterations;
  std::vector<double> costs;
  for (std::size_t m = 0; m < histories.size(); ++m) {
    const BestPolicy& best = histories[m].best;
    file.policies[m] = best.policy;
    iterations.push_back(std::max(0, best.iteration));
    costs.push_back(best.cost);
  }
  file.extra = {{"best_iterations", fmt::format("{}", fmt::join(iterations, ","))},
                {"best_costs", fmt::format("{}", fmt::join(costs, ","))}};
  save_policy(folder.best(), file, sync);
}

void save_run(const RunFolder& folder, const Settings& settings, const Progress& progress,
              const Learner& learner, Sync sync) {
  save_policies(folder, settings, progress, learner, sync);
  save_best(folder, settings, progress, learner, sync);
  save_checkpoint(folder.checkpoint(), settings, progress, learner, sync);
}

void save_failed_rollout(const RunFolder& folder, const Settings& settings,
                         const FailedRollout<>& failed, Sync sync) {
  const Failure& failure = failed.failure;
  const Rollouts<>& r = failed.rollout;
  std::string reason = failure.message();  // a system's own bytes among them
  std::replace_if(
      reason.begin(), reason.end(), [](char c) { return static_cast<unsigned char>(c) > 126; },
      '?');
  SafeTensors out;
  out.metadata = {{"format", "pilqr.failed_rollout"},
                  {"format_version", "1"},
                  {"task", settings.task},
                  {"iteration", fmt::format("{}", failed.iteration)},
                  {"condition", fmt::format("{}", failure.condition)},
                  {"sample", fmt::format("{}", failure.sample)},
                  {"attempt", fmt::format("{}", failure.attempt)},
                  {"step", fmt::format("{}", failure.step)},
                  {"reason", std::move(reason)}};
  const auto add = [&](const char* what, const auto& sequence) {
    const int rows = sequence.rows();
    std::vector<double> values(sequence.flat().begin(), sequence.flat().end());
    out.tensors[what] = {.shape = {r.steps(), rows}, .values = std::move(values)};
  };
  add("x", r.x);
  add("u", r.u);
  add("xi", r.xi);
  out.tensors["cost"] = {.shape = {r.steps()},
                         .values = std::vector<double>(r.cost.data(), r.cost.data() + r.steps())};
  std::error_code error;
  fs::create_directory(folder.quarantine(), error);
  require_file(!error, folder.quarantine(), "cannot create the folder: {}", error.message());
  save_safetensors(
      folder.quarantine() /
          fmt::format("iteration_{}_condition_{}_sample_{}_attempt_{}.safetensors",
                      failed.iteration, failure.condition, failure.sample, failure.attempt + 1),
      out, sync);
}

void sync_run(const RunFolder& folder) {
  for (const fs::path& file :
       {folder.config(), folder.metrics(), folder.policy(), folder.best(), folder.checkpoint()}) {
    sync_file(file);
  }
  std::error_code error;
  for (const fs::path& file : {previous_checkpoint(folder.checkpoint()), folder.local_policies()}) {
    if (fs::exists(file, error)) sync_file(file);
  }
  for (const fs::path& directory : {folder.quarantine(), folder.samples()}) {
    if (!fs::exists(directory, error)) continue;
    for (const auto& entry : fs::directory_iterator(directory)) sync_file(entry.path());
  }
}

namespace {

/// What create_run() makes besides the mark and the directories.
std::array<fs::path, 8> files_of_a_start(const RunFolder& folder) {
  return {folder.config(),         folder.metrics(),
          folder.details(),        folder.policy(),
          folder.local_policies(), folder.best(),
          folder.checkpoint(),     previous_checkpoint(folder.checkpoint())};
}

/// Removes what create_run() makes, the mark last.
void remove_start(const RunFolder& folder) {
  const fs::path checkpoints = folder.checkpoint().parent_path();
  std::error_code error;
  for (const fs::path& made : files_of_a_start(folder)) fs::remove(made, error);
  remove_temporaries(checkpoints);
  remove_temporaries(folder.path);
  fs::remove(checkpoints, error);
  fs::remove(folder.start_mark(), error);
}

/// From now on the folder is that of a run.
void remove_mark(const RunFolder& folder, Sync sync) {
  std::error_code error;
  const bool was_there = fs::remove(folder.start_mark(), error);
  require_file(!error, folder.start_mark(), "cannot remove: {}", error.message());
  if (was_there && sync == Sync::now) sync_file(folder.config());  // and with it the directory
}

/// Removes what a create_run() that was killed has left, unless there is anything else.
void remove_unfinished_start(const RunFolder& folder) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(folder.start_mark(), error))) return;
  const fs::path checkpoints = folder.checkpoint().parent_path();
  const auto known = files_of_a_start(folder);
  const auto is_ours = [&](const fs::path& path) {
    return std::find(known.begin(), known.end(), path) != known.end() || path == checkpoints ||
           path == folder.start_mark() || is_temporary(path.filename().string());
  };
  fs::recursive_directory_iterator entry(folder.path, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!is_ours(entry->path())) return;
  }
  if (error) return;
  const auto lines = fs::file_size(folder.metrics(), error);
  if (!error && lines > 0) return;  // it has been trained since
  remove_start(folder);
}

}  // namespace

RunFolder create_run(const fs::path& path, const RunSettings& run, const Learner& learner,
                     Sync sync) {
  RunFolder folder{path};
  remove_unfinished_start(folder);
  require_free(path);
  std::error_code error;
  const auto create = [&](const fs::path& directory) {
    fs::create_directories(directory, error);
    require_file(!error, directory, "cannot create the folder: {}", error.message());
  };
  create(path);
  try {
    write_atomically(folder.start_mark(), "", sync);
    create(folder.checkpoint().parent_path());
    write_atomically(folder.config(), to_toml(run), sync);
    write_atomically(folder.metrics(), "", sync);
    write_atomically(folder.details(), "", Sync::later);
    save_run(folder, run.settings, {}, learner, sync);
    remove_mark(folder, sync);
  } catch (const FileError&) {
    remove_start(folder);
    fs::remove(path, error);
    throw;
  }
  return folder;
}

SavedRun load_run(const RunFolder& folder) {
  std::error_code error;
  require_file(!fs::exists(folder.start_mark(), error) || fs::exists(folder.checkpoint(), error),
               folder.path, "was left before the run began: start it again with --out");
  SavedRun saved{.run = load_settings(folder), .learner = {}, .progress = {}};
  const Settings& settings = saved.run.settings;
  saved.learner = make_learner(settings, find_task(settings.task));
  LoadedCheckpoint loaded = load_checkpoint(folder.checkpoint(), settings, saved.learner);
  saved.progress = loaded.progress;
  saved.damage = std::move(loaded.damage);
  const std::string metrics = read_file(folder.metrics());
  const std::string_view lines =
      finished_lines(metrics, folder.metrics(), saved.progress.iterations, settings.conditions);
  if (metrics.size() > lines.size() && metrics.back() != '\n') {
    saved.torn =
        fmt::format("{}: its last line has no end; it is cut after line {}",
                    folder.metrics().string(), std::count(lines.begin(), lines.end(), '\n'));
  }
  return saved;
}

namespace {

/// Makes details.jsonl that of a run after so many iterations. It is no reason to stop: one that
/// cannot be read is put aside. Returns what to tell of that, or nothing.
std::string rewind_details(const RunFolder& folder, int iterations) {
  std::string kept;
  std::string fault;
  try {
    kept = kept_details(folder.details(), iterations);
  } catch (const FileError& error) {
    const fs::path aside = free_name(folder.path, folder.details().filename().string());
    std::error_code renamed;
    fs::rename(folder.details(), aside, renamed);
    require_file(!renamed, folder.details(), "cannot rename: {}", renamed.message());
    fault = fmt::format("{}; it is now {}, and a new one is begun", error.what(), aside.string());
  }
  write_atomically(folder.details(), kept, Sync::later);
  return fault;
}

}  // namespace

std::string rewind_run(const RunFolder& folder, const SavedRun& saved) {
  remove_mark(folder, Sync::now);
  for (const fs::path& directory :
       {folder.path, folder.checkpoint().parent_path(), folder.quarantine(), folder.samples()}) {
    remove_temporaries(directory);
  }
  // A damaged checkpoint must not become the previous one: that is the only one left.
  if (!saved.damage.empty()) {
    write_atomically(folder.checkpoint(), read_file(previous_checkpoint(folder.checkpoint())));
  }
  write_atomically(folder.config(), to_toml(saved.run));
  const std::string metrics = read_file(folder.metrics());
  const std::string_view finished = finished_lines(
      metrics, folder.metrics(), saved.progress.iterations, saved.run.settings.conditions);
  keep_abandoned(folder, saved.progress.iterations, finished.size());
  write_atomically(folder.metrics(), finished);
  std::string told = rewind_details(folder, saved.progress.iterations);
  save_policies(folder, saved.run.settings, saved.progress, saved.learner, Sync::now);
  save_best(folder, saved.run.settings, saved.progress, saved.learner, Sync::now);
  return told;
}

namespace {

/// What a network's file says of its run, as a file of policies has it.
PolicyFile headings_of(const NetworkFile& file, const Settings& settings) {
  return {.task = file.task,
          .algorithm = file.algorithm,
          .dt = file.dt,
          .seed = file.seed,
          .samples_total = file.samples_total,
          .iteration = file.iteration,
          .conditions = settings.conditions,
          .extra = file.extra};
}

}  // namespace

TrainedRun load_trained(const RunFolder& folder, bool best) {
  RunSettings run = load_settings(folder);
  const fs::path chosen = best ? folder.best() : folder.policy();
  const bool alone = is_baseline(run.settings.algorithm);
  const bool has_network = alone || is_guided(run.settings.algorithm);
  const fs::path path = has_network && !alone ? folder.local_policies() : chosen;
  TrainedRun trained{.run = std::move(run), .policy = {}};
  if (has_network) trained.network = load_network(chosen);
  trained.policy = alone ? headings_of(*trained.network, trained.run.settings) : load_policy(path);
  const Settings& s = trained.run.settings;
  const PolicyFile& file = trained.policy;
  const auto same = [&](const auto& found, const auto& expected, const char* what) {
    require_file(found == expected, path, "{} is {}, {} has {}", what, found,
                 folder.config().string(), expected);
  };
  same(file.task, s.task, "task");
  same(file.algorithm, std::string(name(s.algorithm)), "algorithm");
  same(file.seed, s.seed, "seed");
  same(fmt::format("{}", fmt::join(file.conditions, ",")),
       fmt::format("{}", fmt::join(s.conditions, ",")), "list of conditions");
  const Task& task = find_task(s.task);
  if (!alone) {
    const LinearGaussianPolicy<>& policy = file.policies.front();
    require_file(policy.nx() == task.nx && policy.nu() == task.nu && policy.steps() == task.steps,
                 path, "the policy has nx = {}, nu = {}, {} steps, the task {} has {}, {}, {}",
                 policy.nx(), policy.nu(), policy.steps(), task.name, task.nx, task.nu, task.steps);
  }
  if (has_network) {
    const NetworkPolicy& network = trained.network->policy;
    const int seen = task.nx + task.observation(s.conditions.front()).extra();
    require_file(trained.network->task == s.task &&
                     trained.network->algorithm == name(s.algorithm) && network.nx() == seen &&
                     network.nu() == task.nu,
                 chosen, "a network of {} by {} with nx = {}, nu = {}, expected {}, {}, {}, {}",
                 in_quotes(trained.network->task), in_quotes(trained.network->algorithm),
                 network.nx(), network.nu(), s.task, name(s.algorithm), seen, task.nu);
  }
  return trained;
}

}  // namespace pilqr::command
