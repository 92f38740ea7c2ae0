// Runs that are killed and checkpoints that are damaged: nothing is lost but the last iteration.
#include <gtest/gtest.h>

#include "command/process.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/io/policy_file.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::expect_same_run;
using test::Outcome;
using test::short_training;

const std::string state = "r/checkpoint/state.safetensors";
const std::string previous = "r/checkpoint/previous.safetensors";

// A run of point_mass this small spends most of its time in writing and syncing its files: that is
// where most of the kills fall.
TEST(Killed, AtAnyMomentEndsInTheSameRun) {
  RandomStream random({.seed = 21});
  const std::vector<std::vector<std::string>> algorithms = {
      {"--algorithm", "pilqr"},
      {"--algorithm", "pilqr", "--set", "fit.prior=gmm", "--set", "gmm.max_clusters=3"},
      {"--algorithm", "lqr_flm"},
      {"--algorithm", "pi2"},
      {"--algorithm", "mdgps_lqr_flm", "--set", "network.steps=20"}};
  for (auto words : algorithms) {
    SCOPED_TRACE(words.back());
    Command command;
    words.insert(words.end(), {"--iterations", "100000"});
    pid_t child = command.start(short_training("r", words));
    command.wait_for_lines("r", 1);
    constexpr int kills = 6;
    for (int i = 0; i < kills; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(static_cast<int>(random() % 60'000)));
      ASSERT_EQ(::kill(child, SIGKILL), 0);
      (void)command.wait(child);
      child = command.start({"train", "--resume", "r", "--iterations", "100000"});
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    (void)command.wait(child);

    const std::string total = std::to_string(test::saved_iterations(command, "r") + 3);
    const Outcome resumed = command.run({"train", "--resume", "r", "--iterations", total});
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    words.back() = total;
    ASSERT_EQ(command.run(short_training("whole", words)).status, 0);
    expect_same_run(command, "whole", "r");
  }
}

class Damage : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(command.run(short_training("r", {"--iterations", "4"})).status, 0);
    good = command.read(state);
    ASSERT_EQ(command.run(short_training("whole", {"--iterations", "6"})).status, 0);
  }

  /// Resumes, which must say what it passed over, and must end as if nothing had been.
  void expect_saved_by_the_previous(const std::string& why) {
    const Outcome outcome = command.run({"train", "--resume", "r", "--iterations", "6"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(test::begins(outcome.err, "pilqr: " + state + ": " + why)) << outcome.err;
    EXPECT_TRUE(
        test::contains(outcome.err, "; going on from " + previous + ", after iteration 3\n"))
        << outcome.err;
    expect_same_run(command, "whole", "r");
  }

  Command command;
  std::string good;
};

TEST_F(Damage, Truncated) {
  command.write(state, good.substr(0, good.size() / 2));
  expect_saved_by_the_previous("is damaged: its checksum");
}

TEST_F(Damage, Empty) {
  command.write(state, "");
  expect_saved_by_the_previous("is 0 bytes long");
}

TEST_F(Damage, Missing) {
  std::filesystem::remove(command.path(state));
  expect_saved_by_the_previous("cannot open");
}

TEST_F(Damage, OneBitOfAValue) {
  std::string bad = good;
  bad[bad.size() - 5] = static_cast<char>(bad[bad.size() - 5] ^ 0x10);
  command.write(state, bad);
  expect_saved_by_the_previous("is damaged: its checksum");
}

TEST_F(Damage, OneDigitOfTheProgress) {
  std::string bad = good;
  const std::string key = "\"iterations\":\"";
  bad[bad.find(key) + key.size()] = '3';  // a run of 3 iterations, had it not been 4
  ASSERT_NE(bad, good);
  command.write(state, bad);
  expect_saved_by_the_previous("is damaged: its checksum");
}

// The one before stays good, also if the resumed run cannot write its first checkpoint.
TEST_F(Damage, IsMendedBeforeTheRunGoesOn) {
  command.write(state, good.substr(0, good.size() / 2));
  const Outcome outcome =
      command.run({"train", "--resume", "r", "--iterations", "6"}, good.size() - 100);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  const Outcome again = command.run({"train", "--resume", "r", "--iterations", "6"});
  EXPECT_EQ(again.status, 0) << again.err;
  expect_same_run(command, "whole", "r");
}

TEST_F(Damage, OfBothIsRefusedAndChangesNothing) {
  command.write(state, good.substr(0, 100));
  for (const bool there : {true, false}) {
    if (there) {
      command.write(previous, "");
    } else {
      std::filesystem::remove(command.path(previous));
    }
    const auto before = command.contents();
    test::expect_refused(command.run({"train", "--resume", "r", "--iterations", "6"}),
                         {state + ": ", "; nor is there another: " + previous + ": ",
                          there ? "is 0 bytes long" : "cannot open"});
    EXPECT_TRUE(command.contents() == before);
  }
}

// A checkpoint that is whole but of other settings is no damage.
TEST_F(Damage, AnotherRunsCheckpointIsRefused) {
  ASSERT_EQ(command.run(short_training("other", {"--seed", "5"})).status, 0);
  command.write(state, command.read("other/checkpoint/state.safetensors"));
  test::expect_refused(command.run({"train", "--resume", "r", "--iterations", "6"}), {"\"seed\""});
}

}  // namespace
}  // namespace pilqr
