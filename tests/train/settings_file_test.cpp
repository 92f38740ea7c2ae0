#include "settings_file.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <map>
#include <set>
#include <sstream>

#include "train/settings_support.hpp"

namespace pilqr::command {
namespace {

using test::from_file;
using test::refusal;
using test::with;

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
      {"keep_samples", "\"all\""},
      {"noise.width", "1.25"},
      {"noise.antithetic", "true"},
      {"faults.retries", "3"},
      {"faults.least_share", "0.75"},
      {"faults.time_limit", "2.5"},
      {"faults.tell_after", "1.5"},
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
    const char* other = section == "exploration" ? "pilqr" : "mdgps_pilqr";
    const std::string algorithm = "algorithm=" + (alone ? section : other);
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
    static const std::set<std::string> sections = {"noise", "faults", "stop"};
    return key.find('.') == std::string::npos || sections.count(section) == 1 ||
           key == "network.hidden" || key == "network.activation";
  }
  if (section == "mdgps" || section == "network") return guided;
  if (section == "exploration") return !guided;
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

// A value that is only valid together with another may come first.
TEST(SettingsFile, OnlyTheEndHasToBeValid) {
  const RunSettings run =
      with({"kl_step.min_multiplier_first=30", "kl_step.max_multiplier_first=50"});
  EXPECT_EQ(run.settings.kl_step.min_multiplier_first, 30.0);
}

}  // namespace
}  // namespace pilqr::command
