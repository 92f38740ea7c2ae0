#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <sstream>

#include "command/process.hpp"
#include "pilqr/deploy/header_export.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/systems/task.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::contains;
using test::expect_refused;
using test::short_training;

std::vector<std::string> words(const std::string& source, const std::string& to,
                               std::vector<std::string> more = {}) {
  std::vector<std::string> all = {"export", source, "--to", to};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(Export, APolicyOfEveryCondition) {
  Command command;
  ASSERT_EQ(
      command.run(short_training("r", {"--conditions", "0,2", "--iterations", "1"}, "reacher"))
          .status,
      0);
  const auto before = command.contents("r");
  const PolicyFile file = load_policy(command.path("r/policy.safetensors"));
  auto outcome = command.run(words("r", "header"));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "reacher.h: condition 0 of 0,2, 100 steps, 8 states, 2 controls, double\n");
  HeaderOptions options{.name = "reacher",
                        .dt = file.dt,
                        .about =
                            "Task reacher, algorithm pilqr, seed 0, iteration 1, 8 rollouts, "
                            "condition 0."};
  EXPECT_TRUE(command.read("reacher.h") == to_c_header(file.policies[0], options));
  outcome = command.run(
      words("r", "header",
            {"--condition", "2", "--name", "arm", "--float", "--lower=-1,-2", "--upper", "1,2"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  options = {.name = "arm",
             .single = true,
             .lower = Vector<2>(-1.0, -2.0),
             .upper = Vector<2>(1.0, 2.0),
             .dt = file.dt,
             .about = options.about.substr(0, options.about.size() - 2) + "2."};
  EXPECT_TRUE(command.read("arm.h") == to_c_header(file.policies[1], options));
  // The file instead of the folder; a symbolic link is not followed, but replaced.
  std::filesystem::create_symlink("arm.h", command.path("link.h"));
  outcome = command.run(words("r/policy.safetensors", "header", {"--out", "link.h"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(command.read("link.h") == command.read("reacher.h"));

  EXPECT_EQ(command.run(words("r", "safetensors")).status, 0);
  EXPECT_EQ(load_policy(command.path("reacher.safetensors")), file);
  outcome = command.run(words("r", "safetensors", {"--condition", "2", "--out", "2.safetensors"}));
  EXPECT_EQ(outcome.out, "2.safetensors: conditions 2, 100 steps, 8 states, 2 controls\n");
  const PolicyFile second = load_policy(command.path("2.safetensors"));
  EXPECT_EQ(second.conditions, std::vector<int>{2});
  EXPECT_EQ(second.policies.front(), file.policies[1]);
  EXPECT_TRUE(command.contents("r") == before);
}

TEST(Export, ANetwork) {
  Command command;
  RandomStream stream({.seed = 2});
  NetworkPolicy policy(Mlp({3, {4}, 2}, stream, 1.0));
  policy.set_limits(Vector<2>(-1.0, -2.0), Vector<2>(1.0, 2.0));
  const NetworkFile file{.policy = policy, .task = "arm", .algorithm = "mdgps", .dt = 0.1};
  save_network(command.path("net.safetensors"), file);
  const auto outcome = command.run(words("net.safetensors", "header"));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "arm.h: network, 3 inputs, 2 controls, double\n");
  EXPECT_TRUE(command.read("arm.h") ==
              to_c_header(policy, {.name = "arm",
                                   .dt = 0.1,
                                   .about = "Task arm, algorithm mdgps, seed 0, iteration 0, 0 "
                                            "rollouts."}));
  EXPECT_EQ(command.run(words("net.safetensors", "safetensors", {"--out", "b"})).status, 0);
  EXPECT_EQ(load_network(command.path("b")), file);
  expect_refused(command.run(words("net.safetensors", "header", {"--condition", "0"})),
                 {"--condition 0", "network", "task arm is not one"});
  expect_refused(command.run(words("net.safetensors", "safetensors", {"--condition", "0"})),
                 {"--condition 0", "network"});
}

// The reacher's networks see [x; H x + h]: a header with a condition takes the state.
TEST(Export, ANetworkWithItsObservation) {
  Command command;
  ASSERT_EQ(command
                .run(short_training("r",
                                    {"--algorithm", "trpo", "--conditions", "1,0", "--iterations",
                                     "1", "--set", "network.hidden=[8]"},
                                    "reacher"))
                .status,
            0);
  const NetworkFile file = load_network(command.path("r/policy.safetensors"));
  auto outcome = command.run(words("r", "header"));
  EXPECT_EQ(outcome.out,
            "reacher.h: network, 10 inputs (8 states, 2 of the task's observation), 2 controls, "
            "double\n");
  EXPECT_TRUE(contains(command.read("reacher.h"), "#define REACHER_NX 10\n"));
  for (const int condition : {1, 30}) {  // trained, held out
    outcome = command.run(words("r", "header", {"--condition", fmt::format("{}", condition)}));
    EXPECT_EQ(outcome.out, fmt::format("reacher.h: network in condition {}, 8 states, 2 controls, "
                                       "double\n",
                                       condition));
    EXPECT_TRUE(contains(command.read("reacher.h"), "#define REACHER_NX 8\n"));
    EXPECT_TRUE(command.read("reacher.h") ==
                to_c_header(file.policy,
                            {.name = "reacher",
                             .dt = file.dt,
                             .about = fmt::format("Task reacher, algorithm trpo, seed 0, iteration "
                                                  "1, {} rollouts, condition {}.",
                                                  file.samples_total, condition),
                             .observation = find_task("reacher").observation(condition)}));
  }
  for (const char* condition : {"-1", "52"}) {
    expect_refused(command.run(words("r", "header", {std::string("--condition=") + condition})),
                   {"--condition", condition, "0 to 51"});
  }
  NetworkFile other = file;
  other.task = "point_mass";
  save_network(command.path("other.safetensors"), other);
  expect_refused(command.run(words("other.safetensors", "header", {"--condition", "0"})),
                 {"10 inputs", "point_mass has 4 states"});
  outcome = command.run(words("r", "safetensors"));
  EXPECT_EQ(outcome.out,
            "reacher.safetensors: network, 10 inputs (8 states, 2 of the task's observation), 2 "
            "controls\n");
}

/// The lines of docs/deploy.md that call `pilqr export`, as words, without their comments.
std::vector<std::vector<std::string>> documented_exports() {
  std::istringstream text(test::read_plainly(std::filesystem::path(PILQR_GOLDEN_DIR) / ".." / ".." /
                                             "docs" / "deploy.md"));
  std::vector<std::vector<std::string>> all;
  const std::string mark = "    pilqr ";
  for (std::string line; std::getline(text, line);) {
    if (line.rfind(mark, 0) != 0) continue;
    std::istringstream words(line.substr(mark.size(), line.find('#') - mark.size()));
    all.emplace_back();
    for (std::string word; words >> word;) all.back().push_back(word);
  }
  return all;
}

TEST(Export, TheDocumentationsCommandsWork) {
  Command command;
  ASSERT_EQ(command.run(short_training("runs/careful", {"--iterations", "1"})).status, 0);
  ASSERT_EQ(command
                .run(short_training("runs/reacher-pilqr-seed0",
                                    {"--iterations", "1", "--conditions", "0,2"}, "reacher"))
                .status,
            0);
  ASSERT_EQ(command
                .run(short_training("runs/reacher-trpo-seed0",
                                    {"--iterations", "1", "--algorithm", "trpo"}, "reacher"))
                .status,
            0);
  const auto exports = documented_exports();
  EXPECT_GE(exports.size(), 5U);
  for (const std::vector<std::string>& words : exports) {
    const auto outcome = command.run(words);
    EXPECT_EQ(outcome.status, 0) << fmt::format("{}", fmt::join(words, " ")) << outcome.err;
  }
}

TEST(Export, BadInputIsRefusedAndNothingWritten) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "1"})).status, 0);
  const auto before = command.contents();
  const auto refused = [&](const std::vector<std::string>& arguments,
                           const std::vector<std::string>& parts) {
    expect_refused(command.run(arguments), parts);
    EXPECT_TRUE(command.contents() == before) << "something was written";
  };
  refused({"export"}, {"DIR"});
  refused({"export", "r"}, {"--to"});
  refused(words("r", "onnx"), {"--to onnx", "header", "safetensors"});
  refused(words("nothing", "header"), {"nothing"});
  refused(words("r/config.toml", "header"), {"r/config.toml"});
  refused(words("r", "header", {"--condition", "3"}), {"--condition 3", "conditions 0"});
  refused(words("r", "header", {"--condition", "x"}), {"--condition x", "integer"});
  refused(words("r", "header", {"--name", "1st"}), {"\"1st\""});
  refused(words("r", "header", {"--lower", "0"}), {"1 lower", "expected 2"});
  refused(words("r", "header", {"--upper", "1,nan"}), {"--upper 1,nan"});
  refused(words("r", "header", {"--lower", "1,1", "--upper", "0,0"}), {"limits of control 0"});
  refused(words("r", "header", {"--out", ""}), {"--out"});
  refused(words("r", "header", {"--out", "r"}), {"r: is a directory"});
  refused(words("r", "header", {"--out", "no/where.h"}), {"no/where.h"});
  refused(words("r", "safetensors", {"--float"}), {"--float", "header"});
  refused(words("r", "safetensors", {"--out", "r/../r/policy.safetensors"}),
          {"policy.safetensors", "to be exported"});
}

}  // namespace
}  // namespace pilqr
