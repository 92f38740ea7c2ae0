#pragma once
/// pilqr compare.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "settings_file.hpp"

namespace pilqr::command {

struct CompareArguments {
  SettingsRequest settings{};  ///< for all algorithms; its seed is the first one
  std::vector<std::string> algorithms{"pilqr", "lqr_flm", "pi2"};
  int seeds = 5;
  std::optional<std::filesystem::path> out{};  ///< runs/compare-TASK, if not given
  std::optional<int> threads{};                ///< one per core, if not given
  bool json = false;
  bool quiet = false;
};

/// Returns the exit status. Throws InvalidArgument or FileError for bad input, before anything is
/// written.
int compare_command(const CompareArguments& arguments);

}  // namespace pilqr::command
