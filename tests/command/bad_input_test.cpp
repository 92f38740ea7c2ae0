#include <gtest/gtest.h>

#include "command/process.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/io/safetensors.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::short_training;

struct Case {
  std::vector<std::string> arguments;
  std::vector<std::string> parts;  ///< of the message
};

void expect_all_refused(Command& command, const std::vector<Case>& cases) {
  const auto before = command.contents();
  for (const Case& c : cases) {
    std::string words;
    for (const std::string& word : c.arguments) words += word + ' ';
    SCOPED_TRACE(words);
    test::expect_refused(command.run(c.arguments), c.parts);
    EXPECT_TRUE(command.contents() == before) << "something was written";
  }
}

TEST(BadInput, Usage) {
  Command command;
  expect_all_refused(command,
                     {
                         {{}, {"train", "compare"}},
                         {{"fly"}, {"fly"}},
                         {{"train"}, {"TASK"}},
                         {{"compare"}, {"TASK"}},
                         {{"evaluate"}, {"DIR"}},
                         {{"tasks", "point_mass"}, {"point_mass"}},
                         {{"train", "point_mass", "reacher"}, {"reacher"}},
                         {{"train", "point_mass", "--fast"}, {"--fast"}},
                         {{"train", "point_mass", "--seed"}, {"--seed"}},
                         {{"train", "point_mass", "--seed", "1", "--seed", "2"}, {"--seed"}},
                         {{"compare", "point_mass", "--algorithm", "pi2"}, {"--algorithm"}},
                     });
}

TEST(BadInput, ValuesOfFlags) {
  Command command;
  const std::string p = "point_mass";
  expect_all_refused(
      command, {
                   {{"train", "juggling"}, {"'juggling'", "point_mass", "reacher"}},
                   {{"compare", "juggling"}, {"'juggling'"}},
                   {{"train", p, "--algorithm", "sarsa"}, {"--algorithm sarsa", "\"pilqr\""}},
                   {{"train", p, "--seed", "-1"}, {"--seed -1"}},
                   {{"train", p, "--seed", "1.5"}, {"--seed 1.5", "integer"}},
                   {{"train", p, "--samples", "0"}, {"--samples 0"}},
                   {{"train", p, "--samples", "many"}, {"--samples many", "integer"}},
                   {{"train", p, "--samples", "99999999999999999999"}, {"--samples 999"}},
                   {{"train", p, "--iterations", "0"}, {"--iterations 0"}},
                   {{"train", p, "--conditions", "1"}, {"--conditions 1"}},
                   {{"train", p, "--conditions", "0,0"}, {"--conditions 0,0"}},
                   {{"train", p, "--conditions", "zero"}, {"--conditions zero"}},
                   {{"train", p, "--conditions", ""}, {"--conditions"}},
                   {{"train", "reacher", "--conditions", "0,1,"},
                    {"--conditions 0,1,: expected integers between commas"}},
                   {{"train", "reacher", "--conditions", ",0"}, {"--conditions ,0"}},
                   {{"train", "reacher", "--conditions", "0,,1"}, {"--conditions 0,,1"}},
                   {{"train", "reacher", "--conditions", "0, 1"}, {"--conditions 0, 1"}},
                   {{"train", p, "--seed", "9223372036854775808"},
                    {"--seed 9223372036854775808", "0 to 9223372036854775807"}},
                   {{"train", p, "--seed", "-1"}, {"--seed -1", "0 to 9223372036854775807"}},
                   {{"train", p, "--threads", "0"}, {"--threads 0"}},
                   {{"train", p, "--threads", "two"}, {"--threads two"}},
                   {{"train", p, "--threads", "1000000"}, {"--threads 1000000"}},
                   {{"compare", p, "--seeds", "0"}, {"--seeds 0"}},
                   {{"compare", p, "--seeds", "x"}, {"--seeds x"}},
                   {{"compare", p, "--algorithms", "pilqr,sarsa"}, {"--algorithms sarsa"}},
                   {{"compare", p, "--algorithms", "pi2,pi2"}, {"--algorithms", "pi2", "twice"}},
                   {{"compare", p, "--algorithms", "pi2,"}, {"--algorithms"}},
                   {{"compare", p, "--seed", "9223372036854775807"},
                    {"seed 9223372036854775807: expected 0 to 9223372036854775803 for 5 seeds"}},
                   {{"evaluate", "r", "--rollouts", "0"}, {"--rollouts 0"}},
                   {{"evaluate", "r", "--rollouts", "2.5"}, {"--rollouts 2.5"}},
                   {{"evaluate", "r", "--seed", "x"}, {"--seed x"}},
                   {{"evaluate", "r", "--seed", "18446744073709551616"},
                    {"--seed 18446744073709551616", "0 to 18446744073709551615"}},
               });
}

TEST(BadInput, Settings) {
  Command command;
  command.write("unknown.toml", "samples = 3\n[pi2]\ntypo = 1\n");
  command.write("type.toml", "[noise]\nwidth = \"2\"\n");
  command.write("range.toml", "[temperature]\nkl_step = -1.0\n");
  command.write("syntax.toml", "samples = \n\n");
  command.write("task.toml", "task = \"reacher\"\n");
  command.write("pi2.toml", "algorithm = \"pi2\"\n[fit]\nridge = 1.0\n");
  std::filesystem::create_directory(command.path("folder"));
  const auto train = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "point_mass"});
    return more;
  };
  expect_all_refused(
      command, {
                   {train({"--set", "samples"}), {"--set samples", "key=value"}},
                   {train({"--set", "sample=3"}), {"--set sample=3", "unknown"}},
                   {train({"--set", "samples=2.5"}), {"--set samples=2.5", "integer"}},
                   {train({"--set", "noise.width=-1"}), {"--set noise.width=-1"}},
                   {train({"--set", "samples=3\x1b[31m\nred"}), {"\\x1b", "\\x0a"}},
                   {train({"--config", "unknown.toml"}), {"unknown.toml", "pi2.typo"}},
                   {train({"--config", "type.toml"}), {"type.toml", "noise.width", "number"}},
                   {train({"--config", "range.toml"}), {"range.toml", "temperature.kl_step", "-1"}},
                   {train({"--config", "syntax.toml"}), {"syntax.toml", "line 1"}},
                   {train({"--config", "task.toml"}), {"task.toml", "reacher", "point_mass"}},
                   {train({"--config", "nowhere.toml"}), {"nowhere.toml"}},
                   {train({"--config", "folder"}), {"folder", "directory"}},
                   {train({"--config", "pi2.toml"}), {"pi2.toml: fit.ridge: not used by pi2"}},
                   {train({"--algorithm", "lqr_flm", "--set", "pi2.centered=true"}),
                    {"--set pi2.centered=true: not used by lqr_flm"}},
                   {{"compare", "point_mass", "--config", "range.toml"}, {"range.toml"}},
                   {{"compare", "point_mass", "--config", "pi2.toml", "--algorithms", "pi2"},
                    {"pi2.toml: fit.ridge: not used by pi2"}},
               });
}

TEST(BadInput, FoldersThatAreTaken) {
  Command command;
  std::filesystem::create_directory(command.path("taken"));
  std::filesystem::create_directory(command.path("empty"));
  command.write("taken/notes.txt", "mine");
  command.write("file", "mine");
  expect_all_refused(command, {
                                  {short_training("taken"), {"taken", "not empty"}},
                                  {short_training("file"), {"file", "not a folder"}},
                                  {short_training("file/run"), {"file/run"}},
                                  {{"compare", "point_mass", "--out", "taken"}, {"taken"}},
                                  {{"compare", "point_mass", "--out", "file"}, {"file"}},
                                  {{"train", "point_mass", "--out", ""}, {"--out is empty"}},
                                  {{"compare", "point_mass", "--out", ""}, {"--out is empty"}},
                                  {{"train", "--resume", ""}, {"--resume is empty"}},
                              });
  EXPECT_EQ(command.run(short_training("empty")).status, 0) << "an empty folder is free";
  test::expect_refused(command.run(short_training("empty")), {"empty", "not empty"});
}

TEST(BadInput, EvaluateChecksTheRun) {
  Command command;
  ASSERT_EQ(command.run(short_training("r")).status, 0);
  const std::string policy = command.read("r/policy.safetensors");
  const std::string config = command.read("r/config.toml");
  const std::vector<std::string> evaluate = {"evaluate", "r"};
  const auto expect_refusal = [&](const std::vector<std::string>& parts) {
    expect_all_refused(command, {{evaluate, parts}});
    command.write("r/policy.safetensors", policy);
    command.write("r/config.toml", config);
  };

  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, policy.size() - 1}) {
    command.write("r/policy.safetensors", policy.substr(0, length));
    expect_refusal({"r/policy.safetensors"});
  }
  command.write("r/policy.safetensors", policy + "x");
  expect_refusal({"r/policy.safetensors"});

  SafeTensors bad = load_safetensors(command.path("r/policy.safetensors"));
  std::get<std::vector<double>>(bad.tensors.at("condition_0/k").values)[4] =
      std::numeric_limits<double>::quiet_NaN();
  save_safetensors(command.path("r/policy.safetensors"), bad);
  expect_refusal({"r/policy.safetensors", "NaN"});

  // A policy that is good in itself, of another run.
  const PolicyFile good = load_policy(command.path("r/policy.safetensors"));
  const auto with = [&](auto&& change) {
    PolicyFile other = good;
    change(other);
    save_policy(command.path("r/policy.safetensors"), other);
  };
  with([](PolicyFile& f) { f.task = "reacher"; });
  expect_refusal({"r/policy.safetensors", "task"});
  with([](PolicyFile& f) { f.algorithm = "pi2"; });
  expect_refusal({"r/policy.safetensors", "algorithm"});
  with([](PolicyFile& f) { f.seed = 5; });
  expect_refusal({"r/policy.safetensors", "seed"});
  with([](PolicyFile& f) { f.conditions = {1}; });
  expect_refusal({"r/policy.safetensors", "conditions"});
  with([](PolicyFile& f) {
    f.policies[0] = LinearGaussianPolicy<>(3, 4, 2);
    f.policies[0].K.set_zero();
    f.policies[0].k.set_zero();
    for (int t = 0; t < 3; ++t) f.policies[0].L[t].setIdentity();
  });
  expect_refusal({"r/policy.safetensors", "3 steps", "100"});

  command.write("r/config.toml", config + "[nois]\n");
  expect_refusal({"r/config.toml", "nois"});
  std::filesystem::remove(command.path("r/policy.safetensors"));
  expect_refusal({"r/policy.safetensors"});
  std::filesystem::remove(command.path("r/config.toml"));
  expect_refusal({"r/config.toml"});
  expect_all_refused(command, {{{"evaluate", "nowhere"}, {"nowhere"}}});
  EXPECT_EQ(command.run(evaluate).status, 0) << "the files are back";
}

// Sparse files: nobody's disk or memory holds them.
TEST(BadInput, FilesThatAreTooLarge) {
  Command command;
  ASSERT_EQ(command.run(short_training("r")).status, 0);
  const std::vector<std::string> evaluate = {"evaluate", "r"};
  const std::vector<std::string> resume = {"train", "--resume", "r", "--iterations", "5"};
  const auto expect_refusal = [&](const std::string& name, const std::vector<std::string>& words,
                                  std::uintmax_t size, const std::string& limit) {
    const std::string bytes = command.read(name);
    std::filesystem::resize_file(command.path(name), size);
    test::expect_refused(command.run(words),
                         {name, fmt::format("has {} bytes, expected at most {}", size, limit)});
    command.write(name, bytes);
  };
  constexpr std::uintmax_t large = std::uintmax_t{3} << 30U;
  expect_refusal("r/policy.safetensors", evaluate, large, "1073741824");
  expect_refusal("r/config.toml", evaluate, 2'000'000, "1048576");
  expect_refusal("r/metrics.jsonl", resume, large, "1073741824");
  std::filesystem::remove(command.path("r/checkpoint/previous.safetensors"));
  expect_refusal("r/checkpoint/state.safetensors", resume, large, "1073741824");
  EXPECT_EQ(command.run(evaluate).status, 0) << "the files are back";
}

// Finite entries, but the state overflows: a failure of the run, not bad input.
TEST(BadInput, EvaluationThatFails) {
  Command command;
  ASSERT_EQ(command.run(short_training("r")).status, 0);
  PolicyFile file = load_policy(command.path("r/policy.safetensors"));
  file.policies[0].k.flat().setConstant(std::numeric_limits<double>::max());
  file.policies[0].K.flat().setConstant(std::numeric_limits<double>::max());
  save_policy(command.path("r/policy.safetensors"), file);
  const test::Outcome outcome = command.run({"evaluate", "r"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(test::begins(outcome.err, "pilqr: evaluation failed: non_finite_control"));
}

}  // namespace
}  // namespace pilqr
