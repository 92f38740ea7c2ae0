#pragma once
/// What the metrics of a run say about what limits it: rules, each a pure function. No verdict
/// changes with the unit of the cost or the order of the conditions.

#include <optional>
#include <string>
#include <vector>

namespace pilqr::command {

enum class Severity { error, warning, note };

const char* name(Severity severity);

/// One line of metrics.jsonl. Numbers that there are none of are NaN.
struct MetricsNumbers {
  int iteration = 0;
  double cost_mean = 0.0;
  double cost_std = 0.0;               ///< of the samples
  double residual_ratio = 0.0;         ///< unexplained share of the cost
  double kl_step_mean = 0.0;           ///< nats
  double effective_samples_min = 0.0;  ///< least of any step
  double success_rate = 0.0;           ///< of the samples
  double noise_ratio_max = 0.0;        ///< exploration left, of the first, at its best step
  bool replay_diverged = false;
  int faults = 0;         ///< failed attempts at a rollout
  std::string failure{};  ///< why the update was not made; empty if it was
};

/// One condition of a run with the settings that the rules need.
struct MetricsHistory {
  int condition = 0;
  int samples = 1;            ///< per iteration
  int inputs = 1;             ///< nx + nu
  bool prior = true;          ///< fit.prior is not none
  double kl_step_low = 0.0;   ///< least kl_step_mean that the settings allow, nats; NaN without one
  double kl_step_high = 0.0;  ///< largest one
  std::vector<MetricsNumbers> rows{};  ///< ascending iterations
};

struct Finding {
  std::string rule{};
  Severity severity = Severity::note;
  int condition = 0;
  int first_iteration = 0;
  int last_iteration = 0;
  double figure = 0.0;  ///< the number that decided
  std::string sentence{};
  std::string remedy{};
};

using Rule = std::optional<Finding> (*)(const MetricsHistory& history);

// Each says in its definition what it looks at, and why its threshold is what it is.
std::optional<Finding> failed_update(const MetricsHistory& history);
std::optional<Finding> failed_rollouts(const MetricsHistory& history);
std::optional<Finding> cost_rose(const MetricsHistory& history);
std::optional<Finding> underdetermined_fit(const MetricsHistory& history);
std::optional<Finding> weights_on_one_sample(const MetricsHistory& history);
std::optional<Finding> unexplained_cost(const MetricsHistory& history);
std::optional<Finding> replay_left_data(const MetricsHistory& history);
std::optional<Finding> kl_step_at_lower_bound(const MetricsHistory& history);
std::optional<Finding> kl_step_at_upper_bound(const MetricsHistory& history);
std::optional<Finding> noise_spent(const MetricsHistory& history);
std::optional<Finding> success_lost(const MetricsHistory& history);
std::optional<Finding> still_falling(const MetricsHistory& history);
std::optional<Finding> flat_cost(const MetricsHistory& history);
std::optional<Finding> never_succeeded(const MetricsHistory& history);

/// All findings, by severity, then condition, then the order of the rules above.
std::vector<Finding> diagnose(const std::vector<MetricsHistory>& conditions);

}  // namespace pilqr::command
