// Settings that are wrong: refused with the argument, or the file and the key, and the value.
#include <gtest/gtest.h>

#include <map>

#include "train/settings_support.hpp"

namespace pilqr::command {
namespace {

using test::from_file;
using test::refusal;
using test::with;

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
      {"keep_samples=some", "expected one of \"none\", \"last\", \"all\", not \"some\""},
      {"faults.tell_after=0", "faults: tell_after is 0, expected > 0"},
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

}  // namespace
}  // namespace pilqr::command
