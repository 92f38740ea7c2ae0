#include "pilqr/train/share.hpp"

#include <limits>
#include <string_view>

namespace pilqr {
namespace {

/// The numbers of a report, in one order for both directions.
template <class Report, class Visit>
void for_each_number(Report& report, Visit&& visit) {
  visit(report.cost_mean);
  visit(report.cost_std);
  visit(report.cost_min);
  visit(report.cost_model_mean);
  visit(report.residual_ratio);
  visit(report.kl_step_mean);
  visit(report.kl_mean);
  visit(report.temperature_mean);
  visit(report.effective_samples_min);
  visit(report.replay_diverged_step);
  visit(report.noise_std_min);
  visit(report.noise_ratio_min);
  visit(report.noise_ratio_max);
  visit(report.floored_steps);
  visit(report.moved);
}

/// The vectors of a report, the same way.
template <class Steps, class Visit>
void for_each_vector(Steps& steps, Visit&& visit) {
  visit(steps.kl_step);
  visit(steps.kl);
  visit(steps.residual_ratio);
  visit(steps.temperature);
  visit(steps.effective_samples);
}

/// A vector of a report. It grows as it is read: its length may be any number.
VectorX get_vector(MessageReader& in) {
  const int length = in.get<int>();
  require(length >= 0, "a message of another rank has a vector of {} entries", length);
  std::vector<double> values;
  for (int i = 0; i < length; ++i) values.push_back(in.get<double>());
  return Eigen::Map<const VectorX>(values.data(), length);
}

}  // namespace

void put(const Failure& failure, MessageWriter& out) {
  out.put(static_cast<int>(failure.kind));
  if (failure.ok()) return;
  out.put(failure.condition);
  out.put(failure.sample);
  out.put(failure.step);
  out.put(failure.value);
  out.put(std::string_view(failure.detail));
  out.put(failure.rank);
  out.put(failure.attempt);
}

Failure get_failure(MessageReader& in) {
  Failure failure;
  const int kind = in.get<int>();
  failure.kind = static_cast<FailureKind>(kind);
  require(name(failure.kind) != std::string_view("unknown"),
          "a message of another rank has a failure of kind {}", kind);
  if (failure.ok()) return failure;
  failure.condition = in.get<int>();
  failure.sample = in.get<int>();
  failure.step = in.get<int>();
  failure.value = in.get<double>();
  failure.detail = in.get_text();
  failure.rank = in.get<int>();
  failure.attempt = in.get<int>();
  require(failure.attempt >= 0 && failure.attempt < std::numeric_limits<int>::max(),
          "a message of another rank has a failure of attempt {}", failure.attempt);
  return failure;
}

void put(const NetworkPolicy& policy, MessageWriter& out) {
  const Normalisation& n = policy.normalisation();
  const MatrixX& L = policy.covariance_factor();
  out.put(policy.normalised());
  for (const VectorX& part : {VectorX(policy.network().parameters()), n.mean, n.scale,
                              VectorX(L.reshaped()), policy.lower(), policy.upper()}) {
    out.put(static_cast<int>(part.size()));
    out.put_column(part);
  }
}

void put(const IterationRecord& record, MessageWriter& out) {
  out.put(record.iteration);
  out.put(record.condition);
  out.put(record.seconds_rollout);
  out.put(record.seconds_update);
  for_each_number(record.report, [&](const auto& number) { out.put(number); });
  for_each_vector(record.report.steps, [&](const VectorX& vector) {
    out.put(static_cast<int>(vector.size()));
    out.put_column(vector);
  });
  put(record.report.failure, out);
  out.put(record.rollouts);
  out.put(record.faults.size());
  for (const Failure& fault : record.faults) put(fault, out);
}

IterationRecord get_record(MessageReader& in) {
  IterationRecord record;
  record.iteration = in.get<int>();
  record.condition = in.get<int>();
  record.seconds_rollout = in.get<double>();
  record.seconds_update = in.get<double>();
  for_each_number(record.report,
                  [&](auto& number) { number = in.get<std::decay_t<decltype(number)>>(); });
  for_each_vector(record.report.steps, [&](VectorX& vector) { vector = get_vector(in); });
  record.report.failure = get_failure(in);
  record.rollouts = in.get<int>();
  for (auto left = in.get<std::size_t>(); left > 0; --left)
    record.faults.push_back(get_failure(in));
  return record;
}

}  // namespace pilqr
