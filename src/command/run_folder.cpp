#include "run_folder.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <system_error>
#include <utility>

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

std::vector<AnyOptimizer> make_optimizers(const Task& task, const Settings& settings) {
  std::vector<AnyOptimizer> optimizers;
  for (const int condition : settings.conditions) {
    optimizers.emplace_back(settings, task.initial_policy(condition));
  }
  return optimizers;
}

namespace {

PolicyFile policy_file(const Settings& settings, const Progress& progress,
                       const std::vector<AnyOptimizer>& optimizers) {
  PolicyFile file{.task = settings.task,
                  .algorithm = name(settings.algorithm),
                  .dt = find_task(settings.task).dt,
                  .seed = settings.seed,
                  .samples_total = progress.samples_total,
                  .iteration = progress.iterations,
                  .conditions = settings.conditions};
  for (const AnyOptimizer& optimizer : optimizers) file.policies.push_back(optimizer.policy());
  return file;
}

RunSettings load_settings(const RunFolder& folder) {
  std::error_code error;
  require_file(fs::is_directory(folder.path, error), folder.path, "is not a run folder");
  // A folder of an earlier version holds every setting, used or not.
  return resolve({.file = folder.config(), .algorithms = {"pilqr", "lqr_flm", "pi2"}});
}

}  // namespace

void save_run(const RunFolder& folder, const Settings& settings, const Progress& progress,
              const std::vector<AnyOptimizer>& optimizers, Sync sync) {
  save_policy(folder.policy(), policy_file(settings, progress, optimizers), sync);
  save_checkpoint(folder.checkpoint(), settings, progress, optimizers, sync);
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
       {folder.config(), folder.metrics(), folder.policy(), folder.checkpoint()}) {
    sync_file(file);
  }
}

RunFolder create_run(const fs::path& path, const RunSettings& run,
                     const std::vector<AnyOptimizer>& optimizers, Sync sync) {
  require_free(path);
  RunFolder folder{path};
  std::error_code error;
  fs::create_directories(folder.checkpoint().parent_path(), error);
  require_file(!error, path, "cannot create the folder: {}", error.message());
  try {
    write_atomically(folder.config(), to_toml(run), sync);
    write_atomically(folder.metrics(), "", sync);
    write_atomically(folder.details(), "", Sync::later);
    save_run(folder, run.settings, {}, optimizers, sync);
  } catch (const FileError&) {
    for (const fs::path& made :
         {folder.config(), folder.metrics(), folder.details(), folder.policy(), folder.checkpoint(),
          previous_checkpoint(folder.checkpoint()), folder.checkpoint().parent_path(), path}) {
      fs::remove(made, error);
    }
    throw;
  }
  return folder;
}

SavedRun load_run(const RunFolder& folder) {
  SavedRun saved{.run = load_settings(folder), .optimizers = {}, .progress = {}};
  const Settings& settings = saved.run.settings;
  saved.optimizers = make_optimizers(find_task(settings.task), settings);
  LoadedCheckpoint loaded = load_checkpoint(folder.checkpoint(), settings, saved.optimizers);
  saved.progress = loaded.progress;
  saved.damage = std::move(loaded.damage);
  (void)finished_lines(folder.metrics(), saved.progress.iterations, settings.conditions);
  return saved;
}

void rewind_run(const RunFolder& folder, const SavedRun& saved) {
  // A damaged checkpoint must not become the previous one: that is the only one left.
  if (!saved.damage.empty()) {
    write_atomically(folder.checkpoint(), read_file(previous_checkpoint(folder.checkpoint())));
  }
  write_atomically(folder.config(), to_toml(saved.run));
  write_atomically(folder.metrics(), finished_lines(folder.metrics(), saved.progress.iterations,
                                                    saved.run.settings.conditions));
  write_atomically(folder.details(), kept_details(folder.details(), saved.progress.iterations),
                   Sync::later);
  save_policy(folder.policy(), policy_file(saved.run.settings, saved.progress, saved.optimizers));
}

TrainedRun load_trained(const RunFolder& folder) {
  TrainedRun trained{.run = load_settings(folder), .policy = load_policy(folder.policy())};
  const Settings& s = trained.run.settings;
  const PolicyFile& file = trained.policy;
  const auto same = [&](const auto& found, const auto& expected, const char* what) {
    require_file(found == expected, folder.policy(), "{} is {}, {} has {}", what, found,
                 folder.config().string(), expected);
  };
  same(file.task, s.task, "task");
  same(file.algorithm, std::string(name(s.algorithm)), "algorithm");
  same(file.seed, s.seed, "seed");
  same(fmt::format("{}", fmt::join(file.conditions, ",")),
       fmt::format("{}", fmt::join(s.conditions, ",")), "list of conditions");
  const Task& task = find_task(s.task);
  const LinearGaussianPolicy<>& policy = file.policies.front();
  require_file(policy.nx() == task.nx && policy.nu() == task.nu && policy.steps() == task.steps,
               folder.policy(),
               "the policy has nx = {}, nu = {}, {} steps, the task {} has {}, {}, {}", policy.nx(),
               policy.nu(), policy.steps(), task.name, task.nx, task.nu, task.steps);
  return trained;
}

}  // namespace pilqr::command
