#pragma once
/// Whole files: read at once, written so that a reader never sees half of one.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "pilqr/io/file_error.hpp"

namespace pilqr {

/// Bytes of the largest file that is read unless a caller says otherwise: many times the policies
/// and checkpoints of any robot.
inline constexpr std::uint64_t largest_file = std::uint64_t{1} << 30U;

/// The bytes of a regular file of at most `most` bytes. Throws FileError, also for a larger file
/// and for one that does not fit into memory.
std::string read_file(const std::filesystem::path& path, std::uint64_t most = largest_file);

/// When a file that was written reaches the disk.
enum class Sync {
  now,    ///< before the function returns
  later,  ///< when the system likes or sync_file is called; a crash of the machine may lose the
          ///< file
};

/// Replaces the file by `bytes`, all or nothing: writes and syncs a temporary of the same
/// directory, renames it over `path` and syncs the directory, so that after a crash there is either
/// the old file or the new one; with Sync::later that holds for a crash of the program only. The
/// new file has default permissions; a symbolic link is replaced, not followed; a directory or
/// device at `path` is refused. Throws FileError; unless only the last sync failed, the old file is
/// then untouched, and no temporary is left in any case.
void write_atomically(const std::filesystem::path& path, std::string_view bytes,
                      Sync sync = Sync::now);

/// Makes `copy` another name of the file at `path`, in place of what it named before, or a copy of
/// it where the file system has no second names; nothing if there is no file at `path`. At no time
/// is there half of a file or none where there was one. Throws FileError.
/// @param sync of a copy; a name reaches the disk with the next sync of its directory.
void keep_copy(const std::filesystem::path& path, const std::filesystem::path& copy,
               Sync sync = Sync::now);

/// Whether write_atomically() and keep_copy() give their temporary files such names:
/// ".pilqr-PROCESS-NUMBER.tmp".
bool is_temporary(std::string_view name);

/// Removes what write_atomically() and keep_copy() of a program that was killed have left in the
/// directory; nothing if there is no such directory. Nobody may be writing there. Throws FileError.
void remove_temporaries(const std::filesystem::path& directory);

/// Returns when the file and its name are on the disk. Throws FileError.
void sync_file(const std::filesystem::path& path);

}  // namespace pilqr
