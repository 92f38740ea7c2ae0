#include <gtest/gtest.h>

#include <cmath>

#include "command/process.hpp"

namespace pilqr {
namespace {

using test::Command;
using test::Outcome;
using Json = nlohmann::ordered_json;

std::vector<std::string> short_comparison(const std::string& out,
                                          const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {
      "compare", "reacher",      "--samples", "4",     "--iterations",    "3",     "--seeds",
      "3",       "--conditions", "2,0",       "--set", "noise.width=1.5", "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Compare, Summary) {
  Command command;
  const Outcome outcome = command.run(short_comparison("c", {"--seed", "5"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out.find_first_of("\r\x1b"), std::string::npos);
  const Json summary = Json::parse(command.read("c/summary.json"));
  EXPECT_EQ(summary["task"], "reacher");
  EXPECT_EQ(summary["seeds"], Json::parse("[5, 6, 7]"));
  ASSERT_EQ(summary["algorithms"].size(), 3U);
  const std::vector<std::string> names = {"pilqr", "lqr_flm", "pi2"};
  for (std::size_t a = 0; a < 3; ++a) {
    const Json& algorithm = summary["algorithms"][a];
    EXPECT_EQ(algorithm["algorithm"], names[a]);
    EXPECT_EQ(algorithm["samples_total"], Json::parse("[24, 24, 24]"));
    EXPECT_EQ(algorithm["seeds"], summary["seeds"]);
    EXPECT_TRUE(algorithm["unfinished"].empty());
    EXPECT_TRUE(algorithm["failures"].empty());
    ASSERT_EQ(algorithm["conditions"].size(), 2U);
    for (std::size_t m = 0; m < 2; ++m) {
      const Json& condition = algorithm["conditions"][m];
      EXPECT_EQ(condition["condition"], m == 0 ? 2 : 0);
      for (const char* key :
           {"cost", "noisy_cost", "distance", "success_rate", "noisy_success_rate"}) {
        EXPECT_EQ(test::keys_of(condition[key]),
                  (std::vector<std::string>{"mean", "std", "ci95", "values"}))
            << key;
        EXPECT_EQ(condition[key]["values"].size(), 3U);
      }
      ASSERT_EQ(condition["curve"].size(), 3U);
    }
  }

  // The numbers are those of the runs: final ones of `evaluate`, the curve's of the metrics.
  const Json& condition = summary["algorithms"][0]["conditions"][1];
  double mean_cost = 0.0;
  double mean_curve = 0.0;
  for (std::size_t j = 0; j < 3; ++j) {
    const std::string run = "c/pilqr/seed_" + std::to_string(5 + j);
    const Json final_one = Json::parse(command.run({"evaluate", run, "--json"}).out);
    EXPECT_EQ(final_one["conditions"][1]["cost_mean"], condition["cost"]["values"][j]);
    EXPECT_EQ(final_one["conditions"][1]["distance_mean"], condition["distance"]["values"][j]);
    const Json noisy = Json::parse(command.run({"evaluate", run, "--json", "--noise"}).out);
    EXPECT_EQ(noisy["conditions"][1]["cost_mean"], condition["noisy_cost"]["values"][j]);
    mean_cost += condition["cost"]["values"][j].get<double>() / 3;
    const auto line = command.metrics(run)[3];  // iteration 1, the second condition
    EXPECT_EQ(line["samples_total"], condition["curve"][1]["samples_total"]);
    mean_curve += line["cost_mean"].get<double>() / 3;
    EXPECT_TRUE(test::contains(command.read(run + "/config.toml"), "width = 1.5"));
  }
  EXPECT_NEAR(condition["cost"]["mean"].get<double>(), mean_cost, 1e-9 * std::abs(mean_cost));
  EXPECT_NEAR(condition["curve"][1]["cost"]["mean"].get<double>(), mean_curve,
              1e-9 * std::abs(mean_curve));
  EXPECT_LE(condition["cost"]["ci95"][0].get<double>(), mean_cost);
  EXPECT_GE(condition["cost"]["ci95"][1].get<double>(), mean_cost);
}

TEST(Compare, ThreadsDoNotShow) {
  Command command;
  std::string first;
  for (const char* out : {"1", "2", "8"}) {
    std::filesystem::remove_all(command.path("c"));
    const Outcome outcome = command.run(short_comparison("c", {"--threads", out}));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    std::string all = outcome.out + command.read("c/summary.json");
    for (const auto& [name, bytes] : command.contents("c")) {
      if (test::contains(name, ".safetensors")) all += name + bytes;
    }
    if (first.empty()) first = all;
    EXPECT_TRUE(all == first) << out << " threads";
  }
}

TEST(Compare, JsonIsTheSummaryAndNothingElse) {
  Command command;
  const Outcome outcome =
      command.run(short_comparison("c", {"--json", "--algorithms", "pi2", "--seeds", "1"}));
  ASSERT_EQ(outcome.status, 2) << "--seeds twice";
  const Outcome good = command.run({"compare", "point_mass", "--json", "--algorithms", "pi2",
                                    "--seeds", "1", "--samples", "4", "--iterations", "2"});
  ASSERT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(good.out, command.read("runs/compare-point_mass/summary.json"));
  const Json summary = Json::parse(good.out);
  const Json& cost = summary["algorithms"][0]["conditions"][0]["cost"];
  EXPECT_TRUE(cost["mean"].is_number());
  EXPECT_TRUE(cost["std"].is_null()) << "one seed has no deviation";
  EXPECT_TRUE(cost["ci95"][0].is_null());
}

// A failing algorithm is reported, and the others are still compared.
TEST(Compare, Failures) {
  Command command;
  const Outcome outcome =
      command.run({"compare", "point_mass", "--algorithms", "lqr_flm,pi2", "--seeds", "2",
                   "--samples", "3", "--iterations", "2", "--set", "fit.ridge=0", "--set",
                   "fit.prior=none", "--set", "stop.failed_updates=1", "--out", "c"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(test::contains(outcome.err, "c/lqr_flm/seed_1: iteration 1 failed: singular_fit"));
  const Json summary = Json::parse(command.read("c/summary.json"));
  EXPECT_EQ(summary["algorithms"][0]["failures"].size(), 2U);
  EXPECT_EQ(summary["algorithms"][0]["failures"][1]["seed"], 1);
  EXPECT_EQ(summary["algorithms"][0]["failures"][1]["iteration"], 0);
  EXPECT_EQ(summary["algorithms"][0]["samples_total"], Json::parse("[3, 3]"))
      << "those of the failed iteration too";
  EXPECT_EQ(summary["algorithms"][1]["samples_total"], Json::parse("[6, 6]"));
  EXPECT_TRUE(summary["algorithms"][0]["conditions"][0]["cost"]["mean"].is_number())
      << "of the last good policy";
  EXPECT_EQ(summary["algorithms"][0]["conditions"][0]["curve"].size(), 1U)
      << "an update that fails has rollouts";
  EXPECT_TRUE(summary["algorithms"][1]["failures"].empty());
  EXPECT_EQ(summary["algorithms"][1]["conditions"][0]["curve"].size(), 2U);
}

// Samples are for those who ask.
TEST(Compare, KeepsSamplesIfAsked) {
  Command command;
  for (const bool asked : {false, true}) {
    std::vector<std::string> words = {"compare",   "point_mass", "--algorithms", "pi2",
                                      "--seeds",   "1",          "--samples",    "3",
                                      "--threads", "1",          "--iterations", "2"};
    if (asked) words.insert(words.end(), {"--set", "keep_samples=all"});
    words.insert(words.end(), {"--out", asked ? "asked" : "c"});
    ASSERT_EQ(command.run(words).status, 0);
  }
  EXPECT_FALSE(std::filesystem::exists(command.path("c/pi2/seed_0/samples")));
  EXPECT_EQ(command.contents("asked/pi2/seed_0/samples").size(), 2U);
  EXPECT_TRUE(command.read("c/summary.json") == command.read("asked/summary.json"));
}

// A limit on the size of files stands for a disk that is full in some runs only.
TEST(Compare, AFullDiskInOneRunKeepsTheOthers) {
  Command command;
  const auto checkpoint_of = [&](const std::string& algorithm) {
    EXPECT_EQ(command.run(test::short_training(algorithm, {"--algorithm", algorithm})).status, 0);
    return command.read(algorithm + "/checkpoint/state.safetensors").size();
  };
  const std::size_t little = checkpoint_of("pi2");
  const std::size_t much = checkpoint_of("pilqr");
  ASSERT_LT(little, much);
  const Outcome outcome =
      command.run({"compare", "point_mass", "--algorithms", "pilqr,pi2", "--seeds", "2",
                   "--samples", "4", "--iterations", "4", "--threads", "1", "--out", "c"},
                  (little + much) / 2);
  EXPECT_EQ(outcome.status, 1);
  const std::string state = "/checkpoint/state.safetensors: cannot write: File too large\n";
  EXPECT_EQ(outcome.err, "pilqr: c/pilqr/seed_0: not finished: c/pilqr/seed_0" + state +
                             "pilqr: c/pilqr/seed_1: not finished: c/pilqr/seed_1" + state +
                             "pilqr: no report: c/report.html: cannot write: File too large\n"
                             "pilqr: not finished: pilqr seed 0 to 1; what was trained so far is "
                             "in c\n");
  EXPECT_TRUE(test::contains(outcome.out, "pi2      seed 1"));
  const Json summary = Json::parse(command.read("c/summary.json"))["algorithms"];
  EXPECT_TRUE(summary[0]["seeds"].empty());
  EXPECT_EQ(summary[0]["unfinished"], Json::parse("[0, 1]"));
  EXPECT_EQ(summary[1]["seeds"], Json::parse("[0, 1]"));
  EXPECT_TRUE(summary[1]["conditions"][0]["cost"]["mean"].is_number());
}

TEST(Compare, CtrlCBeforeARunIsFinished) {
  Command command;
  const pid_t child = command.start({"compare", "point_mass", "--algorithms", "pi2", "--seeds", "2",
                                     "--iterations", "100000", "--threads", "1", "--out", "c"});
  command.wait_for_lines("c/pi2/seed_0", 1);
  ASSERT_EQ(::kill(child, SIGINT), 0);
  const Outcome outcome = command.wait(child);
  EXPECT_EQ(outcome.status, 130);
  EXPECT_EQ(outcome.err,
            "pilqr: interrupted; not finished: pi2 seed 0 to 1; what was trained so far is in c\n");
  EXPECT_FALSE(std::filesystem::exists(command.path("c/pi2/seed_1")));
  const Json summary = Json::parse(command.read("c/summary.json"));
  EXPECT_EQ(summary["seeds"], Json::parse("[0, 1]"));
  const Json& algorithm = summary["algorithms"][0];
  EXPECT_TRUE(algorithm["seeds"].empty());
  EXPECT_EQ(algorithm["unfinished"], Json::parse("[0, 1]"));
  EXPECT_TRUE(algorithm["conditions"][0]["cost"]["mean"].is_null());
  EXPECT_TRUE(algorithm["conditions"][0]["curve"].empty());
}

// What is finished is summed up as if nothing else had been asked for.
TEST(Compare, CtrlCKeepsTheFinishedRuns) {
  Command command;
  const auto words = [](const std::string& seeds, const std::string& out) {
    return std::vector<std::string>{"compare",      "point_mass", "--algorithms", "pi2,lqr_flm",
                                    "--seeds",      seeds,        "--samples",    "4",
                                    "--iterations", "100",        "--threads",    "1",
                                    "--seed",       "7",          "--out",        out};
  };
  const pid_t child = command.start(words("1000", "c"));
  command.wait_for_lines("c/pi2/seed_8", 1);
  ASSERT_EQ(::kill(child, SIGINT), 0);
  const Outcome outcome = command.wait(child);
  EXPECT_EQ(outcome.status, 130);
  const Json summary = Json::parse(command.read("c/summary.json"));
  ASSERT_EQ(summary["seeds"].size(), 1000U);
  const Json& pi2 = summary["algorithms"][0];
  const std::size_t finished = pi2["seeds"].size();
  ASSERT_GE(finished, 1U);
  ASSERT_EQ(pi2["unfinished"].size(), 1000 - finished);
  EXPECT_EQ(pi2["unfinished"][0], 7 + finished);
  EXPECT_TRUE(summary["algorithms"][1]["seeds"].empty());
  EXPECT_TRUE(test::contains(outcome.err, "not finished: pi2 seed " + std::to_string(7 + finished) +
                                              " to 1006; lqr_flm seed 7 to 1006; "));
  EXPECT_EQ(outcome.err.find('\n') + 1, outcome.err.size());

  ASSERT_EQ(command.run(words(std::to_string(finished), "d")).status, 0);
  const Json whole = Json::parse(command.read("d/summary.json"))["algorithms"][0];
  for (const char* key : {"seeds", "samples_total", "failures", "conditions"}) {
    EXPECT_EQ(pi2[key], whole[key]) << key;
  }
}

}  // namespace
}  // namespace pilqr
