// Runs that are killed and checkpoints that are damaged: nothing is lost but the last iteration.
#include <gtest/gtest.h>

#include "command/process.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/io/atomic_file.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::expect_same_run;
using test::Outcome;
using test::short_training;

const std::string state = "r/checkpoint/state.safetensors";
const std::string previous = "r/checkpoint/previous.safetensors";

/// The words that choose an algorithm, in a run whose iterations are short.
class Killed : public ::testing::TestWithParam<std::vector<std::string>> {
 protected:
  /// Goes on with the run.
  void resume() { child = command.start({"train", "--resume", "r", "--iterations", "100000"}); }
  void kill() {
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(command.wait(child).status, 128 + SIGKILL);
  }
  [[nodiscard]] bool writes_a_checkpoint() const {
    for (const auto& entry : std::filesystem::directory_iterator(command.path("r/checkpoint"))) {
      if (is_temporary(entry.path().filename().string())) return true;
    }
    return false;
  }
  /// Whether it holds still now while it writes a checkpoint.
  [[nodiscard]] bool stop_inside_a_checkpoint() const {
    constexpr int most_looks = 1'000'000;
    for (int i = 0; i < most_looks; ++i) {
      if (!writes_a_checkpoint()) continue;
      int status = 0;
      if (::kill(child, SIGSTOP) != 0 || ::waitpid(child, &status, WUNTRACED) != child)
        return false;
      if (writes_a_checkpoint()) return true;  // it did not end meanwhile
      if (::kill(child, SIGCONT) != 0) return false;
    }
    return false;
  }

  Command command;
  pid_t child = 0;
};

// A run of point_mass this small spends most of its time in writing and syncing its files: that is
// where most of the kills fall, and one of them is inside a checkpoint for certain.
TEST_P(Killed, AtAnyMomentEndsInTheSameRun) {
  auto words = GetParam();
  words.insert(words.end(), {"--iterations", "100000"});
  child = command.start(short_training("r", words));
  command.wait_for_lines("r", 1);
  RandomStream random({.seed = 21});
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(static_cast<int>(random() % 60'000)));
    ASSERT_NO_FATAL_FAILURE(kill());
    resume();
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
  // Once it has gone on, there is nothing temporary of the kills before.
  const std::string metrics = command.read("r/metrics.jsonl");
  command.wait_for_lines("r", std::count(metrics.begin(), metrics.end(), '\n') + 8);
  ASSERT_TRUE(stop_inside_a_checkpoint());
  ASSERT_NO_FATAL_FAILURE(kill());
  EXPECT_TRUE(writes_a_checkpoint()) << "its temporary file is left";
  resume();
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  ASSERT_NO_FATAL_FAILURE(kill());

  const std::string total = std::to_string(test::saved_iterations(command, "r") + 3);
  const Outcome resumed = command.run({"train", "--resume", "r", "--iterations", total});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_FALSE(writes_a_checkpoint()) << "nothing temporary is left";
  words.back() = total;
  ASSERT_EQ(command.run(short_training("whole", words)).status, 0);
  expect_same_run(command, "whole", "r");
}

INSTANTIATE_TEST_SUITE_P(
    Algorithms, Killed,
    ::testing::Values(
        std::vector<std::string>{"--algorithm", "pilqr"},
        std::vector<std::string>{"--algorithm", "pilqr", "--set", "fit.prior=gmm", "--set",
                                 "gmm.max_clusters=3"},
        std::vector<std::string>{"--algorithm", "lqr_flm"},
        std::vector<std::string>{"--algorithm", "pi2"},
        std::vector<std::string>{"--algorithm", "mdgps_pilqr", "--set", "network.steps=20"},
        std::vector<std::string>{"--algorithm", "mdgps_lqr_flm", "--set", "network.steps=20",
                                 "--set", "mdgps.linearize_prior=gmm"},
        std::vector<std::string>{"--algorithm", "mdgps_pi2", "--set", "network.steps=20"},
        std::vector<std::string>{"--algorithm", "trpo", "--set", "network.hidden=[8]"},
        std::vector<std::string>{"--algorithm", "ddpg", "--set", "network.hidden=[8]", "--set",
                                 "ddpg.updates_per_step=0.02", "--set", "ddpg.start_steps=300"}),
    [](const auto& of) {
      return of.param[1] + (of.param.size() > 2 && of.param[3] == "fit.prior=gmm" ? "_gmm" : "");
    });

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
