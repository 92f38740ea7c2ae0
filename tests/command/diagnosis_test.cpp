/// What limits a run, in words: each rule at its threshold, and laws of all of them.

#include "diagnosis.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "diagnose.hpp"
#include "metrics.hpp"
#include "process.hpp"

namespace pilqr {
namespace {

using command::diagnose;
using command::Finding;
using command::MetricsHistory;
using command::MetricsNumbers;
using command::Severity;
using test::Command;
using test::Outcome;
using test::short_training;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// A run that learns: the cost falls by a half every iteration, and succeeds from the middle on.
MetricsHistory healthy(int condition = 0) {
  MetricsHistory h{.condition = condition,
                   .samples = 20,
                   .inputs = 10,
                   .prior = true,
                   .kl_step_low = 0.01,
                   .kl_step_high = 8.0};
  for (int i = 0; i < 20; ++i) {
    const double cost = 100 * std::pow(0.5, i);
    h.rows.push_back({.iteration = i,
                      .cost_mean = cost,
                      .cost_std = 0.1 * cost,
                      .residual_ratio = 0.1,
                      .kl_step_mean = 0.5,
                      .effective_samples_min = 5.0,
                      .success_rate = i < 10 ? 0.0 : 1.0,
                      .noise_ratio_max = std::pow(0.9, i)});
  }
  return h;
}

/// The same without success, the cost level after the middle.
MetricsHistory stuck() {
  MetricsHistory h = healthy();
  for (MetricsNumbers& row : h.rows) {
    row.success_rate = row.iteration == 3 ? 0.1 : 0.0;
    row.cost_mean = 50 + 50 * std::max(0.0, 1 - 0.2 * row.iteration);
    row.cost_std = 5.0;
  }
  return h;
}

std::vector<std::string> rules_of(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  for (const Finding& f : findings) out.push_back(f.rule);
  return out;
}

bool fires(const char* rule, const MetricsHistory& h) {
  const auto rules = rules_of(diagnose({h}));
  return std::find(rules.begin(), rules.end(), rule) != rules.end();
}

using Change = std::function<void(MetricsHistory&)>;

/// Sets a number in the last `rows` rows.
Change in_last(int rows, double MetricsNumbers::*number, double value) {
  return [=](MetricsHistory& h) {
    for (auto row = h.rows.end() - rows; row != h.rows.end(); ++row) (*row).*number = value;
  };
}

TEST(Diagnosis, AHealthyRunIsLeftAlone) {
  EXPECT_EQ(rules_of(diagnose({healthy(0), healthy(3)})), std::vector<std::string>{});
}

struct Edge {
  const char* rule;
  Change above, below;  ///< of a run that is stuck
};

TEST(Diagnosis, EachRuleAtItsThreshold) {
  const auto samples = [](int n) {
    return [n](MetricsHistory& h) {
      h.prior = false;
      h.samples = n;
    };
  };
  const auto replay = [](int n) {
    return [n](MetricsHistory& h) {
      for (int i = 0; i < n; ++i) h.rows[static_cast<std::size_t>(i)].replay_diverged = true;
    };
  };
  const auto faults = [](int n) { return [n](MetricsHistory& h) { h.rows[2].faults = n; }; };
  const auto fail = [](const char* why) {
    return [why](MetricsHistory& h) { h.rows[4].failure = why; };
  };
  const auto every_success = [](double rate) {
    return [rate](MetricsHistory& h) {
      for (MetricsNumbers& row : h.rows) row.success_rate = rate;
    };
  };
  const auto best_success = [](double rate) {
    return [rate](MetricsHistory& h) { h.rows[5].success_rate = rate; };
  };
  const auto fall = [](double to) {
    return [to](MetricsHistory& h) {
      for (MetricsNumbers& row : h.rows) row.cost_mean = 100.0;
      for (std::size_t i = 10; i < 15; ++i) h.rows[i].cost_mean = 50.0;
      for (std::size_t i = 15; i < 20; ++i) h.rows[i].cost_mean = to;
    };
  };
  // Two standard errors: 2 sqrt(5^2 / 20 + 5^2 / 100) = 2.45.
  const std::vector<Edge> edges = {
      {"failed_update", fail("singular_fit"), fail("")},
      {"failed_rollouts", faults(1), faults(0)},
      {"cost_rose", in_last(5, &MetricsNumbers::cost_mean, 102.5),
       in_last(5, &MetricsNumbers::cost_mean, 102.4)},
      {"underdetermined_fit", samples(11), samples(12)},
      {"weights_on_one_sample", in_last(20, &MetricsNumbers::effective_samples_min, 1.49),
       in_last(20, &MetricsNumbers::effective_samples_min, 1.5)},
      {"unexplained_cost", in_last(5, &MetricsNumbers::residual_ratio, 0.31),
       in_last(5, &MetricsNumbers::residual_ratio, 0.3)},
      {"replay_left_data", replay(7), replay(6)},
      {"kl_step_at_lower_bound", in_last(3, &MetricsNumbers::kl_step_mean, 0.01),
       in_last(2, &MetricsNumbers::kl_step_mean, 0.01)},
      {"kl_step_at_upper_bound", in_last(3, &MetricsNumbers::kl_step_mean, 8.0),
       in_last(2, &MetricsNumbers::kl_step_mean, 8.0)},
      {"noise_spent", in_last(5, &MetricsNumbers::noise_ratio_max, 0.0099),
       in_last(5, &MetricsNumbers::noise_ratio_max, 0.01)},
      {"success_lost", best_success(0.5), best_success(0.49)},
      {"still_falling", fall(44.0), fall(45.0)},
      {"never_succeeded", every_success(0.0), every_success(0.05)},
  };
  for (const Edge& edge : edges) {
    MetricsHistory yes = stuck();
    MetricsHistory no = stuck();
    edge.above(yes);
    edge.below(no);
    EXPECT_TRUE(fires(edge.rule, yes)) << edge.rule;
    EXPECT_FALSE(fires(edge.rule, no)) << edge.rule;
  }
  EXPECT_TRUE(fires("flat_cost", stuck()));
  EXPECT_FALSE(fires("flat_cost", healthy()));
}

TEST(Diagnosis, TheSpreadOfTheCostsStandsForNoiseThatIsNotRecorded) {
  MetricsHistory h = stuck();
  for (MetricsNumbers& row : h.rows) row.noise_ratio_max = none;
  EXPECT_FALSE(fires("noise_spent", h));
  in_last(5, &MetricsNumbers::cost_std, 0.04)(h);
  EXPECT_TRUE(fires("noise_spent", h));
}

TEST(Diagnosis, NumbersThatThereAreNoneOfProveNothing) {
  MetricsHistory h = stuck();
  h.kl_step_low = h.kl_step_high = none;
  for (MetricsNumbers& row : h.rows) {
    row.residual_ratio = row.kl_step_mean = row.effective_samples_min = row.noise_ratio_max = none;
  }
  EXPECT_EQ(rules_of(diagnose({h})), std::vector<std::string>{"flat_cost"});
  for (MetricsNumbers& row : h.rows) row.cost_mean = row.cost_std = row.success_rate = none;
  EXPECT_EQ(rules_of(diagnose({h})), std::vector<std::string>{});
  h.rows.clear();
  EXPECT_EQ(rules_of(diagnose({h})), std::vector<std::string>{});
  EXPECT_TRUE(diagnose({}).empty());
}

// The unit of the cost is the user's, and so is the order of the conditions.
TEST(Diagnosis, UnitAndOrderDoNotMatter) {
  MetricsHistory other = stuck();
  other.condition = 1;
  in_last(5, &MetricsNumbers::residual_ratio, 0.5)(other);
  const auto before = rules_of(diagnose({stuck(), other}));
  EXPECT_EQ(rules_of(diagnose({other, stuck()})), before);
  std::vector<MetricsHistory> scaled = {stuck(), other};
  for (MetricsHistory& h : scaled) {
    for (MetricsNumbers& row : h.rows) {
      row.cost_mean *= 1024;
      row.cost_std *= 1024;
    }
  }
  EXPECT_EQ(rules_of(diagnose(scaled)), before);
}

TEST(Diagnosis, AFailureAtTheEndIsAnErrorAndOneBeforeAWarning) {
  MetricsHistory h = healthy();
  h.rows[4].failure = "singular_fit: step 3";
  const auto before = diagnose({h});
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].severity, Severity::warning);
  h.rows.back().failure = "not_finite";
  const auto end = diagnose({h});
  ASSERT_EQ(end.size(), 1U);
  EXPECT_EQ(end[0].severity, Severity::error);
  EXPECT_EQ(end[0].sentence, "2 of 20 updates failed, the last one of them: not_finite.");
}

TEST(Diagnose, OfARunFolder) {
  Command command;
  ASSERT_EQ(command
                .run(short_training(
                    "r", {"--set", "fit.prior=none", "--samples", "5", "--iterations", "2"}))
                .status,
            0);
  const Outcome text = command.run({"diagnose", "r"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(test::contains(text.out,
                             "warning, condition 0, iterations 0 to 1: The dynamics fit "
                             "has 5 samples for 7 unknowns"))
      << text.out;
  const Outcome json = command.run({"diagnose", "r", "--json"});
  ASSERT_EQ(json.status, 0);
  const auto findings = nlohmann::json::parse(json.out);
  ASSERT_GE(findings.size(), 1U);
  const auto is_it = [](const auto& f) { return f["rule"] == "underdetermined_fit"; };
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(), is_it), 1);
  // The bounds of the KL step are those of the settings.
  const auto histories = command::read_histories(command.path("r"));
  ASSERT_EQ(histories.size(), 1U);
  EXPECT_EQ(histories[0].rows.size(), 2U);
  EXPECT_LT(histories[0].kl_step_low, histories[0].rows[0].kl_step_mean);
  EXPECT_GT(histories[0].kl_step_high, histories[0].rows[0].kl_step_mean);
}

TEST(Diagnose, BadFolders) {
  Command command;
  test::expect_refused(command.run({"diagnose", "nowhere"}), {"nowhere", "is not a run folder"});
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "1"})).status, 0);
  const std::string good = command.read("r/metrics.jsonl");
  command.write("r/metrics.jsonl", good + "{\"iteration\":1,\n");
  test::expect_refused(command.run({"diagnose", "r"}), {"r/metrics.jsonl: ", "line 2 is damaged"});
  command.write("r/metrics.jsonl", good + good);
  test::expect_refused(command.run({"diagnose", "r"}),
                       {"r/metrics.jsonl: ", "line 2 is damaged: iteration 0 after iteration 0"});
  command.write("r/metrics.jsonl", "");
  test::expect_refused(command.run({"diagnose", "r"}),
                       {"r/metrics.jsonl: ", "there is no iteration yet"});
}

// A line may be as long as it likes, what is said of it not.
TEST(Diagnose, SaysLittleOfALineThatIsDamaged) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "1"})).status, 0);
  const std::string good = command.read("r/metrics.jsonl");
  for (const std::string& token :
       {'"' + std::string(10'000, 'k'), "{\"iteration\":" + std::string(10'000, '9'),
        "\"\x1b[2J" + std::string(10'000, '\x1b')}) {
    command.write("r/metrics.jsonl", good + token + '\n');
    for (const char* reader : {"diagnose", "report"}) {
      const Outcome outcome = command.run({reader, "r"});
      test::expect_refused(outcome, {"r/metrics.jsonl: line 2 is damaged: "});
      EXPECT_LT(outcome.err.size(), 1000U);
      EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
    }
  }
}

// The words of a system, or of whoever wrote the file, reach a terminal as text.
TEST(Diagnose, ShowsControlCharactersAndCutsLongWords) {
  Command command;
  ASSERT_EQ(command.run(short_training("r", {"--iterations", "1"})).status, 0);
  auto line = command.metrics("r")[0];
  line["status"] = "system_error";
  line["failure"] = "stuck\x1b[2J" + std::string(10'000, 'k');
  command.write("r/metrics.jsonl", line.dump() + '\n');
  const Outcome text = command.run({"diagnose", "r"});
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(test::contains(text.out, "the last one of them: stuck\\x1b[2Jkkk")) << text.out;
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  EXPECT_LT(text.out.size(), 4000U);
  const auto findings = nlohmann::json::parse(command.run({"diagnose", "r", "--json"}).out);
  EXPECT_TRUE(test::contains(findings[0]["sentence"].get<std::string>(), "stuck\x1b[2Jkkk"));
}

// A network that learns nothing is no run that nothing limits, whatever its teachers do.
TEST(Diagnose, SeesAnSStepThatFails) {
  const command::RunSettings run =
      command::resolve({.task = "point_mass", .assignments = {{"", "algorithm", "mdgps_pi2"}}});
  command::MetricsRow row{.record = {.iteration = 0}, .guided = command::GuidedFigures{}};
  std::string lines = to_line(row);
  row.record.iteration = 1;
  row.guided->supervision_failure = {.kind = FailureKind::non_finite_update, .condition = 0};
  lines += to_line(row);
  ASSERT_TRUE(test::contains(lines, "\"status\":\"ok\",\"supervision_loss\"")) << lines;
  const auto findings = diagnose(command::parse_histories(lines, "f", run));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].rule, std::string("failed_update"));
  EXPECT_EQ(findings[0].severity, Severity::error);
  EXPECT_EQ(findings[0].sentence, "1 of 2 updates failed, the last one of them: the S-step: " +
                                      row.guided->supervision_failure.message() + '.');
}

}  // namespace
}  // namespace pilqr
