#pragma once
/// pilqr export.

#include <filesystem>
#include <optional>
#include <string>

#include "pilqr/core/types.hpp"

namespace pilqr::command {

struct ExportArguments {
  std::filesystem::path source{};              ///< a run folder, or a policy's safetensors file
  std::string to{};                            ///< "header" or "safetensors"
  std::optional<std::filesystem::path> out{};  ///< NAME.h or NAME.safetensors, if not given
  std::optional<std::string> name{};           ///< NAME; the task's, if not given
  /// Of a time-varying policy; if not given, a header has the first one, safetensors all of them.
  /// Of a network in a header: the condition of the task whose observation the function makes of
  /// the state; if not given, it takes what the network saw.
  std::optional<int> condition{};
  bool single = false;       ///< a header of float
  VectorX lower{}, upper{};  ///< nu, limits of a header's controls; empty: those of the policy
};

/// Writes the file, atomically. Returns the exit status. Throws InvalidArgument or FileError for
/// bad input.
int export_command(const ExportArguments& arguments);

}  // namespace pilqr::command
