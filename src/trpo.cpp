#include "pilqr/baselines/trpo.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "pilqr/baselines/advantage.hpp"

namespace pilqr {

void require_valid(const TrpoOptions& o) {
  require(o.initial_std >= 1e-100 && o.initial_std <= 1e100,  // a state holds its logarithm
          "trpo: initial_std is {}, expected 1e-100 to 1e100", o.initial_std);
  require(o.discount >= 0.0 && o.discount <= 1.0, "trpo: discount is {}, expected 0 to 1",
          o.discount);
  require(o.lambda >= 0.0 && o.lambda <= 1.0, "trpo: lambda is {}, expected 0 to 1", o.lambda);
  require_valid(o.trust_region);
  require_valid(o.value);
  require_valid(o.normalisation);
}

Trpo::Trpo(int nx, int nu, int steps, const TrpoOptions& options, RandomStream& stream)
    : options_(options),
      steps_(steps),
      scale_(valid_action_scale(options.action_scale, nu)),
      value_(nx + 1, options.value, stream),
      state_{{Mlp({.inputs = nx,
                   .hidden = options.hidden,
                   .outputs = nu,
                   .activation = options.activation},
                  stream),
              VectorX::Constant(nu, std::log(options.initial_std))},
             value_.state(),
             RunningMoments(nx)},
      region_(options.trust_region) {
  require_valid(options_);
  require(steps >= 1, "trpo: a horizon of {} steps", steps);
}

NetworkPolicy Trpo::policy() const {
  return policy_of(state_);
}

NetworkPolicy Trpo::policy_of(const TrpoState& state) const {
  return scaled_policy(state.policy.mean, state.states.normalisation(options_.normalisation),
                       scale_, state.policy.log_std.array().exp());
}

/// All points, with the normalised states. Takes the moments of the first batches.
void Trpo::gather(const std::vector<RolloutsView>& batches) {
  const int nx = state_.policy.mean.inputs();
  const int nu = state_.policy.mean.outputs();
  require(!batches.empty(), "trpo: an update without rollouts");
  int P = 0;
  for (const RolloutsView& r : batches) {
    require_valid(r);
    require(r.nx() == nx && r.nu() == nu && r.steps() == steps_,
            "trpo: rollouts of {} steps, nx = {}, nu = {}, expected {}, {}, {}", r.steps(), r.nx(),
            r.nu(), steps_, nx, nu);
    P += steps_ * r.samples();
  }
  x_.resize(nx, P);
  points_.z.resize(nx, P);
  points_.u.resize(nu, P);
  points_.advantage.resize(P);
  inputs_.resize(nx + 1, P);
  int p = 0;
  for (const RolloutsView& r : batches) {
    for (int t = 0; t < steps_; ++t, p += r.samples()) {
      x_.middleCols(p, r.samples()) = r.x[t];
      points_.u.middleCols(p, r.samples()) = scale_.cwiseInverse().asDiagonal() * r.u[t];
      inputs_.bottomRows(1).middleCols(p, r.samples()).setConstant(time_feature(t, steps_));
    }
  }
}

/// Advantages and returns by the present value function, and the share of the returns' variance
/// that it explains.
Failure Trpo::estimate(const std::vector<RolloutsView>& batches, ValueFunction& value,
                       double& explained_variance) {
  const Eigen::Index P = x_.cols();
  values_.resize(P);
  returns_.resize(P);
  value.evaluate(inputs_, values_);
  Eigen::Index p = 0;
  for (const RolloutsView& r : batches) {
    const int N = r.samples();  // points of one step are neighbours: an N x T matrix
    Eigen::Map<MatrixX> advantage(points_.advantage.data() + p, N, steps_);
    generalized_advantage(r.cost, Eigen::Map<const MatrixX>(values_.data() + p, N, steps_),
                          options_.discount, options_.lambda, advantage);
    p += Eigen::Index{N} * steps_;
  }
  returns_ = values_ + points_.advantage;
  auto a = points_.advantage.array();
  const double unexplained = (a - a.mean()).square().mean();
  if (!std::isfinite(unexplained)) {  // infinite: it would scale every advantage to 0
    return {.kind = FailureKind::non_finite_update,
            .value = unexplained,
            .detail = "variance of the advantages"};
  }
  const double variance = (returns_.array() - returns_.mean()).square().mean();
  a -= a.mean();
  if (unexplained > 0.0) a /= std::sqrt(unexplained);
  explained_variance =
      variance > 0.0 ? 1.0 - unexplained / variance : std::numeric_limits<double>::quiet_NaN();
  return {};
}

TrpoReport Trpo::update(const std::vector<RolloutsView>& batches, RandomStream stream) {
  gather(batches);
  TrpoReport report;
  TrpoState next = state_;
  ValueFunction value = value_;
  RunningMoments all = state_.states;  // with these rollouts
  all.add(x_);
  if (!all.finite()) {
    report.failure = {.kind = FailureKind::non_finite_update,
                      .detail = "squares of the states' deviations"};
  }
  if (report.ok()) {
    if (next.states.points == 0.0) next.states = all;
    next.states.normalisation(options_.normalisation).apply(x_, points_.z);
    inputs_.topRows(x_.rows()) = points_.z;
    report.failure = estimate(batches, value, report.explained_variance);
  }
  if (report.ok()) {
    report.step = region_.step(next.policy, points_);
    report.failure = report.step.failure;
  }
  if (report.ok()) report.failure = value.fit(inputs_, returns_, stream);
  if (report.ok()) {
    next.states = std::move(all);
    for (const RolloutsView& r : batches) next.samples += r.samples();
    next.steps += x_.cols();
    next.value = value.state();
    value_ = std::move(value);
    state_ = std::move(next);
  }
  report.std_mean = state_.policy.log_std.array().exp().mean();
  report.samples = state_.samples;
  report.steps = state_.steps;
  return report;
}

void Trpo::restore(TrpoState state) {
  const DiagonalGaussian& policy = state.policy;
  require(
      policy.mean.shape() == state_.policy.mean.shape() &&
          rows(policy.log_std) == policy.mean.outputs() &&
          rows(state.states.mean) == policy.mean.inputs(),
      "trpo: a state of {} inputs, {} outputs, {} deviations and {} moments, expected {} and {}",
      policy.mean.inputs(), policy.mean.outputs(), rows(policy.log_std), rows(state.states.mean),
      state_.policy.mean.inputs(), state_.policy.mean.outputs());
  require(policy.mean.parameters().allFinite(), "trpo: a parameter of the policy is not finite");
  constexpr double most = 300.0;  // so that deviations and their squares are numbers
  require((policy.log_std.array().abs() <= most).all(),
          "trpo: log_std is {} to {}, expected {} to {}", policy.log_std.minCoeff(),
          policy.log_std.maxCoeff(), -most, most);
  require(is_count(state.samples) && is_count(state.steps),
          "trpo: a state after {} rollouts, {} steps", state.samples, state.steps);
  require_valid(state.states);
  (void)policy_of(state);  // its numbers may overflow in the unit of the controls
  value_.restore(state.value);
  state_ = std::move(state);
}

}  // namespace pilqr
