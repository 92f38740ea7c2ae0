#include "pilqr/io/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

namespace pilqr {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20U || byte == 0x7FU) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (text.size() > longest ? "...\"" : "\"");
}

namespace {

namespace fs = std::filesystem;

/// Throws FileError with the text of errno.
[[noreturn]] void fail(const fs::path& path, std::string_view what) {
  throw FileError(path, fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Removes a file unless told to keep it.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!kept_) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool kept_ = false;
};

void require_regular(const struct stat& status, const fs::path& path) {
  require_file(!S_ISDIR(status.st_mode), path, "is a directory");
  require_file(S_ISREG(status.st_mode), path, "is not a regular file");
}

/// Creates a file that did not exist in `directory`: its name and descriptor.
std::pair<fs::path, int> create_temporary(const fs::path& directory, const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  constexpr int attempts = 1000;  // names left by other processes with our number
  for (int i = 0; i < attempts; ++i) {
    fs::path name = directory / fmt::format(".pilqr-{}-{}.tmp", ::getpid(), counter++);
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return {std::move(name), fd};
    if (errno != EEXIST && errno != EINTR) break;
  }
  fail(target, "cannot create a temporary file next to it");
}

void write_all(int fd, std::string_view bytes, const fs::path& target) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(target, "cannot write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// The directory that a file is in, opened.
Descriptor open_directory_of(const fs::path& path) {
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail(path, "cannot open its directory");
  return Descriptor(fd);
}

void sync_directory(const Descriptor& directory, const fs::path& path) {
  // EINVAL: the file system does not sync directories.
  if (::fsync(directory.get()) != 0 && errno != EINVAL) fail(path, "cannot sync its directory");
}

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t most) {
  // Non-blocking, because opening a named pipe would otherwise wait for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(path, "cannot open");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(path, "cannot open");
  require_regular(status, path);

  const auto size = static_cast<std::uint64_t>(status.st_size);
  require_file(size <= most, path, "has {} bytes, expected at most {}", size, most);
  std::string bytes;
  try {
    bytes.resize(static_cast<std::size_t>(size));
  } catch (const std::bad_alloc&) {
    throw FileError(path, fmt::format("its {} bytes do not fit into memory", size));
  }
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot read");
    require_file(count > 0, path, "has shrunk from {} to {} bytes while it was read", bytes.size(),
                 done);
    done += static_cast<std::size_t>(count);
  }
  return bytes;
}

void write_atomically(const fs::path& path, std::string_view bytes, Sync sync) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) require_regular(status, path);
  const Descriptor folder = open_directory_of(path);

  auto [name, fd] = create_temporary(path.parent_path(), path);
  Temporary temporary(std::move(name));
  Descriptor file(fd);
  write_all(file.get(), bytes, path);
  if (sync == Sync::now && ::fsync(file.get()) != 0) fail(path, "cannot write to disk");
  if (::close(file.release()) != 0 && errno != EINTR) fail(path, "cannot write");
  if (::rename(temporary.path().c_str(), path.c_str()) != 0) fail(path, "cannot replace");
  temporary.keep();
  if (sync == Sync::now) sync_directory(folder, path);
}

void keep_copy(const fs::path& path, const fs::path& copy, Sync sync) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 && errno == ENOENT) return;
  // A name for the file that no one has, which then takes the place of `copy`.
  auto [name, fd] = create_temporary(copy.parent_path(), copy);
  const Temporary temporary(std::move(name));
  ::close(fd);
  ::unlink(temporary.path().c_str());
  if (::link(path.c_str(), temporary.path().c_str()) != 0) {
    write_atomically(copy, read_file(path), sync);
    return;
  }
  // Does nothing if both are names of one file already: the destructor then removes the spare one.
  if (::rename(temporary.path().c_str(), copy.c_str()) != 0) fail(copy, "cannot replace");
}

bool is_temporary(std::string_view name) {
  constexpr std::string_view front = ".pilqr-";
  constexpr std::string_view back = ".tmp";
  if (name.size() < front.size() + back.size() || !name.starts_with(front) ||
      !name.ends_with(back)) {
    return false;
  }
  name.remove_prefix(front.size());
  name.remove_suffix(back.size());
  const std::size_t dash = name.find('-');
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return dash != std::string_view::npos && is_number(name.substr(0, dash)) &&
         is_number(name.substr(dash + 1));
}

void remove_temporaries(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory, error) && !error) return;
  std::vector<fs::path> found;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    std::error_code ignored;
    const bool file = fs::is_regular_file(entry->symlink_status(ignored));
    if (file && is_temporary(path.filename().string())) found.push_back(path);
  }
  require_file(!error, directory, "cannot list the directory: {}", error.message());
  for (const fs::path& path : found) {
    fs::remove(path, error);
    require_file(!error, path, "cannot remove: {}", error.message());
  }
}

void sync_file(const fs::path& path) {
  const Descriptor folder = open_directory_of(path);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(path, "cannot open");
  if (::fsync(file.get()) != 0) fail(path, "cannot write to disk");
  sync_directory(folder, path);
}

}  // namespace pilqr
