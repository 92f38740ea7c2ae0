#pragma once
/// The folder of one training run.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pilqr/io/network_file.hpp"
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
  /// Guided policy search only: its trajectory policies. policy() and best() are then networks.
  [[nodiscard]] std::filesystem::path local_policies() const {
    return path / "local_policies.safetensors";
  }
  [[nodiscard]] std::filesystem::path best() const { return path / "best.safetensors"; }
  [[nodiscard]] std::filesystem::path quarantine() const { return path / "quarantine"; }
  [[nodiscard]] std::filesystem::path samples() const { return path / "samples"; }
  [[nodiscard]] std::filesystem::path abandoned() const { return path / "abandoned.jsonl"; }
  [[nodiscard]] std::filesystem::path checkpoint() const {
    return path / "checkpoint" / "state.safetensors";
  }
  /// There while create_run() is at work, and after it was killed.
  [[nodiscard]] std::filesystem::path start_mark() const { return path / ".pilqr-start"; }
};

/// The settings of a run. Throws FileError or InvalidArgument, naming the file.
RunSettings load_settings(const RunFolder& folder);

/// Throws FileError unless the path is free for a new folder: there is nothing, or an empty folder.
void require_free(const std::filesystem::path& path);

/// Makes the folder of a run that has not begun: settings, first policies, no metrics. The path
/// must be free, or hold nothing but what a create_run() that was killed has left, which goes.
/// Throws FileError; nothing is then left of it.
RunFolder create_run(const std::filesystem::path& path, const RunSettings& run,
                     const Learner& learner, Sync sync);

/// A run that was interrupted, or is done.
struct SavedRun {
  RunSettings run;
  Learner learner;
  Progress progress;
  /// Why the last checkpoint was passed over for the one before; empty if it was not.
  std::string damage{};
  /// What is wrong with the end of the metrics, which is cut; empty if nothing is.
  std::string torn{};
};

/// Reads and checks settings, metrics and checkpoint, and changes nothing. Throws FileError or
/// InvalidArgument.
SavedRun load_run(const RunFolder& folder);

/// Makes the folder what it was when its checkpoint was written, for the settings of `saved`; what
/// there is of later iterations is kept apart (keep_abandoned), and the temporary files of a
/// program that was killed are removed. Details that cannot be read are put aside and begun anew:
/// returns what to tell of that, or nothing. Throws FileError.
[[nodiscard]] std::string rewind_run(const RunFolder& folder, const SavedRun& saved);

/// Writes the best policies so far (BestPolicy) as a policy file, atomically. Its extra metadata
/// are "best_iterations" and "best_costs", per condition, with commas: the iterations after which
/// they were the policies, and the mean costs of their samples. Throws FileError.
/// @param optimizers have the best policies of a run that has not begun: the first ones.
void save_best(const RunFolder& folder, const Settings& settings, const Progress& progress,
               const Learner& learner, Sync sync);

/// Writes the policies, the best ones and then the checkpoint, each atomically, and keeps the
/// checkpoint before. The checkpoint is what counts.
void save_run(const RunFolder& folder, const Settings& settings, const Progress& progress,
              const Learner& learner, Sync sync);

/// Writes what there is of a rollout that failed, with the reason, to quarantine/, atomically: a
/// safetensors file of the tensors x [steps, nx], u and xi [steps, nu] and cost [steps], of the
/// steps up to the last control that was applied. Throws FileError.
void save_failed_rollout(const RunFolder& folder, const Settings& settings,
                         const FailedRollout<>& failed, Sync sync);

/// Returns when everything of a run is on the disk. Throws FileError.
void sync_run(const RunFolder& folder);

/// The settings and policies of a run, the last or the best ones, checked against each other and
/// against the task. Throws FileError or InvalidArgument.
struct TrainedRun {
  RunSettings run;
  /// Guided policy search: the last trajectory policies, also if best is asked. Without policies
  /// where a network learns alone.
  PolicyFile policy;
  std::optional<NetworkFile> network{};  ///< where one learns
};
TrainedRun load_trained(const RunFolder& folder, bool best = false);

}  // namespace pilqr::command
