#include "pilqr/baselines/ddpg.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pilqr/baselines/advantage.hpp"
#include "shuffle.hpp"

namespace pilqr {
namespace {

MlpShape actor_shape(int nx, int nu, const DdpgOptions& o) {
  return {.inputs = nx, .hidden = o.actor_hidden, .outputs = nu, .activation = o.activation};
}
MlpShape critic_shape(int nx, int nu, const DdpgOptions& o) {
  return {
      .inputs = nx + 1 + nu, .hidden = o.critic_hidden, .outputs = 1, .activation = o.activation};
}

DdpgNetworks new_networks(int nx, int nu, const DdpgOptions& o, RandomStream& stream) {
  const Mlp actor(actor_shape(nx, nu, o), stream);
  const Mlp first(critic_shape(nx, nu, o), stream, 1.0);
  const Mlp second(critic_shape(nx, nu, o), stream, 1.0);
  const AdamState critic_adam(first.parameter_count());
  return {.actor = actor,
          .target_actor = actor,
          .critic = {first, second},
          .target_critic = {first, second},
          .actor_adam = AdamState(actor.parameter_count()),
          .critic_adam = {critic_adam, critic_adam}};
}

/// All that an update changes before it can fail; the networks are copied by what trains them.
class Before {
 public:
  Before(const DdpgState& s, long transitions)
      : replay_(s.replay, transitions),
        states_(s.states),
        scaled_(s.scaled),
        cost_mean_(s.cost_mean),
        cost_scale_(s.cost_scale),
        samples_(s.samples),
        steps_(s.steps) {}
  void put_back(DdpgState& s) const {
    replay_.put_back(s.replay);
    s.states = states_;
    s.scaled = scaled_;
    s.cost_mean = cost_mean_;
    s.cost_scale = cost_scale_;
    s.samples = samples_;
    s.steps = steps_;
  }

 private:
  ReplacedTransitions replay_;
  RunningMoments states_;
  bool scaled_;
  double cost_mean_, cost_scale_;
  long samples_, steps_;
};

Failure too_large(double value, const char* what) {
  return {.kind = FailureKind::non_finite_update,
          .value = value,
          .detail = fmt::format("{}: too large to learn from", what)};
}

}  // namespace

void require_valid(const DdpgOptions& o) {
  const auto positive = [](double value, const char* name) {
    require(std::isfinite(value) && value > 0.0, "ddpg: {} is {}, expected > 0", name, value);
  };
  positive(o.std, "std");
  positive(o.initial_std, "initial_std");
  positive(o.updates_per_step, "updates_per_step");
  positive(o.smoothing_limit, "smoothing_limit");
  require(std::isfinite(o.smoothing_std) && o.smoothing_std >= 0.0,
          "ddpg: smoothing_std is {}, expected >= 0", o.smoothing_std);
  require(o.start_steps >= 1 && o.batch >= 1 && o.capacity >= 1 && o.policy_delay >= 1,
          "ddpg: start_steps is {}, batch {}, capacity {}, policy_delay {}, expected at least 1",
          o.start_steps, o.batch, o.capacity, o.policy_delay);
  require(o.discount >= 0.0 && o.discount <= 1.0, "ddpg: discount is {}, expected 0 to 1",
          o.discount);
  require(o.target_rate > 0.0 && o.target_rate <= 1.0,
          "ddpg: target_rate is {}, expected 0 < target_rate <= 1", o.target_rate);
  require_valid(o.actor_adam);
  require_valid(o.critic_adam);
  require_valid(o.normalisation);
}

void follow(const Mlp& source, double rate, Mlp& target) {
  require(source.shape() == target.shape(), "target network of {} parameters, source of {}",
          target.parameter_count(), source.parameter_count());
  target.parameters() += rate * (source.parameters() - target.parameters());
}

Ddpg::Ddpg(int nx, int nu, int steps, const DdpgOptions& options, RandomStream& stream)
    : options_(options),
      steps_(steps),
      scale_(valid_action_scale(options.action_scale, nu)),
      state_{.networks = new_networks(nx, nu, options, stream),
             .replay = Replay(nx, nu, options.capacity),
             .states = RunningMoments(nx)} {
  require_valid(options_);
  require(steps >= 1, "ddpg: a horizon of {} steps", steps);
  const int B = options_.batch;
  z_.resize(nx, B);
  z_after_.resize(nx, B);
  inputs_.resize(nx + 1 + nu, B);
  after_.resize(nx + 1 + nu, B);
  d_inputs_.resize(nx + 1 + nu, B);
  u_.resize(nu, B);
  d_u_.resize(nu, B);
  q_.resize(1, B);
  other_q_.resize(1, B);
  reward_.resize(B);
  target_.resize(B);
  d_actor_.resize(state_.networks.actor.parameter_count());
  d_critic_.resize(state_.networks.critic[0].parameter_count());
}

NetworkPolicy Ddpg::policy() const {
  return policy_of(state_);
}

NetworkPolicy Ddpg::policy_of(const DdpgState& state) const {
  const double std = state.steps < options_.start_steps ? options_.initial_std : options_.std;
  NetworkPolicy policy =
      scaled_policy(state.networks.actor, state.states.normalisation(options_.normalisation),
                    scale_, VectorX::Constant(scale_.size(), std));
  policy.set_limits(-scale_, scale_);
  return policy;
}

void Ddpg::require_fits(const std::vector<RolloutsView>& batches) const {
  require(!batches.empty(), "ddpg: an update without rollouts");
  for (const RolloutsView& r : batches) {
    require_valid(r);
    require(r.nx() == state_.replay.x.rows() && r.nu() == rows(scale_) && r.steps() == steps_,
            "ddpg: rollouts of {} steps, nx = {}, nu = {}, expected {}, {}, {}", r.steps(), r.nx(),
            r.nu(), steps_, state_.replay.x.rows(), scale_.size());
  }
}

void Ddpg::remember(const std::vector<RolloutsView>& batches) {
  for (const RolloutsView& r : batches) {
    state_.replay.add(r);
    state_.samples += r.samples();
    state_.steps += static_cast<long>(r.samples()) * steps_;
  }
}

/// The mean and deviation of the costs, as long as nothing has been learnt; afterwards they stay.
/// Refuses costs whose rewards are so large that the squares of gradients would overflow.
Failure Ddpg::scale_rewards(const std::vector<RolloutsView>& batches) {
  constexpr double largest = 1e100;
  if (!state_.scaled) {
    const auto cost = state_.replay.cost.head(state_.replay.size).array();
    const double mean = cost.mean();
    const double std = std::sqrt((cost - mean).square().mean());
    const double size = std::abs(mean) + std;
    if (!(size <= largest)) return too_large(size, "mean and deviation of the costs");
    if (state_.steps < options_.start_steps) return {};
    state_.cost_mean = mean;
    state_.cost_scale = std > 1e-8 * (1.0 + std::abs(mean)) ? std : 1.0;
    state_.scaled = true;
  }
  for (const RolloutsView& r : batches) {
    const double reward =
        ((r.cost.array() - state_.cost_mean) / state_.cost_scale).abs().maxCoeff();
    if (!(reward <= largest)) return too_large(reward, "a cost, in the scale of the first ones");
  }
  return {};
}

/// B transitions of the replay, each as likely: [z; time; control] here and after, without the
/// control there, and the reward.
void Ddpg::draw(RandomStream& stream, const Normalisation& normalisation) {
  const Replay& replay = state_.replay;
  const int nx = rows(replay.x);
  for (int b = 0; b < options_.batch; ++b) {
    const int j = uniform_index(stream, replay.size);
    const int t = static_cast<int>(replay.step(j));
    const bool last = t + 1 >= steps_;
    z_.col(b) = replay.x.col(j);
    z_after_.col(b) = replay.after.col(j);
    inputs_(nx, b) = time_feature(t, steps_);
    after_(nx, b) = time_feature(last ? t : t + 1, steps_);
    inputs_.col(b).tail(rows(scale_)) = replay.u.col(j).cwiseQuotient(scale_);
    reward_(b) = -(replay.cost(j) - state_.cost_mean) / state_.cost_scale;
    target_(b) = last ? 0.0 : options_.discount;  // what the next value counts
  }
  normalisation.apply(z_, z_);
  normalisation.apply(z_after_, z_after_);
  inputs_.topRows(nx) = z_;
  after_.topRows(nx) = z_after_;
}

/// target_ <- reward + discount * the lesser target critic's value of the target actor's control
/// with limited noise, TD3 eq. 14; at the last step the reward.
void Ddpg::set_targets(const DdpgNetworks& networks, RandomStream& stream) {
  networks.target_actor.forward(z_after_, actor_ws_, u_);
  if (options_.smoothing_std > 0.0) {
    const double limit = options_.smoothing_limit;
    stream.fill_normal(d_u_);
    u_ += (options_.smoothing_std * d_u_).cwiseMax(-limit).cwiseMin(limit);
  }
  after_.bottomRows(u_.rows()) = u_.cwiseMax(-1.0).cwiseMin(1.0);
  networks.target_critic[0].forward(after_, critic_ws_, q_);
  if (options_.twin) {
    networks.target_critic[1].forward(after_, critic_ws_, other_q_);
    q_ = q_.cwiseMin(other_q_);
  }
  target_ = reward_ + target_.cwiseProduct(q_.row(0).transpose());
}

/// One step of Adam on the mean of 1/2 (Q - target)^2 for each critic.
Failure Ddpg::improve_critics(DdpgNetworks& networks, DdpgReport& sums) {
  for (std::size_t k = 0; k < (options_.twin ? 2U : 1U); ++k) {
    networks.critic[k].forward(inputs_, critic_ws_, q_);
    if (k == 0) sums.value_mean += q_.mean();
    q_ -= target_.transpose();
    if (k == 0) sums.critic_loss += 0.5 * q_.squaredNorm() / options_.batch;
    q_ /= options_.batch;
    networks.critic[k].backward(critic_ws_, q_, d_critic_);
    Failure failure = adam_step(d_critic_, options_.critic_adam, networks.critic_adam[k],
                                networks.critic[k].parameters());
    if (!failure.ok()) {
      failure.detail += " of a critic";
      return failure;
    }
  }
  return {};
}

/// One step of Adam up the mean of Q(z, actor(z)), DDPG eq. 6, inverted towards the limits.
Failure Ddpg::improve_actor(DdpgNetworks& networks) {
  networks.actor.forward(z_, actor_ws_, u_);
  inputs_.bottomRows(u_.rows()) = u_;
  networks.critic[0].forward(inputs_, critic_ws_, q_);
  q_.setConstant(-1.0 / options_.batch);  // of the loss, -Q
  networks.critic[0].backward_inputs(critic_ws_, q_, d_inputs_);
  d_u_ = d_inputs_.bottomRows(u_.rows());
  for (Eigen::Index j = 0; j < u_.size(); ++j) {
    double& d = d_u_(j);
    d *= 0.5 * (d < 0.0 ? 1.0 - u_(j) : 1.0 + u_(j));  // below 0 the control is to grow
  }
  networks.actor.backward(actor_ws_, d_u_, d_actor_);
  Failure failure =
      adam_step(d_actor_, options_.actor_adam, networks.actor_adam, networks.actor.parameters());
  if (!failure.ok()) failure.detail += " of the actor";
  return failure;
}

Failure Ddpg::make_updates(int updates, RandomStream& stream, DdpgNetworks& networks,
                           DdpgReport& report) {
  const Normalisation normalisation = state_.states.normalisation(options_.normalisation);
  for (int n = 0; n < updates; ++n) {
    draw(stream, normalisation);
    set_targets(networks, stream);
    Failure failure = improve_critics(networks, report);
    ++report.updates;
    if (failure.ok() && (state_.updates + report.updates) % options_.policy_delay == 0) {
      failure = improve_actor(networks);
      follow(networks.actor, options_.target_rate, networks.target_actor);
      for (std::size_t k = 0; k < (options_.twin ? 2U : 1U); ++k) {
        follow(networks.critic[k], options_.target_rate, networks.target_critic[k]);
      }
    }
    if (!failure.ok()) {
      failure.detail += fmt::format(", update {} of {}", n, updates);
      return failure;
    }
  }
  for (const Mlp* network :
       {&networks.actor, &networks.target_actor, networks.critic.data(), &networks.critic[1],
        networks.target_critic.data(), &networks.target_critic[1]}) {
    if (!network->parameters().allFinite()) {
      return {.kind = FailureKind::non_finite_update, .detail = "a parameter of the networks"};
    }
  }
  if (!std::isfinite(report.critic_loss))
    return too_large(report.critic_loss, "loss of the critic");
  return {};
}

/// The updates that are due, of which the fraction stays due.
Failure Ddpg::learn(double due, RandomStream& stream, DdpgReport& report) {
  const int updates = static_cast<int>(due);
  DdpgNetworks networks = state_.networks;
  Failure failure = make_updates(updates, stream, networks, report);
  if (!failure.ok()) return failure;
  report.critic_loss /= std::max(1, updates);
  report.value_mean /= std::max(1, updates);
  state_.networks = std::move(networks);
  state_.updates += updates;
  state_.updates_due = due - updates;
  return {};
}

DdpgReport Ddpg::update(const std::vector<RolloutsView>& batches, RandomStream stream) {
  require_fits(batches);
  long added = 0;
  RunningMoments states = state_.states;
  for (const RolloutsView& r : batches) {
    for (int t = 0; t < steps_; ++t) states.add(r.x[t]);
    added += static_cast<long>(r.samples()) * steps_;
  }
  DdpgReport report{.samples = state_.samples, .steps = state_.steps};
  if (!states.finite()) {
    report.failure = {.kind = FailureKind::non_finite_update,
                      .detail = "squares of the states' deviations"};
    return report;
  }
  const Before before(state_, added);
  state_.states = std::move(states);
  remember(batches);
  report.failure = scale_rewards(batches);
  if (report.ok() && state_.steps >= options_.start_steps) {
    const double due = state_.updates_due + options_.updates_per_step * static_cast<double>(added);
    report.failure = learn(due, stream, report);
  }
  if (!report.ok()) before.put_back(state_);
  report.samples = state_.samples;
  report.steps = state_.steps;
  return report;
}

void Ddpg::restore(DdpgState state) {
  const auto fits = [](const Mlp& a, const Mlp& b) {
    require(a.shape() == b.shape() && a.parameters().allFinite(),
            "ddpg: a network of {} parameters, expected {}, all finite", a.parameter_count(),
            b.parameter_count());
  };
  const DdpgNetworks& now = state_.networks;
  const DdpgNetworks& then = state.networks;
  fits(then.actor, now.actor);
  fits(then.target_actor, now.actor);
  require_valid(then.actor_adam, now.actor.parameter_count());
  for (std::size_t k = 0; k < 2; ++k) {
    fits(then.critic[k], now.critic[k]);
    fits(then.target_critic[k], now.critic[k]);
    require_valid(then.critic_adam[k], now.critic[k].parameter_count());
  }
  const Replay& r = state.replay;
  const int nx = rows(state_.replay.x);
  const int nu = rows(scale_);
  const auto shaped = [&](const MatrixX& m, int n) {
    return rows(m) == n && cols(m) == options_.capacity;
  };
  require(shaped(r.x, nx) && shaped(r.u, nu) && shaped(r.after, nx) &&
              r.capacity() == options_.capacity && r.step.size() == r.cost.size(),
          "ddpg: a replay of {} transitions, nx = {}, nu = {}, expected {}, {}, {}", r.capacity(),
          r.x.rows(), r.u.rows(), options_.capacity, nx, nu);
  require(r.size >= 0 && r.size <= r.capacity() && r.next >= 0 && r.next < r.capacity() &&
              (r.size == r.capacity() || r.next == r.size),
          "ddpg: a replay with {} of {} transitions and the next at {}", r.size, r.capacity(),
          r.next);
  for (int j = 0; j < r.size; ++j) {
    require(r.step(j) >= 0.0 && r.step(j) < steps_ && r.step(j) == std::floor(r.step(j)),
            "ddpg: step {} of a transition, the horizon has {}", r.step(j), steps_);
  }
  require(rows(state.states.mean) == rows(state_.states.mean), "ddpg: {} moments, expected {}",
          rows(state.states.mean), rows(state_.states.mean));
  require_valid(state.states);
  require(std::isfinite(state.cost_mean) && std::isfinite(state.cost_scale) &&
              state.cost_scale > 0.0 && state.updates_due >= 0.0 && state.updates_due < 1.0,
          "ddpg: cost_mean is {}, cost_scale {}, updates_due {}", state.cost_mean, state.cost_scale,
          state.updates_due);
  require(is_count(state.updates) && is_count(state.samples) && is_count(state.steps),
          "ddpg: {} updates, {} rollouts, {} steps", state.updates, state.samples, state.steps);
  (void)policy_of(state);  // its numbers may overflow in the unit of the controls
  state_ = std::move(state);
}

}  // namespace pilqr
