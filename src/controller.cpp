#include "pilqr/deploy/controller.hpp"

#include <algorithm>
#include <cmath>

#include "pilqr/core/check.hpp"

namespace pilqr {
namespace {

/// Gives an empty vector its size; throws unless any other has it.
void fill(VectorX& values, int n, double otherwise, const char* what) {
  if (values.size() == 0) values = VectorX::Constant(n, otherwise);
  require(rows(values) == n, "controller: {} has {} entries, expected {}", what, rows(values), n);
}

void require_range(const VectorX& lower, const VectorX& upper, const char* what) {
  for (int i = 0; i < rows(lower); ++i) {
    require(lower(i) <= upper(i) && lower(i) < infinity && upper(i) > -infinity,
            "controller: limits of {} {} are {} and {}", what, i, lower(i), upper(i));
  }
}

/// Options with vectors of full size.
ControllerOptions checked(ControllerOptions o, int nx, int nu) {
  fill(o.lower, nu, -infinity, "lower");
  fill(o.upper, nu, infinity, "upper");
  fill(o.safe, nu, 0.0, "safe");
  fill(o.rate_limit, nu, infinity, "rate_limit");
  fill(o.state_lower, nx, -infinity, "state_lower");
  fill(o.state_upper, nx, infinity, "state_upper");
  require_range(o.lower, o.upper, "control");
  require_range(o.state_lower, o.state_upper, "state");
  require(std::isfinite(o.dt) && o.dt >= 0.0, "controller: dt is {} s, expected >= 0", o.dt);
  for (int i = 0; i < nu; ++i) {
    require(std::isfinite(o.safe(i)) && o.safe(i) >= o.lower(i) && o.safe(i) <= o.upper(i),
            "controller: safe control {} is {}, its limits are {} and {}", i, o.safe(i), o.lower(i),
            o.upper(i));
    require(o.rate_limit(i) > 0.0, "controller: rate_limit {} is {}, expected > 0", i,
            o.rate_limit(i));
    require(o.rate_unit == RateUnit::per_step || o.rate_limit(i) == infinity || o.dt > 0.0,
            "controller: a rate limit per second with dt = {} s", o.dt);
  }
  require(o.max_age >= 0.0, "controller: max_age is {} s, expected >= 0", o.max_age);
  require(o.horizon >= 0, "controller: horizon is {}, expected >= 0", o.horizon);
  require(o.most_held >= 0, "controller: most_held is {}, expected >= 0", o.most_held);
  return o;
}

}  // namespace

const char* name(ControlStatus status) {
  switch (status) {
    case ControlStatus::ok:
      return "ok";
    case ControlStatus::limited:
      return "limited";
    case ControlStatus::rate_limited:
      return "rate_limited";
    case ControlStatus::wrong_size:
      return "wrong_size";
    case ControlStatus::bad_step:
      return "bad_step";
    case ControlStatus::finished:
      return "finished";
    case ControlStatus::stale:
      return "stale";
    case ControlStatus::bad_state:
      return "bad_state";
    case ControlStatus::bad_control:
      return "bad_control";
  }
  return "unknown";
}

Controller::Controller(Program program, ControllerOptions options) : program_(std::move(program)) {
  if (const auto* varying = std::get_if<TimeVarying>(&program_)) {
    const LinearGaussianPolicy<>& p = varying->policy;
    require(p.steps() >= 1 && p.k.steps() == p.steps() && p.k.rows() == p.nu(),
            "controller: a policy with {} gains for {} controls and {} controls of {}", p.steps(),
            p.nu(), p.k.steps(), p.k.rows());
    const int bad = std::max(p.K.first_non_finite_step(), p.k.first_non_finite_step());
    require(bad < 0, "controller: the policy has a NaN or infinite entry at t = {}", bad);
    require(options.horizon == 0,
            "controller: horizon is {}, expected 0: the policy has {} steps of its own",
            options.horizon, p.steps());
    nx_ = p.nx();
    nu_ = p.nu();
    horizon_ = p.steps();
  } else {
    auto& [p, observation, seen, workspace, u] = std::get<Network>(program_);
    require(p.network().parameters().allFinite(),
            "controller: the network has a NaN or infinite parameter");
    nx_ = p.nx() - observation.extra();
    nu_ = p.nu();
    require(nx_ >= 1, "controller: the network sees {} entries, {} of them from the observation",
            p.nx(), observation.extra());
    require_valid(observation, nx_);
    seen.resize(p.nx(), 1);
    horizon_ = options.horizon;
    fill(options.lower, nu_, -infinity, "lower");
    fill(options.upper, nu_, infinity, "upper");
    for (int i = 0; i < nu_; ++i) {  // NaN of the options stays
      if (p.lower()(i) > options.lower(i)) options.lower(i) = p.lower()(i);
      if (p.upper()(i) < options.upper(i)) options.upper(i) = p.upper()(i);
    }
  }
  options_ = checked(std::move(options), nx_, nu_);
  wanted_ = VectorX::Zero(nu_);
  const VectorX x = VectorX::Zero(nx_);
  (void)evaluate(0, {x.data(), static_cast<std::size_t>(nx_)});  // buffers take their sizes
  last_ = options_.safe;
}

void Controller::reset() noexcept {
  step_ = 0;
  held_ = 0;
  before_.reset();
  last_ = options_.safe;
}

ControlStatus Controller::control(std::span<const double> x, std::span<double> u,
                                  const ControlTime& time) noexcept {
  const bool room = u.size() == static_cast<std::size_t>(nu_);
  const ControlStatus status = choose(x, room && x.size() == static_cast<std::size_t>(nx_), time);
  ++counts_[static_cast<std::size_t>(status)];
  if (room) std::copy_n(last_.data(), nu_, u.data());
  return status;
}

ControlStatus Controller::choose(std::span<const double> x, bool right_size,
                                 const ControlTime& time) noexcept {
  const double seconds = seconds_since_last(time);
  int t = 0;
  const bool running = next_step(time, t);
  if (right_size && t >= 0 && !running) {
    if (options_.at_end == HorizonEnd::stop) (void)approach(options_.safe, seconds);
    return ControlStatus::finished;
  }
  const ControlStatus refused = !right_size       ? ControlStatus::wrong_size
                                : t < 0           ? ControlStatus::bad_step
                                : !fresh(time)    ? ControlStatus::stale
                                : !in_range(x)    ? ControlStatus::bad_state
                                : !evaluate(t, x) ? ControlStatus::bad_control
                                                  : ControlStatus::ok;
  if (refused != ControlStatus::ok) {
    if (held_ < options_.most_held) {
      ++held_;
    } else {
      (void)approach(options_.safe, seconds);
    }
    return refused;
  }
  held_ = 0;
  const bool clipped = limit();
  if (approach(wanted_, seconds)) return ControlStatus::rate_limited;
  return clipped ? ControlStatus::limited : ControlStatus::ok;
}

/// The step of this call into t, and that of the next; false after the end of the horizon or if the
/// given step is negative, which t then is too.
bool Controller::next_step(const ControlTime& time, int& t) noexcept {
  constexpr int greatest = std::numeric_limits<int>::max() - 1;
  t = time.step.value_or(step_);
  const bool valid = t >= 0;  // or else this call takes the place of the step that was next
  int now = std::min(valid ? t : step_, greatest);
  if (horizon_ > 0 && now >= horizon_) {
    if (options_.at_end != HorizonEnd::repeat) {
      step_ = horizon_;
      return false;
    }
    now %= horizon_;
    repeats_ += now == 0 ? 1 : 0;
  }
  step_ = now + 1;
  if (valid) t = now;
  return valid;
}

/// Time since the last call as far as a rate limit counts it, s.
double Controller::seconds_since_last(const ControlTime& time) noexcept {
  if (!time.now || !std::isfinite(*time.now)) return options_.dt;
  const double seconds = before_ ? *time.now - *before_ : options_.dt;
  before_ = time.now;
  return std::clamp(seconds, 0.0, options_.dt);
}

bool Controller::fresh(const ControlTime& time) const noexcept {
  if ((time.now && !std::isfinite(*time.now)) || (time.measured && !std::isfinite(*time.measured)))
    return false;
  if (options_.max_age == infinity) return true;
  return time.now && time.measured && std::abs(*time.now - *time.measured) <= options_.max_age;
}

bool Controller::in_range(std::span<const double> x) const noexcept {
  for (int i = 0; i < nx_; ++i) {
    const double value = x[static_cast<std::size_t>(i)];
    if (!std::isfinite(value) || value < options_.state_lower(i) || value > options_.state_upper(i))
      return false;
  }
  return true;
}

/// The policy's mean into wanted_; false if it is not finite.
bool Controller::evaluate(int t, std::span<const double> x) noexcept {
  const Eigen::Map<const VectorX> state(x.data(), nx_);
  if (auto* varying = std::get_if<TimeVarying>(&program_)) {
    varying->policy.mean(t, state, wanted_);
  } else if (auto* network = std::get_if<Network>(&program_)) {
    network->observation.see(state, network->seen);
    network->policy.mean(network->seen, network->u, network->workspace);
    wanted_ = network->u.col(0);
  }
  return wanted_.allFinite();
}

/// Brings wanted_ within the limits; true if that changed it.
bool Controller::limit() noexcept {
  bool changed = false;
  for (int i = 0; i < nu_; ++i) {
    const double inside = std::clamp(wanted_(i), options_.lower(i), options_.upper(i));
    changed = changed || inside != wanted_(i);
    wanted_(i) = inside;
  }
  limited_ += changed ? 1 : 0;
  return changed;
}

/// Moves last_ to the target as far as the rate limit allows; false if it got there.
bool Controller::approach(const VectorX& target, double seconds) noexcept {
  bool short_of = false;
  for (int i = 0; i < nu_; ++i) {
    double most = options_.rate_limit(i);
    if (most == infinity) {
      last_(i) = target(i);
      continue;
    }
    if (options_.rate_unit == RateUnit::per_second) most *= seconds;
    last_(i) = std::clamp(target(i), last_(i) - most, last_(i) + most);
    short_of = short_of || last_(i) != target(i);
  }
  return short_of;
}

}  // namespace pilqr
