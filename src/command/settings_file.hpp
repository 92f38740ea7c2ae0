#pragma once
/// The settings of a run as text: config.toml, --set key=value and the flags of the command line.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pilqr/train/settings.hpp"

namespace pilqr::command {

enum class Preset { standard, paper };
enum class Prior { none, neighbours, gmm };
/// Of which iterations the good rollouts stay in samples/ of the run folder.
enum class KeepSamples { none, last, all };

/// Settings with what a file says beyond them.
struct RunSettings {
  Preset preset = Preset::standard;  ///< what the settings began with; "default" or "paper"
  Prior prior = Prior::none;         ///< which of settings.model.neighbours and .gmm is set
  Prior linearize_prior = Prior::neighbours;  ///< the same of settings.mdgps.linearize
  NeighbourPriorOptions neighbours{};         ///< section [neighbours]; kept with another prior too
  GmmPriorOptions gmm{};                      ///< section [gmm], the same
  KeepSamples keep_samples = KeepSamples::last;  ///< last: the one at work and the one before
  double tell_after = 60.0;  ///< s that a rollout takes when it is told of (RolloutWatch)
  Settings settings{};
};

/// One setting from the command line.
struct Assignment {
  std::string origin;  ///< as the user wrote it, for messages: "--samples 20"
  std::string key;     ///< "samples", "noise.width"
  std::string value;   ///< a TOML value; text may stand without quotes
};

/// Splits the argument of --set. Throws InvalidArgument unless it is key=value.
Assignment parse_set(const std::string& text);

/// What a command line asks for. Later entries win over earlier ones, all of them over the file,
/// the file over the preset, the preset over the task's defaults for the algorithm.
struct SettingsRequest {
  std::string task{};                           ///< empty: the file has to name it
  std::optional<std::filesystem::path> file{};  ///< --config
  std::optional<std::string> text{};            ///< instead of a file: what to_toml() gave
  std::vector<Assignment> assignments{};
  /// Algorithms that the same file and assignments are meant for: what the chosen one does not use
  /// may be there for another. Empty: the chosen one alone.
  std::vector<std::string> algorithms{};
  KeepSamples keep_samples = KeepSamples::last;  ///< the default of that setting
};

/// Throws InvalidArgument or FileError with one line that names the file and key or the argument:
/// for a key that does not exist or that the algorithm does not use, a value of the wrong type or
/// out of range, and a file of another task.
RunSettings resolve(const SettingsRequest& request);

/// The settings that the algorithm uses as TOML; numbers read back bit by bit.
std::string to_toml(const RunSettings& run);

/// The names of all algorithms.
std::vector<std::string> algorithm_names();

/// The names of all settings, sections as in "noise.width".
std::vector<std::string> setting_keys();

}  // namespace pilqr::command
