#include "diagnosis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

#include "statistics.hpp"

namespace pilqr::command {
namespace {

using Rows = std::vector<MetricsNumbers>;

/// Rows whose update was made; a failed one may lack its numbers.
Rows good_rows(const MetricsHistory& h) {
  Rows rows;
  std::copy_if(
      h.rows.begin(), h.rows.end(), std::back_inserter(rows), [](const MetricsNumbers& row) {
        return row.failure.empty() && std::isfinite(row.cost_mean) && std::isfinite(row.cost_std);
      });
  return rows;
}

/// Fewer iterations than this show no trend.
constexpr int least_rows = 6;

/// The last quarter of the rows and at least three, so that one lucky batch decides nothing.
Rows last_part(const Rows& rows) {
  const std::size_t count = std::min(rows.size(), std::max<std::size_t>(3, rows.size() / 4));
  return {rows.end() - static_cast<std::ptrdiff_t>(count), rows.end()};
}

/// Of the numbers that are there; NaN if there are none.
double mean(const Rows& rows, double MetricsNumbers::*number) {
  double sum = 0.0;
  int count = 0;
  for (const MetricsNumbers& row : rows) {
    if (std::isnan(row.*number)) continue;
    sum += row.*number;
    ++count;
  }
  return count > 0 ? sum / count : none;
}

double median(const Rows& rows, double MetricsNumbers::*number) {
  std::vector<double> values;
  for (const MetricsNumbers& row : rows) {
    if (!std::isnan(row.*number)) values.push_back(row.*number);
  }
  if (values.empty()) return none;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Half of the samples of the last part succeed: what limits such a run is no concern, as its
/// policy without noise does better still.
bool solved(const Rows& rows) {
  return mean(last_part(rows), &MetricsNumbers::success_rate) >= 0.5;
}

/// Standard error of the mean cost of a batch: differences below two of them are luck.
double cost_error(const Rows& rows, int samples) {
  return mean(rows, &MetricsNumbers::cost_std) /
         std::sqrt(static_cast<double>(samples) * static_cast<double>(rows.size()));
}

Finding finding(const char* rule, Severity severity, const MetricsHistory& h, const Rows& rows,
                double figure, std::string sentence, std::string remedy) {
  return {.rule = rule,
          .severity = severity,
          .condition = h.condition,
          .first_iteration = rows.front().iteration,
          .last_iteration = rows.back().iteration,
          .figure = figure,
          .sentence = std::move(sentence),
          .remedy = std::move(remedy)};
}

/// The rows at the end of which all satisfy the predicate.
template <class Predicate>
Rows last_stretch(const Rows& rows, Predicate&& holds) {
  auto begin = rows.end();
  while (begin != rows.begin() && holds(*std::prev(begin))) --begin;
  return {begin, rows.end()};
}

}  // namespace

const char* name(Severity severity) {
  constexpr std::array names{"error", "warning", "note"};
  return names[static_cast<std::size_t>(severity)];
}

/// Any: the rollouts of that iteration were for nothing. An error if it is how the run ended.
std::optional<Finding> failed_update(const MetricsHistory& h) {
  Rows failed;
  std::copy_if(h.rows.begin(), h.rows.end(), std::back_inserter(failed),
               [](const MetricsNumbers& row) { return !row.failure.empty(); });
  if (failed.empty()) return {};
  const bool last = !h.rows.back().failure.empty();
  return finding("failed_update", last ? Severity::error : Severity::warning, h, failed,
                 static_cast<double>(failed.size()),
                 fmt::format("{} of {} updates failed, the last one of them: {}.", failed.size(),
                             h.rows.size(), failed.back().failure),
                 "See the message. A fit needs more samples, a prior (fit.prior) or a larger "
                 "fit.ridge, in a new run: pilqr train --resume draws the same noise again, which "
                 "helps a real system only.");
}

/// Any; a warning from a tenth of the rollouts on, as the samples are then no longer those that the
/// policy would give: the failed ones are the bold ones.
std::optional<Finding> failed_rollouts(const MetricsHistory& h) {
  int faults = 0;
  for (const MetricsNumbers& row : h.rows) faults += row.faults;
  if (faults == 0) return {};
  const double share =
      faults / (static_cast<double>(h.samples) * static_cast<double>(h.rows.size()));
  return finding(
      "failed_rollouts", share >= 0.1 ? Severity::warning : Severity::note, h, h.rows, share,
      fmt::format("{} attempts at a rollout failed, {:.1f} for each 100 rollouts asked for.",
                  faults, 100 * share),
      "Look at quarantine/; mend the system, or raise faults.retries.");
}

/// The last part costs more than the first iteration by two standard errors of both.
std::optional<Finding> cost_rose(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  if (rows.size() < least_rows || solved(rows)) return {};
  const Rows last = last_part(rows);
  const Rows first{rows.front()};
  const double rise = mean(last, &MetricsNumbers::cost_mean) - rows.front().cost_mean;
  const double luck = 2 * std::hypot(cost_error(first, h.samples), cost_error(last, h.samples));
  if (!(rise > luck)) return {};
  return finding("cost_rose", Severity::error, h, last, rise,
                 fmt::format("The samples cost {:.4g} at the end, {:.4g} more than at the start.",
                             mean(last, &MetricsNumbers::cost_mean), rise),
                 "More samples, or smaller steps: kl_step.base_first and kl_step.base_last "
                 "(pilqr, lqr_flm), temperature.kl_step (pilqr, pi2).");
}

/// Without a prior, as many unknowns in each row of F and f as samples: the fit passes through all
/// of them, the model explains everything and predicts nothing. No figure of the metrics shows it.
std::optional<Finding> underdetermined_fit(const MetricsHistory& h) {
  if (h.prior || h.rows.empty() || std::isnan(h.kl_step_low) || h.samples > h.inputs + 1) return {};
  return finding(
      "underdetermined_fit", Severity::warning, h, h.rows,
      static_cast<double>(h.samples) / (h.inputs + 1),
      fmt::format("The dynamics fit has {} samples for {} unknowns per output and step, "
                  "and no prior: it reproduces its samples and predicts nothing.",
                  h.samples, h.inputs + 1),
      fmt::format("fit.prior = \"neighbours\", or samples = {} and more.", 2 * (h.inputs + 1)));
}

/// Below 1.5 at some step in more than half of the iterations: one sample then has four fifths of
/// the weight (1 / (0.8^2 + 0.2^2) = 1.47), and the update follows its noise.
std::optional<Finding> weights_on_one_sample(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  const double effective = median(rows, &MetricsNumbers::effective_samples_min);
  if (rows.empty() || !(effective < 1.5)) return {};
  return finding("weights_on_one_sample", Severity::warning, h, rows, effective,
                 fmt::format("The PI2 weights sit on one sample: {:.2f} effective samples of {} at "
                             "the worst step (median of the iterations).",
                             effective, h.samples),
                 "Lower temperature.kl_share or temperature.kl_step, or raise samples.");
}

/// More than 0.3 in the last part's median: the rule of PILQR17 halves the step above 0.2, and
/// runs that learn stay below that at their end.
std::optional<Finding> unexplained_cost(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  if (rows.size() < 3 || solved(rows)) return {};
  const Rows last = last_part(rows);
  const double ratio = median(last, &MetricsNumbers::residual_ratio);
  if (!(ratio > 0.3)) return {};
  return finding(
      "unexplained_cost", Severity::warning, h, last, ratio,
      fmt::format("The model explains {:.0f} % of the cost of its own samples (residual "
                  "ratio {:.2f}).",
                  100 * std::max(0.0, 1 - ratio), ratio),
      "Raise samples, or neighbours.points_per_input; algorithm = \"pi2\" needs no model.");
}

/// In more than a third of the iterations: seldom, it is one batch with an outlier.
std::optional<Finding> replay_left_data(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  const auto count = std::count_if(rows.begin(), rows.end(),
                                   [](const MetricsNumbers& row) { return row.replay_diverged; });
  if (rows.size() < 3 || solved(rows) || 3 * count <= std::ssize(rows)) return {};
  const double share = static_cast<double>(count) / static_cast<double>(rows.size());
  return finding(
      "replay_left_data", Severity::warning, h, rows, share,
      fmt::format("In {} of {} iterations the fitted dynamics ran away from the samples: "
                  "they are badly conditioned.",
                  count, rows.size()),
      "Raise samples, neighbours.points_per_input or fit.ridge.");
}

/// For the last three iterations or more: one or two are the rule at work.
std::optional<Finding> kl_step_at_lower_bound(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  if (rows.empty() || solved(rows)) return {};
  const Rows at = last_stretch(
      rows, [&](const MetricsNumbers& row) { return row.kl_step_mean <= 1.01 * h.kl_step_low; });
  if (at.size() < 3) return {};
  return finding(
      "kl_step_at_lower_bound", Severity::warning, h, at, at.back().kl_step_mean,
      fmt::format("The KL step has been at its lower bound ({:.2g} nats) for the last {} "
                  "iterations: the model promised gains that did not come.",
                  h.kl_step_low, at.size()),
      "Raise samples or neighbours.points_per_input; to keep the step from dying out, "
      "kl_step.min_multiplier_first and kl_step.min_multiplier_last.");
}

/// For the last three iterations or more, while the task is not solved.
std::optional<Finding> kl_step_at_upper_bound(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  if (rows.empty() || solved(rows)) return {};
  const Rows at = last_stretch(
      rows, [&](const MetricsNumbers& row) { return row.kl_step_mean >= 0.99 * h.kl_step_high; });
  if (at.size() < 3) return {};
  return finding(
      "kl_step_at_upper_bound", Severity::note, h, at, at.back().kl_step_mean,
      fmt::format("The KL step has been at its upper bound ({:.2g} nats) for the last {} "
                  "iterations: the model keeps its promises and could go faster.",
                  h.kl_step_high, at.size()),
      "Raise kl_step.max_multiplier_first and kl_step.max_multiplier_last, or the base "
      "steps.");
}

/// At every step the deviation of the noise, where it is recorded, is below a hundredth of the
/// first one; otherwise the spread of the costs is, which falls with it.
std::optional<Finding> noise_spent(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  if (rows.size() < least_rows || solved(rows)) return {};
  const Rows last = last_part(rows);
  const double ratio = median(last, &MetricsNumbers::noise_ratio_max);
  const bool recorded = !std::isnan(ratio);
  const double spread = median(last, &MetricsNumbers::cost_std) / rows.front().cost_std;
  const double left = recorded ? ratio : spread;
  if (!(left < 0.01)) return {};
  return finding("noise_spent", Severity::warning, h, last, left,
                 fmt::format("The exploration noise is spent: {} is {:.2g} of what it was, and the "
                             "samples do not succeed.",
                             recorded ? "its largest deviation" : "the spread of the costs", left),
                 "Raise pi2.covariance_damping, lqr_flm.min_variance_ratio or "
                 "lqr_flm.dual_floor, whichever the algorithm uses.");
}

/// Once half of the samples or more succeeded, and now less than half as many do.
std::optional<Finding> success_lost(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  if (rows.size() < least_rows || solved(rows)) return {};
  const auto best = std::max_element(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.success_rate < b.success_rate;
  });
  const Rows last = last_part(rows);
  const double now = mean(last, &MetricsNumbers::success_rate);
  if (!(best->success_rate >= 0.5 && now < 0.5 * best->success_rate)) return {};
  return finding(
      "success_lost", Severity::warning, h, last, now,
      fmt::format("{:.0f} % of the samples succeeded in iteration {}, {:.0f} % at the end.",
                  100 * best->success_rate, best->iteration, 100 * now),
      "Raise samples or pi2.covariance_damping, or take smaller steps "
      "(kl_step.max_multiplier_first, kl_step.max_multiplier_last, "
      "temperature.kl_step).");
}

namespace {

/// Fall of the mean cost from the part before the last one to the last one, as a share of the whole
/// fall; NaN where the training is short, did not fall or the fall may be luck.
double late_fall(const MetricsHistory& h, const Rows& rows) {
  if (rows.size() < least_rows) return none;
  const Rows last = last_part(rows);
  const Rows before = last_part({rows.begin(), rows.end() - std::ssize(last)});
  const double fall =
      mean(before, &MetricsNumbers::cost_mean) - mean(last, &MetricsNumbers::cost_mean);
  const double whole = rows.front().cost_mean - mean(last, &MetricsNumbers::cost_mean);
  const double luck = 2 * std::hypot(cost_error(before, h.samples), cost_error(last, h.samples));
  return fall > luck && whole > 0.0 ? fall / whole : none;
}

}  // namespace

/// A tenth of the whole fall or more came in the last part: one of five equal parts would have a
/// fifth, a training that is through has next to nothing.
std::optional<Finding> still_falling(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  const double share = late_fall(h, rows);
  if (solved(rows) || !(share >= 0.1)) return {};
  return finding(
      "still_falling", Severity::note, h, last_part(rows), share,
      fmt::format("The cost is still falling: {:.0f} % of the whole fall came at the end.",
                  100 * share),
      "Train longer: pilqr train --resume DIR --iterations I.");
}

/// For half of the iterations or more, none was better than the best before by a twentieth of the
/// whole fall and by two standard errors.
std::optional<Finding> flat_cost(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  if (rows.size() < least_rows || solved(rows)) return {};
  double lowest = rows.front().cost_mean;
  for (const MetricsNumbers& row : rows) lowest = std::min(lowest, row.cost_mean);
  const double whole = rows.front().cost_mean - lowest;
  double best = rows.front().cost_mean;
  auto since = rows.begin();
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    const double luck = 2 * cost_error({*row}, h.samples);
    if (!(row->cost_mean < best - std::max(0.05 * whole, luck))) continue;
    best = row->cost_mean;
    since = row;
  }
  const Rows flat{since, rows.end()};
  if (2 * flat.size() <= rows.size()) return {};
  return finding(
      "flat_cost", Severity::warning, h, flat, best,
      fmt::format("The cost has not fallen since iteration {} ({:.4g}), without success.",
                  since->iteration, best),
      "More iterations alone will not help: raise samples, or keep more noise "
      "(pi2.covariance_damping).");
}

/// No sample of any iteration.
std::optional<Finding> never_succeeded(const MetricsHistory& h) {
  const Rows rows = good_rows(h);
  const bool none_did = std::all_of(
      rows.begin(), rows.end(), [](const MetricsNumbers& row) { return row.success_rate == 0.0; });
  if (rows.empty() || !none_did) return {};
  return finding("never_succeeded", Severity::warning, h, rows, 0.0,
                 fmt::format("None of the samples of {} iterations succeeded.", rows.size()),
                 "See the other findings of this condition; without any, raise iterations.");
}

std::vector<Finding> diagnose(const std::vector<MetricsHistory>& conditions) {
  constexpr std::array<Rule, 14> rules{
      failed_update,       failed_rollouts,        cost_rose,
      underdetermined_fit, weights_on_one_sample,  unexplained_cost,
      replay_left_data,    kl_step_at_lower_bound, kl_step_at_upper_bound,
      noise_spent,         success_lost,           still_falling,
      flat_cost,           never_succeeded};
  std::vector<Finding> findings;
  for (const Rule rule : rules) {
    for (const MetricsHistory& history : conditions) {
      if (auto found = rule(history)) findings.push_back(std::move(*found));
    }
  }
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.severity, a.condition) < std::tie(b.severity, b.condition);
  });
  return findings;
}

}  // namespace pilqr::command
