// samples/: every rollout that was paid for is on disk before an update uses it.
#include <gtest/gtest.h>

#include <numeric>

#include "command/in_process.hpp"
#include "train/faulty.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::Faulty;
using test::InProcess;
using test::short_training;

const std::vector<double>& numbers(const SafeTensors& file, const char* name) {
  return std::get<std::vector<double>>(file.tensors.at(name).values);
}
const std::vector<std::int64_t>& integers(const SafeTensors& file, const char* name) {
  return std::get<std::vector<std::int64_t>>(file.tensors.at(name).values);
}
std::vector<std::string> files_of(const Command& command, const std::string& run) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : command.contents(run + "/samples")) names.push_back(name);
  return names;
}

// The controls are those of the policy at these states with this noise, and the costs those of the
// task: what is in the file is what the update had, to the last bit.
TEST(Samples, AreAllThatTheUpdatesUsed) {
  Command command;
  ASSERT_EQ(command
                .run(short_training(
                    "r", {"--conditions", "3,1", "--iterations", "3", "--set", "keep_samples=all"},
                    "reacher"))
                .status,
            0);
  const Task& task = find_task("reacher");
  const auto lines = command.metrics("r");
  EXPECT_EQ(files_of(command, "r").size(), 3U);
  for (std::size_t iteration = 0; iteration < 3; ++iteration) {
    const SafeTensors file = load_safetensors(
        command.path(fmt::format("r/samples/iteration_{}.safetensors", iteration)));
    EXPECT_EQ(file.metadata.at("format"), "pilqr.samples");
    EXPECT_EQ(file.metadata.at("task"), "reacher");
    EXPECT_EQ(file.metadata.at("algorithm"), "pilqr");
    EXPECT_EQ(file.metadata.at("iteration"), std::to_string(iteration));
    EXPECT_EQ(integers(file, "condition"), (std::vector<std::int64_t>{3, 3, 3, 3, 1, 1, 1, 1}));
    EXPECT_EQ(integers(file, "sample"), (std::vector<std::int64_t>{0, 1, 2, 3, 0, 1, 2, 3}));
    EXPECT_EQ(integers(file, "attempt"), std::vector<std::int64_t>(8, 1));
    const std::int64_t T = task.steps;
    EXPECT_EQ(file.tensors.at("x").shape, (std::vector<std::int64_t>{8, T, task.nx}));
    EXPECT_EQ(file.tensors.at("u").shape, (std::vector<std::int64_t>{8, T, task.nu}));
    EXPECT_EQ(file.tensors.at("xi").shape, (std::vector<std::int64_t>{8, T, task.nu}));
    EXPECT_EQ(file.tensors.at("cost").shape, (std::vector<std::int64_t>{8, T}));
    for (int row = 0; row < 8; ++row) {
      const int condition = row < 4 ? 3 : 1;
      const auto policy = task.initial_policy(condition);
      const AnyCost cost = task.cost(condition);
      for (int t = 0; t < task.steps; ++t) {
        const auto part = [&](const char* name, int size) {
          return VectorX(Eigen::Map<const VectorX>(
              numbers(file, name).data() + (std::ptrdiff_t{row} * task.steps + t) * size, size));
        };
        const VectorX x = part("x", task.nx);
        const VectorX u = part("u", task.nu);
        ASSERT_EQ(cost(t, x, u), part("cost", 1)(0));
        if (iteration > 0) continue;
        VectorX expected(task.nu);
        policy.act(t, x, part("xi", task.nu), expected);
        ASSERT_EQ(u, expected);
      }
    }
    for (const std::size_t m : {0U, 1U}) {
      const auto first = numbers(file, "cost").begin() + static_cast<std::ptrdiff_t>(m) * 4 * T;
      const double mean = std::accumulate(first, first + 4 * T, 0.0) / 4;
      EXPECT_NEAR(lines[2 * iteration + m]["cost_mean"].get<double>(), mean, 1e-9 * mean);
    }
  }
}

// What stays is asked for by a setting, and makes no difference to what is learnt.
TEST(Samples, OfTheLastTwoIterationsStay) {
  Command command;
  ASSERT_EQ(command.run(short_training("last")).status, 0);
  ASSERT_EQ(command.run(short_training("none", {"--set", "keep_samples=none"})).status, 0);
  EXPECT_EQ(files_of(command, "last"),
            (std::vector<std::string>{"iteration_2.safetensors", "iteration_3.safetensors"}));
  EXPECT_FALSE(std::filesystem::exists(command.path("none/samples")));
  EXPECT_TRUE(command.read("last/policy.safetensors") == command.read("none/policy.safetensors"));
  // A run that goes on leaves alone what it finds, but for the file that is its to remove.
  ASSERT_EQ(command.run({"train", "--resume", "last", "--iterations", "5"}).status, 0);
  EXPECT_EQ(files_of(command, "last"),
            (std::vector<std::string>{"iteration_3.safetensors", "iteration_4.safetensors"}));
}

class SamplesOf : public ::testing::TestWithParam<Algorithm> {};

TEST_P(SamplesOf, EveryLearnerAreKept) {
  const test::TemporaryDirectory folder;
  InProcess training(folder / "r", "point_mass",
                     {std::string("algorithm=") + name(GetParam()), "samples=3", "iterations=2"});
  ASSERT_TRUE(training.train().failure.ok());
  const SafeTensors file = load_safetensors(folder / "r/samples/iteration_1.safetensors");
  EXPECT_EQ(integers(file, "attempt"), std::vector<std::int64_t>(3, 1));
  EXPECT_EQ(file.metadata.at("algorithm"), name(GetParam()));
  const auto& cost = numbers(file, "cost");
  EXPECT_NEAR(std::accumulate(cost.begin(), cost.end(), 0.0) / 3,
              training.rows[1].record.report.cost_mean, 1e-9 * std::abs(cost[0]));
}

INSTANTIATE_TEST_SUITE_P(All, SamplesOf,
                         ::testing::Values(Algorithm::lqr_flm, Algorithm::mdgps_pi2,
                                           Algorithm::trpo, Algorithm::ddpg),
                         [](const auto& of) { return std::string(name(of.param)); });

// Too few good ones end the training; these were paid for all the same.
TEST(Samples, OfAnIterationThatEndsTheTrainingAreKept) {
  const test::TemporaryDirectory folder;
  InProcess training(folder / "r", "reacher",
                     {"samples=20", "faults.least_share=1", "faults.retries=1"});
  const auto outcome = training.train_on(Faulty(find_task("reacher"), 0.6));
  ASSERT_FALSE(outcome.failure.ok());
  const SafeTensors file = load_safetensors(folder / "r/samples/iteration_0.safetensors");
  const std::vector<std::int64_t> attempts = integers(file, "attempt");
  std::vector<std::int64_t> expected(20, 1);
  for (const Failure& fault : training.rows.at(0).record.faults) {
    expected.at(static_cast<std::size_t>(fault.sample)) = fault.attempt == 0 ? 2 : 0;
  }
  EXPECT_EQ(attempts, expected);
  for (const int kind : {0, 1, 2}) EXPECT_GT(std::count(attempts.begin(), attempts.end(), kind), 0);
  for (std::size_t i = 0; i < 20; ++i) {
    const auto T = static_cast<std::size_t>(find_task("reacher").steps);
    EXPECT_EQ(numbers(file, "cost")[i * T] != 0.0, attempts[i] != 0);
  }
}

TEST(Samples, ThatCannotBeWrittenEndTheRun) {
  const test::TemporaryDirectory folder;
  InProcess training(folder / "r", "point_mass", {"samples=3"});
  test::write_plainly(folder / "r/samples", "a file in its place");
  EXPECT_TRUE(test::begins(test::file_error([&] { (void)training.train(); }),
                           (folder / "r/samples").string() + ": cannot create the folder: "));
  EXPECT_TRUE(training.rows.empty()) << "before the update";
}

/// The point mass, of which one rollout does not return from its fourth step.
class Hanging {
 public:
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  explicit Hanging(int rollout) : inner_(find_task("point_mass").system()), left_(rollout) {}
  void reset(int condition, RandomStream& stream, VectorX& x) {
    inner_.reset(condition, stream, x);
    --left_;
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) {
    while (left_ == 0 && t == 3) ::pause();
    inner_.step(t, x, u, stream, next);
  }

 private:
  AnySystem inner_;
  int left_;
};

// It cannot be ended, but is told of; then the operator ends the run, which loses nothing.
TEST(Hang, IsToldOfAndASecondSignalLeavesARunThatGoesOn) {
  Command command;
  const pid_t child = test::start_child(command.path("err"), [&] {
    std::filesystem::current_path(command.path(""));
    InProcess training("r", "point_mass", {"samples=4", "iterations=3", "faults.tell_after=0.2"});
    (void)training.train_on(Hanging(4 + 3));
  });
  const auto said = [&] { return command.read("err"); };
  const auto lines = [&](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  for (int i = 0; i < 3000 && lines(said()) < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const std::string words = said();
  EXPECT_TRUE(test::begins(words, "pilqr: rollout of condition 0, sample 2 has taken ")) << words;
  EXPECT_TRUE(test::contains(words, " s (iteration 2); Ctrl-C or SIGTERM twice ends the run"));
  EXPECT_GE(lines(words), 2) << "again, after twice the time";
  // What was made before it is on disk.
  const auto path = command.path("r/samples/iteration_1.safetensors");
  EXPECT_EQ(integers(load_safetensors(path), "attempt"), (std::vector<std::int64_t>{1, 1, 0, 0}));
  const std::string kept = command.read("r/samples/iteration_1.safetensors");

  ASSERT_EQ(::kill(child, SIGTERM), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WNOHANG), 0) << "the first one waits for the iteration";
  ASSERT_EQ(::kill(child, SIGTERM), 0);
  EXPECT_EQ(command.wait(child).status, 143);

  const auto resumed = command.run({"train", "--resume", "r"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  ASSERT_EQ(
      command.run(short_training("whole", {"--iterations", "3", "--set", "faults.tell_after=0.2"}))
          .status,
      0);
  test::expect_same_run(command, "whole", "r");
  EXPECT_EQ(files_of(command, "r"),
            (std::vector<std::string>{"abandoned_1_iteration_1.safetensors",
                                      "iteration_1.safetensors", "iteration_2.safetensors"}));
  EXPECT_TRUE(command.read("r/samples/abandoned_1_iteration_1.safetensors") == kept);
  // The point mass has no randomness but its noise: the trials are the same again.
  const auto& again = numbers(load_safetensors(path), "x");
  const auto& first =
      numbers(load_safetensors(command.path("r/samples/abandoned_1_iteration_1.safetensors")), "x");
  EXPECT_TRUE(std::equal(
      again.begin(), again.begin() + static_cast<std::ptrdiff_t>(again.size() / 2), first.begin()));
}

}  // namespace
}  // namespace pilqr
