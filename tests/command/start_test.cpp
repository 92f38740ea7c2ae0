// Runs that are killed while their folder is made.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "command/process.hpp"
#include "run_folder.hpp"

namespace {
int steps_left = -1;  ///< until the process ends itself; negative: never
constexpr int killed = 77;

void step() {
  if (steps_left == 0) ::_exit(killed);
  if (steps_left > 0) --steps_left;
}
}  // namespace

/// These take the places of the C library's in this program: each change of the directory is a
/// step.
extern "C" int rename(const char* from, const char* to) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}
extern "C" int mkdir(const char* path, mode_t mode) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
extern "C" int remove(const char* path) noexcept {
  step();
  const auto result = ::syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  return static_cast<int>(result == 0 || errno != EISDIR
                              ? result
                              : ::syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

namespace pilqr::command {
namespace {

using test::Command;
using test::expect_same_run;
using test::short_training;

struct Start {
  RunSettings run = resolve({.task = "point_mass"});
  Learner learner = make_learner(run.settings, find_task("point_mass"));

  void make(const std::filesystem::path& path) const {
    (void)create_run(path, run, learner, Sync::now);
  }
};

TEST(Start, KilledAtAnyStepCanBeDoneAgain) {
  const Start start;
  Command command;
  start.make(command.path("whole"));
  const auto whole = command.contents("whole");
  int steps = 0;
  for (bool done = false; !done; ++steps) {
    SCOPED_TRACE(steps);
    const std::string name = "r" + std::to_string(steps);
    // Twice: the second one is killed while it clears or makes what the first one left.
    for (const int second : {-1, steps / 2}) {
      const pid_t child = ::fork();
      if (child == 0) {
        steps_left = second < 0 ? steps : second;
        start.make(command.path(name));
        ::_exit(0);
      }
      const int status = command.wait(child).status;
      done = second < 0 && status == 0;
      if (done) break;
      ASSERT_EQ(status, killed);
    }
    if (!done) start.make(command.path(name));
    EXPECT_EQ(command.contents(name), whole);
  }
  EXPECT_GE(steps, 9) << "two folders, a mark that comes and goes, four files";
}

// An unfinished start, as a kill leaves it.
void leave_unfinished(const Command& command, int steps) {
  const pid_t child = ::fork();
  if (child == 0) {
    steps_left = steps;
    Start().make(command.path("r"));
    ::_exit(0);
  }
  ASSERT_EQ(command.wait(child).status, killed);
}

TEST(Start, TheCommandBeginsAgainWhereItWasKilled) {
  Command command;
  ASSERT_EQ(command.run(short_training("whole")).status, 0);
  leave_unfinished(command, 5);
  const auto before = command.contents("r");
  ASSERT_GE(before.size(), 3U);
  test::expect_refused(command.run({"train", "--resume", "r"}),
                       {"r: was left before the run began: start it again with --out"});
  EXPECT_EQ(command.contents("r"), before);
  ASSERT_EQ(command.run(short_training("r")).status, 0);
  expect_same_run(command, "whole", "r");
}

TEST(Start, WhatIsNotOursStays) {
  Command command;
  leave_unfinished(command, 5);
  command.write("r/notes.txt", "mine");
  const auto with_notes = command.contents("r");
  test::expect_refused(command.run(short_training("r")), {"r: exists and is not empty"});
  EXPECT_EQ(command.contents("r"), with_notes);
  std::filesystem::remove(command.path("r/notes.txt"));

  command.write("r/metrics.jsonl", "{}\n");
  test::expect_refused(command.run(short_training("r")), {"r: exists and is not empty"});
  command.write("r/metrics.jsonl", "");

  // Without the mark the same files may be anybody's.
  std::filesystem::remove(command.path("r/.pilqr-start"));
  test::expect_refused(command.run(short_training("r")), {"r: exists and is not empty"});
}

// Killed when everything is there but the mark is not gone.
TEST(Start, AWholeRunGoesOnAndLosesTheMark) {
  Command command;
  ASSERT_EQ(command.run(short_training("whole", {"--iterations", "3"})).status, 0);
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "2"})).status, 0);
  command.write("r/.pilqr-start", "");
  test::expect_refused(command.run(short_training("r")), {"r: exists and is not empty"});
  ASSERT_EQ(command.run({"train", "--resume", "r", "--iterations", "3"}).status, 0);
  expect_same_run(command, "whole", "r");
  EXPECT_FALSE(std::filesystem::exists(command.path("r/.pilqr-start")));
}

}  // namespace
}  // namespace pilqr::command
