#pragma once
/// Whole files: read at once, written so that a reader never sees half of one.

#include <filesystem>
#include <string>
#include <string_view>

#include "pilqr/io/file_error.hpp"

namespace pilqr {

/// The bytes of a regular file. Throws FileError.
std::string read_file(const std::filesystem::path& path);

/// Replaces the file by `bytes`, all or nothing: writes and syncs a temporary of the same
/// directory, renames it over `path` and syncs the directory, so that after a crash there is either
/// the old file or the new one. The new file has default permissions; a symbolic link is replaced,
/// not followed; a directory or device at `path` is refused. Throws FileError; unless only the last
/// sync failed, the old file is then untouched, and no temporary is left in any case.
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace pilqr
