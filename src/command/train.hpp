#pragma once
/// pilqr train.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "metrics.hpp"
#include "ranks.hpp"
#include "run_folder.hpp"

namespace pilqr::command {

/// How a run ended; the same on all ranks.
struct RunOutcome {
  Progress progress;
  Failure failure;           ///< what stopped it, if anything did
  int failed_updates = 0;    ///< see TrainResult
  bool spent = false;        ///< it ended early, see TrainResult
  bool interrupted = false;  ///< by a signal; the run can go on from its folder
  std::string unsaved{};     ///< why the best policies of a failed run are not in their file
};

/// How a run is made, besides its settings.
struct RunOptions {
  int threads = 1;
  Sync sync = Sync::now;  ///< later: the caller syncs the folder afterwards
  /// To be told along the way, on the first rank. Either may be empty.
  ///@{
  std::function<void(const MetricsRow&)> on_update{};  ///< also of a failed update
  std::function<void(int iteration)> on_iteration{};   ///< after it was saved
  ///@}
  std::optional<AnySystem> system{};  ///< instead of the task's own
};

/// Trains up to the settings' number of iterations, from the progress that the learner has; on
/// several ranks all of them call this with the same arguments, and the first one writes. Every
/// iteration is saved before the next begins. Throws FileError if the folder cannot be written.
RunOutcome run_training(const RunFolder& folder, const RunSettings& run, Progress progress,
                        Learner& learner, const RunOptions& how, Ranks& ranks);

struct TrainArguments {
  SettingsRequest settings{};
  std::optional<std::filesystem::path> out{};
  std::optional<std::filesystem::path> resume{};  ///< settings and out are then not used ..
  std::optional<int> iterations{};                ///< .. except for this new total
  int threads = 1;
  bool quiet = false;
  bool live = false;  ///< report.html after every iteration, not only at the end
};

/// Returns the exit status. Throws InvalidArgument or FileError for bad input, before anything is
/// written. Of several ranks the first one reads and writes the run's files, and the others need
/// not see them.
int train_command(const TrainArguments& arguments, Ranks& ranks);

}  // namespace pilqr::command
