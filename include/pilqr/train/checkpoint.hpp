#pragma once
/// Interrupted runs: all that training needs to go on as if it had never stopped, bit by bit.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pilqr/io/safetensors.hpp"
#include "pilqr/train/learner.hpp"
#include "pilqr/train/settings.hpp"

namespace pilqr {

/// How far a run is, over all its conditions.
struct Progress {
  int iterations = 0;      ///< finished, by every condition
  long samples_total = 0;  ///< rollouts made
  long steps_total = 0;    ///< control steps made
  /// One per condition, or none before the first iteration and where a network learns.
  std::vector<ConditionHistory> histories{};
  /// Where rollouts are those of a network, after the first of them.
  std::optional<BestNetwork> best_network{};
  int failed_updates = 0;  ///< where a network learns: iterations in a row that have failed

  /// Equal in all parts.
  friend bool operator==(const Progress&, const Progress&) = default;
};

/// The contents of a checkpoint. Condition m has the tensors "condition_m/K", "k" and "L" of its
/// policy; with a model-based algorithm also "kl_multiplier" [T], "adapt", "lqr_dual",
/// "expected_cost" and "predicted_cost" (scalars); with a mixture prior also "gmm/batches" (their
/// number) and, once there are any, "gmm/batch_0" [D, P] .., oldest first, "gmm/log_weights" [K],
/// "gmm/means" [D, K], "gmm/covariances" [K, D, D] and "gmm/points", and unless warm_iterations is
/// 0 the batches' statistics, "gmm/batch_0_counts" [K], "gmm/batch_0_means" [D, K] and
/// "gmm/batch_0_covariances" [D (D + 1) / 2, K] ..; and of its history "history/failed_updates",
/// "history/best/K", "k", "L", "cost", "iteration", "history/first_L" [T, nu, nu] and
/// "history/spent" (scalar). Guided policy search has besides "network/.." and, if there is one,
/// "best_network/..", each with the tensors of a NetworkFile, "trained", "best_network/cost" and
/// "best_network/iteration" and "failed_updates" (scalars), and with a mixture for the
/// linearisation in every condition "linearize/gmm/..". TRPO and DDPG have no conditions' tensors
/// but "baseline/..", see io/baseline_state.hpp, those of the best network and "failed_updates".
/// The metadata are format "pilqr.checkpoint", format_version "6", task, algorithm, seed,
/// conditions and the progress.
/// @param learner of as many conditions as the settings.
SafeTensors checkpoint_to_safetensors(const Settings& settings, const Progress& progress,
                                      const Learner& learner);

/// The inverse, into a learner that was made with the run's settings. Throws FileError, beginning
/// with `path`, if anything is missing, unknown, not valid or of another run; the learner is then
/// as it was.
Progress checkpoint_from_safetensors(SafeTensors contents, const std::filesystem::path& path,
                                     const Settings& settings, Learner& learner);

/// Where the checkpoint before the one at `path` is kept: "previous.safetensors" next to it.
std::filesystem::path previous_checkpoint(const std::filesystem::path& path);

/// Writes the file atomically and with a checksum (io/sealed.hpp); the one that was there becomes
/// the previous_checkpoint. What is to be written is read first, as load_checkpoint would: there is
/// never a checkpoint that a run cannot go on from. Throws FileError; the files that were there are
/// then untouched.
void save_checkpoint(const std::filesystem::path& path, const Settings& settings,
                     const Progress& progress, const Learner& learner, Sync sync = Sync::now);

/// What a run goes on from.
struct LoadedCheckpoint {
  Progress progress;  ///< when it was written
  /// Why the last checkpoint was passed over for the one before; empty if it was not.
  std::string damage{};
};

/// checkpoint_from_safetensors of the file or, if that is missing, cannot be read or is damaged, of
/// the previous_checkpoint. A file that is whole but of another run is an error like any other.
LoadedCheckpoint load_checkpoint(const std::filesystem::path& path, const Settings& settings,
                                 Learner& learner);

}  // namespace pilqr
