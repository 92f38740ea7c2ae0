#pragma once
/// The folder of one training run.

#include <filesystem>
#include <vector>

#include "pilqr/io/policy_file.hpp"
#include "pilqr/train/checkpoint.hpp"
#include "settings_file.hpp"

namespace pilqr::command {

/// Where everything of a run is.
struct RunFolder {
  std::filesystem::path path{};

  [[nodiscard]] std::filesystem::path config() const { return path / "config.toml"; }
  [[nodiscard]] std::filesystem::path metrics() const { return path / "metrics.jsonl"; }
  [[nodiscard]] std::filesystem::path details() const { return path / "details.jsonl"; }
  [[nodiscard]] std::filesystem::path report() const { return path / "report.html"; }
  [[nodiscard]] std::filesystem::path policy() const { return path / "policy.safetensors"; }
  [[nodiscard]] std::filesystem::path quarantine() const { return path / "quarantine"; }
  [[nodiscard]] std::filesystem::path checkpoint() const {
    return path / "checkpoint" / "state.safetensors";
  }
};

/// Throws FileError unless the path is free for a new folder: there is nothing, or an empty folder.
void require_free(const std::filesystem::path& path);

/// An optimiser for each condition of the settings, with the task's first policy.
std::vector<AnyOptimizer> make_optimizers(const Task& task, const Settings& settings);

/// Makes the folder of a run that has not begun: settings, first policies, no metrics. Throws
/// FileError; nothing is then left of it.
RunFolder create_run(const std::filesystem::path& path, const RunSettings& run,
                     const std::vector<AnyOptimizer>& optimizers, Sync sync);

/// A run that was interrupted, or is done.
struct SavedRun {
  RunSettings run;
  std::vector<AnyOptimizer> optimizers;
  Progress progress;
  /// Why the last checkpoint was passed over for the one before; empty if it was not.
  std::string damage{};
};

/// Reads and checks settings, metrics and checkpoint, and changes nothing. Throws FileError or
/// InvalidArgument.
SavedRun load_run(const RunFolder& folder);

/// Makes the folder what it was when its checkpoint was written, for the settings of `saved`.
void rewind_run(const RunFolder& folder, const SavedRun& saved);

/// Writes the policies and then the checkpoint, each atomically, and keeps the checkpoint before.
/// The checkpoint is what counts.
void save_run(const RunFolder& folder, const Settings& settings, const Progress& progress,
              const std::vector<AnyOptimizer>& optimizers, Sync sync);

/// Writes what there is of a rollout that failed, with the reason, to quarantine/, atomically: a
/// safetensors file of the tensors x [steps, nx], u and xi [steps, nu] and cost [steps], of the
/// steps before the failure. Throws FileError.
void save_failed_rollout(const RunFolder& folder, const Settings& settings,
                         const FailedRollout<>& failed, Sync sync);

/// Returns when everything of a run is on the disk. Throws FileError.
void sync_run(const RunFolder& folder);

/// The settings and policies of a run, checked against each other and against the task. Throws
/// FileError or InvalidArgument.
struct TrainedRun {
  RunSettings run;
  PolicyFile policy;
};
TrainedRun load_trained(const RunFolder& folder);

}  // namespace pilqr::command
