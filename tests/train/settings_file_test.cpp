#include "settings_file.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <map>
#include <set>
#include <sstream>

#include "io/io_support.hpp"

namespace pilqr::command {
namespace {

/// The settings for reacher with these --set arguments.
RunSettings with(const std::vector<std::string>& sets, const std::string& task = "reacher") {
  SettingsRequest request{.task = task};
  for (const std::string& text : sets) request.assignments.push_back(parse_set(text));
  return resolve(request);
}

/// The settings that a file with this text gives.
RunSettings from_file(const std::string& text, const std::string& task = "reacher") {
  const test::TemporaryDirectory directory;
  test::write_plainly(directory / "s.toml", text);
  return resolve({.task = task, .file = directory / "s.toml"});
}

/// What the message of InvalidArgument says, without the folder of a file.
template <class Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    const std::size_t file = message.find("s.toml");
    return file == std::string::npos ? message : message.substr(file);
  }
  ADD_FAILURE() << "no InvalidArgument";
  return {};
}

/// key = value of TOML text, sections as in "noise.width".
std::map<std::string, std::string> entries(const std::string& toml) {
  std::map<std::string, std::string> out;
  std::istringstream lines(toml);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find(" = ");
    if (!line.empty() && line.front() == '[') section = line.substr(1, line.size() - 2) + '.';
    if (equals != std::string::npos) {
      out[section + line.substr(0, equals)] = line.substr(equals + 3);
    }
  }
  return out;
}

/// Another valid value for each setting.
const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> values = {
      {"task", "\"point_mass\""},
      {"algorithm", "\"lqr_flm\""},
      {"preset", "\"paper\""},
      {"seed", "9223372036854775807"},
      {"samples", "7"},
      {"iterations", "3"},
      {"conditions", "[3, 1]"},
      {"noise.width", "1.25"},
      {"noise.antithetic", "true"},
      {"faults.retries", "3"},
      {"faults.least_share", "0.75"},
      {"faults.time_limit", "2.5"},
      {"stop.failed_updates", "2"},
      {"exploration.floor", "0.125"},
      {"exploration.spent_ratio", "0.25"},
      {"exploration.spent_iterations", "2"},
      {"fit.ridge", "1e-07"},
      {"fit.prior", "\"gmm\""},
      {"neighbours.points_per_input", "3.5"},
      {"gmm.max_clusters", "5"},
      {"gmm.min_points_per_cluster", "11"},
      {"gmm.max_points", "300"},
      {"gmm.strength", "0.1"},
      {"gmm.warm_iterations", "9"},
      {"replay.range", "1e+300"},
      {"kl_step.rule", "\"residual\""},
      {"kl_step.base_first", "0.30000000000000004"},
      {"kl_step.base_last", "0.3"},
      {"kl_step.min_multiplier_first", "0.5"},
      {"kl_step.min_multiplier_last", "0.25"},
      {"kl_step.max_multiplier_first", "5e+22"},
      {"kl_step.max_multiplier_last", "3.0"},
      {"kl_step.ratio_to_increase", "0.06"},
      {"kl_step.ratio_to_decrease", "0.7"},
      {"lqr_flm.constraint", "\"total\""},
      {"lqr_flm.marginals", "\"reference\""},
      {"lqr_flm.min_variance_ratio", "0.0"},
      {"lqr_flm.entropy_weight", "2.0"},
      {"lqr_flm.tolerance", "0.1"},
      {"lqr_flm.min_dual", "5e-324"},
      {"lqr_flm.max_dual", "1e+20"},
      {"lqr_flm.dual_floor", "0.5"},
      {"temperature.kl_step", "0.75"},
      {"temperature.kl_share", "0.625"},
      {"temperature.min_temperature", "0.001"},
      {"temperature.source", "\"residual\""},
      {"pi2.source", "\"residual\""},
      {"pi2.controls", "\"replayed\""},
      {"pi2.covariance_damping", "0.0"},
      {"pi2.centered", "false"},
      {"pi2.shrinkage", "4.0"},
      {"pi2.min_variance_ratio", "0.5"},
      {"mdgps.sample_with", "\"local_policy\""},
      {"mdgps.linearize_prior", "\"gmm\""},
      {"mdgps.linearize_ridge", "0.5"},
      {"mdgps.variance_floor", "0.25"},
      {"network.hidden", "[7, 5]"},
      {"network.activation", "\"relu\""},
      {"network.steps", "17"},
      {"network.batch", "3"},
      {"network.learning_rate", "0.25"},
      {"network.last_rate", "0.5"},
      {"network.weight_decay", "0.0"},
      {"network.least_scale", "0.125"},
      {"trpo.kl_step", "0.5"},
      {"trpo.discount", "0.5"},
      {"trpo.lambda", "0.25"},
      {"trpo.initial_std", "0.75"},
      {"ddpg.twin", "false"},
      {"ddpg.discount", "0.5"},
      {"ddpg.std", "0.75"},
      {"ddpg.initial_std", "0.25"},
      {"ddpg.start_steps", "7"},
      {"ddpg.batch", "5"},
      {"ddpg.updates_per_step", "0.25"},
      {"ddpg.target_rate", "0.5"},
  };
  return values;
}

TEST(SettingsFile, EverySettingIsReadAndWrittenAlone) {
  const std::vector<std::string> keys = setting_keys();
  ASSERT_EQ(keys.size(), other_values().size());
  for (const std::string& key : keys) {
    if (key == "task" || key == "algorithm" || key == "preset") continue;  // they change others
    const std::string& value = other_values().at(key);
    const std::string section = key.substr(0, key.find('.'));
    const bool alone = section == "trpo" || section == "ddpg";
    const std::string algorithm = "algorithm=" + (alone ? section : "mdgps_pilqr");
    auto expected = entries(to_toml(with({algorithm})));
    ASSERT_TRUE(expected.count(key)) << key;
    ASSERT_NE(expected.at(key), value) << key;
    expected[key] = value;
    EXPECT_EQ(entries(to_toml(with({algorithm, key + '=' + value}))), expected) << key;
  }
}

/// The trajectory algorithms that use a setting.
std::set<std::string> users_of(const std::string& key) {
  static const std::map<std::string, std::set<std::string>> of_some = {
      {"fit", {"pilqr", "lqr_flm"}},     {"gmm", {"pilqr", "lqr_flm"}},
      {"replay", {"pilqr", "lqr_flm"}},  {"kl_step", {"pilqr", "lqr_flm"}},
      {"lqr_flm", {"pilqr", "lqr_flm"}}, {"neighbours", {"pilqr", "lqr_flm"}},
      {"lqr_flm.dual_floor", {"pilqr"}}, {"temperature.source", {"pilqr"}},
      {"temperature", {"pilqr", "pi2"}}, {"pi2.source", {"pilqr"}},
      {"pi2", {"pilqr", "pi2"}},         {"pi2.controls", {"pilqr"}},
  };
  for (const std::string& name : {key, key.substr(0, key.find('.'))}) {
    if (const auto found = of_some.find(name); found != of_some.end()) return found->second;
  }
  return {"pilqr", "lqr_flm", "pi2"};
}

/// Guided policy search uses what its C-step does, and has a network and a linearisation besides.
bool uses(const std::string& algorithm, const std::string& key) {
  const bool guided = test::begins(algorithm, "mdgps_");
  const std::string section = key.substr(0, key.find('.'));
  const bool alone = algorithm == "trpo" || algorithm == "ddpg";
  if (section == "trpo" || section == "ddpg") return section == algorithm;
  if (alone) {
    static const std::set<std::string> sections = {"noise", "faults"};
    return key.find('.') == std::string::npos || sections.count(section) == 1 ||
           key == "network.hidden" || key == "network.activation";
  }
  if (section == "mdgps" || section == "network") return guided;
  if (guided && (section == "neighbours" || section == "gmm")) return true;
  return users_of(key).count(guided ? algorithm.substr(6) : algorithm) == 1;
}

TEST(SettingsFile, WhatTheAlgorithmDoesNotUseIsRefusedAndNotWritten) {
  for (const std::string& algorithm : algorithm_names()) {
    const std::string base = "algorithm=" + algorithm;
    const auto written = entries(to_toml(with({base})));
    for (const std::string& key : setting_keys()) {
      if (key == "task" || key == "algorithm") continue;
      const bool used = uses(algorithm, key);
      EXPECT_EQ(written.count(key) == 1, used) << algorithm << ' ' << key;
      const std::string set = key + '=' + other_values().at(key);
      if (used) {
        EXPECT_NO_THROW((void)with({base, set})) << algorithm;
        continue;
      }
      EXPECT_EQ(refusal([&] {
                  (void)with({set, base});
                }),
                "--set " + set + ": not used by " + algorithm);
      EXPECT_EQ(refusal([&] {
                  (void)from_file(base.substr(0, 10) + "'" + algorithm + "'\n" + key + " = " +
                                  other_values().at(key) + '\n');
                }),
                "s.toml: " + key + ": not used by " + algorithm);
    }
  }
}

// One file for several algorithms: each takes its own part.
TEST(SettingsFile, SeveralAlgorithmsShareSettings) {
  SettingsRequest request{.task = "reacher", .algorithms = {"lqr_flm", "pi2"}};
  for (const char* text : {"kl_step.rule=residual", "pi2.shrinkage=4", "fit.ridge=0.5"}) {
    request.assignments.push_back(parse_set(text));
  }
  const auto resolved = [&](const char* algorithm) {
    SettingsRequest one = request;
    one.assignments.push_back({"", "algorithm", algorithm});
    return resolve(one).settings;
  };
  EXPECT_EQ(resolved("lqr_flm").kl_rule, KlRule::residual);
  EXPECT_EQ(resolved("lqr_flm").model.fit.ridge, 0.5);
  EXPECT_EQ(resolved("pi2").pi2.shrinkage, 4.0);
  request.assignments.push_back(parse_set("temperature.source=residual"));
  EXPECT_EQ(refusal([&] { (void)resolved("pi2"); }),
            "--set temperature.source=residual: not used by lqr_flm or pi2");
  request.algorithms.emplace_back("pilqr");
  EXPECT_EQ(resolved("pilqr").temperature_source, CostSource::residual);
  EXPECT_EQ(resolved("pi2").temperature_source, CostSource::sampled);
}

TEST(SettingsFile, RoundTrip) {
  for (const std::string& algorithm : algorithm_names()) {
    std::string all;
    for (const auto& [key, value] : other_values()) {
      if (key == "task" || key == "preset" || key == "algorithm") continue;
      if (uses(algorithm, key)) all += key + " = " + value + '\n';
    }
    for (const char* preset : {"default", "paper"}) {
      const std::string head = "algorithm = '" + algorithm + "'\npreset = '" + preset + "'\n";
      for (const std::string& text : {head, head + all}) {
        const std::string written = to_toml(from_file(text));
        EXPECT_EQ(to_toml(from_file(written)), written);
        EXPECT_EQ(to_toml(from_file(written, "")), written) << "the file alone says it all";
      }
    }
  }
}

TEST(SettingsFile, NumbersReadBackBitByBit) {
  RandomStream random({.seed = 3});
  for (int i = 0; i < 300; ++i) {
    const auto bits = (static_cast<std::uint64_t>(random()) << 32U) | random();
    const double value = std::bit_cast<double>(bits & ~(1ULL << 63U));
    if (!std::isfinite(value)) continue;
    RunSettings run = with({});
    run.settings.model.fit.ridge = value;
    const double back = from_file(to_toml(run)).settings.model.fit.ridge;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(value));
  }
  EXPECT_EQ(from_file("fit.ridge = 3").settings.model.fit.ridge, 3.0) << "an integer is a number";
}

// Task defaults, preset, file, --set, flags: the later wins.
TEST(SettingsFile, Precedence) {
  EXPECT_EQ(with({}, "point_mass").settings.noise.width, find_task("point_mass").noise.width);
  const RunSettings paper = with({"preset=paper"});
  EXPECT_EQ(paper.settings.kl_step.base_first, PilqrOptions::paper().kl_step.base_first);
  EXPECT_NE(paper.settings.kl_step.base_first, with({}).settings.kl_step.base_first);
  // The preset is under the other keys wherever it stands.
  EXPECT_EQ(with({"kl_step.base_first=0.7", "preset=paper"}).settings.kl_step.base_first, 0.7);

  const test::TemporaryDirectory directory;
  test::write_plainly(directory / "s.toml",
                      "preset = 'paper'\nsamples = 3\nseed = 3\nalgorithm = 'pi2'\n");
  SettingsRequest request{.task = "reacher", .file = directory / "s.toml"};
  EXPECT_EQ(resolve(request).settings.algorithm, Algorithm::pi2);
  request.assignments = {parse_set("samples=4"),
                         {"--samples 5", "samples", "5"},
                         {"--algorithm pilqr", "algorithm", "pilqr"}};
  const RunSettings run = resolve(request);
  EXPECT_EQ(run.settings.samples, 5);
  EXPECT_EQ(run.settings.seed, 3U);
  EXPECT_EQ(run.settings.algorithm, Algorithm::pilqr);
  EXPECT_EQ(run.preset, Preset::paper);
}

TEST(SettingsFile, PriorDecidesWhatIsUsed) {
  const ModelOptions standard = with({"gmm.strength=3"}).settings.model;
  EXPECT_FALSE(standard.gmm.has_value());
  EXPECT_TRUE(standard.neighbours.has_value());
  EXPECT_EQ(with({"neighbours.points_per_input=3"}).settings.model.neighbours->points_per_input, 3);
  EXPECT_FALSE(with({"fit.prior=none"}).settings.model.neighbours.has_value());
  EXPECT_FALSE(with({"preset=paper"}).settings.model.neighbours.has_value());
  const RunSettings run = with({"gmm.strength=3", "fit.prior=gmm"});
  ASSERT_TRUE(run.settings.model.gmm.has_value());
  EXPECT_EQ(run.settings.model.gmm->strength, 3.0);
  EXPECT_FALSE(run.settings.model.neighbours.has_value());
}

TEST(SettingsFile, WrongValuesOfSet) {
  const std::map<std::string, std::string> cases = {
      {"samples=2.5", "expected an integer, not 2.5"},
      {"samples='5'", "expected an integer, not \"5\""},
      {"samples=true", "expected an integer, not true"},
      {"samples=", "expected an integer, not \"\""},
      {"samples=5 # five", "expected an integer, not \"5 # five\""},
      {"samples=5\nseed = 1", "expected an integer, not \"5\\x0aseed = 1\""},
      {"samples=3000000000", "expected an integer from -2147483648 to 2147483647, not 3000000000"},
      {"samples=0", "samples is 0, expected 1 to 1000000"},
      {"seed=-1", "expected an integer from 0 to 9223372036854775807, not -1"},
      {"seed=9223372036854775808",
       "expected an integer from 0 to 9223372036854775807, not \"9223372036854775808\""},
      {"seed=x", "expected an integer from 0 to 9223372036854775807, not \"x\""},
      {"noise.width=-nan", "expected a number, not nan"},
      {"noise.width=nan", "expected a number, not nan"},
      {"noise.width=wide", "expected a number, not \"wide\""},
      {"noise.width='2.0'", "expected a number, not \"2.0\""},
      {"noise.width=[2]", "expected a number, not [ 2 ]"},
      {"noise.width=-1", "noise width is -1 steps"},
      {"noise.antithetic=1", "expected true or false, not 1"},
      {"pi2.centered=yes", "expected true or false, not \"yes\""},
      {"conditions=0", "expected a list of integers like [0, 1], not 0"},
      {"conditions=[0.5]", "expected a list of integers"},
      {"conditions=[0, 'a']", "expected a list of integers"},
      {"conditions=[]", "conditions is empty"},
      {"conditions=[1, 1]", "1 is named twice"},
      {"conditions=[16]", "reacher has 0 to 15, not 16"},
      {"algorithm=nobody", "expected one of \"pilqr\", \"lqr_flm\", \"pi2\", \"mdgps_pilqr\", "},
      {"algorithm=3", "\"mdgps_pi2\", \"trpo\", \"ddpg\", not \"3\""},
      {"preset=none", "expected one of \"default\", \"paper\", not \"none\""},
      {"task=point_mass", "is \"point_mass\", but the command line names \"reacher\""},
      {"gmm.max_clusters=1", "mixture prior: max_clusters is 1"},
      {"neighbours.points_per_input=-1", "neighbours: points_per_input is -1"},
      {"lqr_flm.dual_floor=-1", "dual_floor is -1"},
      {"temperature.kl_share=0", "kl_share is 0"},
      {"kl_step.min_multiplier_first=30", "max_multiplier_first is 20"},
      {"noise=3", "unknown setting"},
      {"pi2.noise=3", "unknown setting"},
      {"noise.colour=3", "unknown setting"},
      {"Samples=3", "unknown setting"},
  };
  for (const auto& [text, message] : cases) {
    const std::string found = refusal([&, &text = text] {
      try {
        (void)with({text});
      } catch (const InvalidArgument& error) {
        std::string one_line = error.what();
        for (char& c : one_line) {
          if (c == '\n') c = ' ';  // only what the user wrote has a line break here
        }
        throw InvalidArgument(one_line);
      }
    });
    EXPECT_TRUE(test::begins(found, "--set " + text.substr(0, text.find('\n')))) << text;
    EXPECT_TRUE(test::contains(found, message)) << text;
  }
  for (const char* text : {"samples", "=3", ""}) {
    EXPECT_EQ(refusal([&] { (void)parse_set(text); }),
              std::string("--set ") + text + ": expected key=value");
  }
}

TEST(SettingsFile, WrongFiles) {
  const std::map<std::string, std::string> cases = {
      {"samplse = 3\n", "s.toml: samplse: unknown setting"},
      {"[nois]\n", "s.toml: nois: unknown section"},
      {"[samples]\n", "s.toml: samples: unknown section"},
      {"[noise.more]\n", "s.toml: noise.more: unknown section"},
      {"[[noise]]\nwidth = 1\n", "s.toml: noise: unknown setting"},
      {"noise = 3\n", "s.toml: noise: unknown setting"},
      {"[noise]\nwidth = '3'\n", "s.toml: noise.width: expected a number, not \"3\""},
      {"[kl_step]\nbase_first = -1\n", "s.toml: kl_step.base_first: kl_step: base_first is -1"},
      {"samples = 3\nsamples = 4\n", "s.toml: line 2: "},
      {"samples = = 3\n", "s.toml: line 1: "},
      {"samples = 3", ""},
      {"task = 'point_mass'\n", "s.toml: task: is \"point_mass\", but the command line names"},
      {"task = 3\n", "s.toml: task: expected text in quotes, not 3"},
      {std::string("\0\xFF", 2), "s.toml: line 1: "},
  };
  for (const auto& [text, message] : cases) {
    if (message.empty()) {
      EXPECT_EQ(from_file(text).settings.samples, 3);
      continue;
    }
    EXPECT_TRUE(test::begins(refusal([&, &text = text] { (void)from_file(text); }), message))
        << text;
  }
  EXPECT_EQ(refusal([] { (void)from_file("seed = 1\n", ""); }), "s.toml: task: is missing");
  EXPECT_TRUE(test::begins(refusal([] { (void)from_file("task = 'nope'\n", ""); }),
                           "s.toml: task: unknown task 'nope', expected one of: "));
}

// Tables in tables would otherwise end the program when they take all of its stack.
TEST(SettingsFile, NestedTooDeeply) {
  const auto dotted = [](int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "a.";
    return text;
  };
  const std::string many = dotted(400'000);
  for (const std::string& text :
       {many + "a = 1\n", '[' + many + "a]\n", "samples = {" + many + "a = 1}\n"}) {
    EXPECT_EQ(refusal([&] { (void)from_file(text); }),
              "s.toml: has 400000 dots, expected at most 1000");
  }
  for (const std::string& text : {dotted(1000) + "a = 1\n", '[' + dotted(1000) + "a]\n"}) {
    EXPECT_EQ(refusal([&] { (void)from_file(text); }), "s.toml: a: unknown section");
  }
  for (const std::string& text :
       {"samples = " + std::string(500'000, '['), std::string(500'000, '[')}) {
    EXPECT_TRUE(test::begins(refusal([&] { (void)from_file(text); }), "s.toml: line 1: "));
  }
  EXPECT_EQ(refusal([] { (void)from_file(std::string(100'000, 'k') + " = 1\n"); }),
            "s.toml: " + std::string(80, 'k') + ": unknown setting");
}

// A value that is only valid together with another may come first.
TEST(SettingsFile, OnlyTheEndHasToBeValid) {
  const RunSettings run =
      with({"kl_step.min_multiplier_first=30", "kl_step.max_multiplier_first=50"});
  EXPECT_EQ(run.settings.kl_step.min_multiplier_first, 30.0);
}

}  // namespace
}  // namespace pilqr::command
