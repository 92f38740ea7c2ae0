#pragma once
/// The error of everything that reads or writes files.

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace pilqr {

/// A file cannot be read or written, or its contents are not what they should be. The message
/// begins with the path.
class FileError : public std::runtime_error {
 public:
  /// The message is "path: what".
  FileError(const std::filesystem::path& path, std::string_view what)
      : std::runtime_error(fmt::format("{}: {}", path.string(), what)) {}
};

/// Throws FileError with the formatted message unless the condition holds.
template <class... Args>
void require_file(bool condition, const std::filesystem::path& path,
                  fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw FileError(path, fmt::format(format, std::forward<Args>(args)...));
}

/// Text from a file made fit for a message: in quotes, control characters as `\xNN`, at most about
/// 80 characters.
std::string in_quotes(std::string_view text);

}  // namespace pilqr
