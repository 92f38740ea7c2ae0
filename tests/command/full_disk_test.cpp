// Runs on a disk that is full: nothing old is lost, and they go on when there is room.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "command/process.hpp"
#include "pilqr/io/policy_file.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::expect_same_run;
using test::Outcome;
using test::short_training;

const std::string state = "r/checkpoint/state.safetensors";
constexpr const char* endless = "100000";

/// No files but those that a run goes on from.
const std::vector<std::string> bare = {"--set", "keep_samples=none"};
/// A run of two iterations to go on with.
void begin(Command& command, std::vector<std::string> words) {
  words.insert(words.end(), {"--iterations", "2"});
  ASSERT_EQ(command.run(short_training("r", words)).status, 0);
}

/// Nothing but the files of a run, all of them whole.
void expect_whole(const Command& command) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : command.contents("r")) {
    if (name != "report.html" && !test::begins(name, "samples")) names.push_back(name);
    EXPECT_FALSE(test::contains(name, ".tmp"));
  }
  EXPECT_EQ(names, (std::vector<std::string>{
                       "best.safetensors", "checkpoint", "checkpoint/previous.safetensors",
                       "checkpoint/state.safetensors", "config.toml", "details.jsonl",
                       "metrics.jsonl", "policy.safetensors"}));
  const std::string metrics = command.read("r/metrics.jsonl");
  EXPECT_TRUE(metrics.empty() || metrics.back() == '\n') << "half a line";
}

/// Goes on without a limit for a little; the end must be that of a run that had room all the time.
/// @param words what the run was begun with. @param details whether those were not cut short.
void expect_resumable(Command& command, std::vector<std::string> words, bool details = true) {
  const int done = load_policy(command.path("r/policy.safetensors")).iteration;
  const std::string total = std::to_string(done + 2);
  const Outcome resumed = command.run({"train", "--resume", "r", "--iterations", total});
  EXPECT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(resumed.err, "");
  words.insert(words.end(), {"--iterations", total});
  ASSERT_EQ(command.run(short_training("whole", words)).status, 0);
  expect_same_run(command, "whole", "r", details);
}

// No file may grow beyond the checkpoint: that is the metrics, after some iterations.
TEST(FullDisk, WhileTheMetricsGrow) {
  Command command;
  begin(command, bare);
  const rlim_t limit = command.read(state).size() + 1000;
  const Outcome outcome =
      command.run({"train", "--resume", "r", "--iterations", endless, "--quiet"}, limit);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err,
            "pilqr: r/details.jsonl: cannot write: File too large; the run goes on without it\n"
            "pilqr: r/metrics.jsonl: cannot write: File too large\n");
  EXPECT_LE(command.read("r/metrics.jsonl").size(), limit);
  EXPECT_EQ(static_cast<int>(command.metrics("r").size()),
            load_policy(command.path("r/policy.safetensors")).iteration);
  expect_whole(command);
  expect_resumable(command, bare, false);
}

TEST(FullDisk, WhileTheCheckpointIsWritten) {
  Command command;
  begin(command, bare);
  const std::string good = command.read(state);
  const Outcome outcome =
      command.run({"train", "--resume", "r", "--iterations", endless}, good.size() - 1);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "pilqr: " + state + ": cannot write: File too large\n");
  EXPECT_TRUE(command.read(state) == good);
  expect_whole(command);
  expect_resumable(command, bare);
}

// Before an update uses them.
TEST(FullDisk, WhileSamplesAreWritten) {
  Command command;
  begin(command, {"--samples", "40"});
  const std::string file = "r/samples/iteration_1.safetensors";
  const rlim_t limit = command.read(file).size() - 1;
  ASSERT_GT(limit, command.read(state).size());
  const auto before = command.read("r/samples/iteration_1.safetensors");
  const Outcome outcome = command.run({"train", "--resume", "r", "--iterations", endless}, limit);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err,
            "pilqr: r/samples/iteration_2.safetensors: cannot write: File too large\n");
  EXPECT_EQ(command.metrics("r").size(), 2U);
  EXPECT_TRUE(command.read("r/samples/iteration_1.safetensors") == before);
  expect_whole(command);
  expect_resumable(command, {"--samples", "40"});
}

TEST(FullDisk, BeforeTheRunBegins) {
  Command command;
  const Outcome outcome = command.run(short_training("r"), 1000);
  test::expect_refused(outcome, {"r/config.toml: cannot write: File too large"});
  EXPECT_TRUE(command.contents().empty());
}

// A real disk without room, where the user may make one.
TEST(FullDisk, OfAFileSystem) {
  Command command;
  std::filesystem::create_directory(command.path("r"));
  if (::mount("none", command.path("r").c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "only root may mount";
  }
  const Outcome outcome = command.run(short_training("r", {"--iterations", endless}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(test::contains(outcome.err, "No space left on device"));
  EXPECT_GE(command.metrics("r").size(), 1U);
  expect_whole(command);
  const std::string room = "size=100m";
  EXPECT_EQ(::mount("none", command.path("r").c_str(), "tmpfs", MS_REMOUNT, room.c_str()), 0);
  expect_resumable(command, {}, false);
  EXPECT_EQ(::umount(command.path("r").c_str()), 0);
}

}  // namespace
}  // namespace pilqr
