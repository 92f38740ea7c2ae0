#include "pilqr/io/atomic_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "io/io_support.hpp"

namespace pilqr {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

/// While it lives, no file can grow beyond `bytes`: writing fails as on a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit old_{};
  void (*handler_)(int) = nullptr;
};

/// While it lives, root has the rights of an ordinary user.
class Unprivileged {
 public:
  Unprivileged() : was_root_(::geteuid() == 0), dropped_(was_root_ && ::seteuid(65534) == 0) {}
  ~Unprivileged() {
    if (dropped_ && ::seteuid(0) != 0) std::abort();
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;
  [[nodiscard]] bool effective() const { return dropped_ || !was_root_; }
  [[nodiscard]] bool another_user() const { return dropped_; }

 private:
  bool was_root_;
  bool dropped_;
};

TEST(KeptCopy, IsWhatTheFileWas) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "file";
  const fs::path copy = directory / "copy";
  keep_copy(path, copy);
  EXPECT_TRUE(directory.entries().empty()) << "there is nothing to keep";
  write_atomically(path, "one");
  keep_copy(path, copy);
  keep_copy(path, copy);  // two names of one file
  EXPECT_EQ(directory.entries().size(), 2U);
  write_atomically(path, "two");
  EXPECT_EQ(read_file(copy), "one");
  keep_copy(path, copy, Sync::later);
  write_atomically(path, "three");
  EXPECT_EQ(read_file(copy), "two");
  EXPECT_EQ(read_file(path), "three");
  EXPECT_EQ(directory.entries().size(), 2U);
  EXPECT_NE(test::file_error([&] { keep_copy(path, directory / "no" / "copy"); }), "");
}

TEST(Temporaries, OursAreRemovedAndNothingElse) {
  const test::TemporaryDirectory directory;
  EXPECT_NO_THROW(remove_temporaries(directory / "missing"));
  const std::vector<const char*> others = {
      ".pilqr-1-2",     ".pilqr-1.tmp",       ".pilqr--2.tmp", ".pilqr-1-.tmp", ".pilqr-1-2-3.tmp",
      ".pilqr-a-2.tmp", ".pilqr-1-2.tmp.tmp", "pilqr-1-2.tmp", ".pilqr-.tmp",   "policy"};
  for (const char* name : others) test::write_plainly(directory / name, "x");
  for (const char* name : {".pilqr-1-2.tmp", ".pilqr-12345-678.tmp"}) {
    EXPECT_TRUE(is_temporary(name));
    test::write_plainly(directory / name, "x");
  }
  fs::create_directory(directory / ".pilqr-3-4.tmp");
  fs::create_symlink("policy", directory / ".pilqr-5-6.tmp");
  remove_temporaries(directory.path());
  Names left = directory.entries();
  Names expected(others.begin(), others.end());
  expected.insert(expected.end(), {".pilqr-3-4.tmp", ".pilqr-5-6.tmp"});
  std::sort(left.begin(), left.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(left, expected);
}

// The names that a write really has.
TEST(Temporaries, OfAWriteThatIsKilledAreFound) {
  const test::TemporaryDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit little{1000, 1000};  // the signal of a file that is too large ends the child
    ::setrlimit(RLIMIT_FSIZE, &little);
    std::signal(SIGXFSZ, SIG_DFL);
    write_atomically(directory / "file", std::string(5000, 'x'));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(directory.entries().size(), 1U);
  remove_temporaries(directory.path());
  EXPECT_TRUE(directory.entries().empty());
}

TEST(AtomicFile, WritesAndReplaces) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "file";
  const std::string large(3'000'000, 'x');
  for (const std::string& bytes :
       {std::string("old"), std::string("a\0b\n\xFF", 5), large, std::string()}) {
    write_atomically(path, bytes);
    EXPECT_EQ(test::read_plainly(path), bytes);
    EXPECT_EQ(read_file(path), bytes);
    EXPECT_EQ(directory.entries(), Names{"file"});
  }
}

TEST(AtomicFile, SyncsLater) {
  const test::TemporaryDirectory directory;
  write_atomically(directory / "file", "old", Sync::later);
  write_atomically(directory / "file", "new", Sync::later);
  sync_file(directory / "file");
  EXPECT_EQ(read_file(directory / "file"), "new");
  EXPECT_EQ(directory.entries(), Names{"file"});
  EXPECT_TRUE(test::contains(test::file_error([&] { sync_file(directory / "none"); }), "none"));
  EXPECT_TRUE(
      test::contains(test::file_error([&] { sync_file(directory / "no/file"); }), "no/file"));
}

TEST(AtomicFile, NewFilesFollowTheUmask) {
  const test::TemporaryDirectory directory;
  const mode_t old = ::umask(027);
  write_atomically(directory / "file", "x");
  ::umask(old);
  EXPECT_EQ(fs::status(directory / "file").permissions(), static_cast<fs::perms>(0640));
}

TEST(AtomicFile, RelativePathsAndLongNames) {
  const test::TemporaryDirectory directory;
  const fs::path before = fs::current_path();
  fs::current_path(directory.path());
  const std::string longest(255, 'n');
  write_atomically(longest, "here");
  fs::current_path(before);
  EXPECT_EQ(test::read_plainly(directory / longest.c_str()), "here");
}

TEST(AtomicFile, FullDiskLeavesTheOldFile) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "file";
  write_atomically(path, "old");
  std::string message;
  {
    const SmallDisk disk(1000);
    message = test::file_error([&] { write_atomically(path, std::string(5000, 'x')); });
  }
  EXPECT_EQ(message, path.string() + ": cannot write: File too large");
  EXPECT_EQ(test::read_plainly(path), "old");
  EXPECT_EQ(directory.entries(), Names{"file"});
}

TEST(AtomicFile, NoPermission) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "file";
  write_atomically(path, "old");
  fs::permissions(path, static_cast<fs::perms>(0600));
  fs::permissions(directory.path(), static_cast<fs::perms>(0555));
  std::string writing;
  std::string reading = path.string() + ": cannot open: Permission denied";
  const std::string expected_reading = reading;
  {
    const Unprivileged user;
    if (!user.effective()) GTEST_SKIP() << "root that cannot become another user";
    writing = test::file_error([&] { write_atomically(path, "new"); });
    if (user.another_user()) reading = test::file_error([&] { (void)read_file(path); });
  }
  fs::permissions(directory.path(), static_cast<fs::perms>(0755));
  EXPECT_EQ(writing,
            path.string() + ": cannot create a temporary file next to it: Permission denied");
  EXPECT_EQ(reading, expected_reading);
  EXPECT_EQ(test::read_plainly(path), "old");
  EXPECT_EQ(directory.entries(), Names{"file"});
}

TEST(AtomicFile, ParentsThatAreNotDirectories) {
  const test::TemporaryDirectory directory;
  write_atomically(directory / "file", "old");
  const fs::path below = directory / "file" / "child";
  EXPECT_EQ(test::file_error([&] { write_atomically(below, "new"); }),
            below.string() + ": cannot open its directory: Not a directory");
  const fs::path nowhere = directory / "none" / "child";
  EXPECT_EQ(test::file_error([&] { write_atomically(nowhere, "new"); }),
            nowhere.string() + ": cannot open its directory: No such file or directory");
  EXPECT_EQ(test::read_plainly(directory / "file"), "old");
  EXPECT_EQ(directory.entries(), Names{"file"});
}

TEST(AtomicFile, RefusesDirectoriesAndDevices) {
  const test::TemporaryDirectory directory;
  const fs::path pipe = directory / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  // By way of a link: as root, a mistake would otherwise replace the machine's own device.
  const fs::path device = directory / "device";
  fs::create_symlink("/dev/null", device);
  for (const fs::path& path : {device, pipe}) {
    const std::string expected = path.string() + ": is not a regular file";
    EXPECT_EQ(test::file_error([&] { write_atomically(path, "new"); }), expected);
    EXPECT_EQ(test::file_error([&] { (void)read_file(path); }), expected);
  }
  EXPECT_EQ(test::file_error([&] { write_atomically(directory.path(), "new"); }),
            directory.path().string() + ": is a directory");
  EXPECT_EQ(test::file_error([&] { (void)read_file(directory.path()); }),
            directory.path().string() + ": is a directory");
  EXPECT_EQ(test::file_error([&] { write_atomically("", "new"); }).substr(0, 2), ": ");
  EXPECT_TRUE(fs::is_symlink(device));
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(directory.entries().size(), 2U);
}

// Sparse, so that the disk holds nothing of them.
TEST(AtomicFile, RefusesFilesThatAreTooLarge) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "file";
  test::write_plainly(path, "1234");
  EXPECT_EQ(read_file(path, 4), "1234");
  EXPECT_EQ(test::file_error([&] { (void)read_file(path, 3); }),
            path.string() + ": has 4 bytes, expected at most 3");
  fs::resize_file(path, std::uintmax_t{3} << 30U);
  EXPECT_EQ(test::file_error([&] { (void)read_file(path); }),
            path.string() + ": has 3221225472 bytes, expected at most 1073741824");
}

#if defined(__has_feature)  // clang's word for it
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PILQR_TEST_SANITIZED
#endif
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(PILQR_TEST_SANITIZED)  // they reserve all addresses
TEST(AtomicFile, AFileThatDoesNotFitIntoMemoryIsNamed) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "file";
  test::write_plainly(path, "");
  fs::resize_file(path, std::uintmax_t{900} << 20U);
  std::string message;
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &old), 0);
  const rlimit little{rlim_t{800} << 20U, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &little), 0);
  try {
    (void)read_file(path);
  } catch (const std::exception& error) {
    message = error.what();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &old), 0);
  EXPECT_EQ(message, path.string() + ": its 943718400 bytes do not fit into memory");
}
#endif

// A reader sees one of the versions, whole.
TEST(AtomicFile, ReadersNeverSeeHalfAFile) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "file";
  const auto version = [](int i) { return std::string(100'000, static_cast<char>('a' + i)); };
  write_atomically(path, version(0));
  const auto write_some = [&](int first) {
    for (int i = 0; i < 20; ++i) write_atomically(path, version((first + i) % 20));
  };
  std::thread one(write_some, 1);
  std::thread two(write_some, 7);
  int torn = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string bytes = read_file(path);
    if (bytes != std::string(100'000, bytes.empty() ? '?' : bytes.front())) ++torn;
  }
  one.join();
  two.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(directory.entries(), Names{"file"});
}

}  // namespace
}  // namespace pilqr
