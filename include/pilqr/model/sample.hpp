#pragma once
/// Line 2 of PILQR17 Algorithm 1: rollouts of the current policy.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <limits>
#include <type_traits>
#include <vector>

#include "pilqr/core/executor.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/noise.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// Which rollouts to make. Results depend on these numbers alone, not on the executor.
struct SampleOptions {
  int samples = 20;        ///< >= 1
  std::uint64_t seed = 0;  ///< of the run
  int iteration = 0;       ///< >= 0
  int condition = 0;       ///< from 0 to 2^24 - 1, see StreamKey
  NoiseOptions noise{};    ///< of the policy's controls
  bool noiseless = false;  ///< run the policy's mean
  /// Evaluation draws noise and streams apart from those of training.
  StreamPurpose purpose = StreamPurpose::exploration;
  /// How often these rollouts have been made before: they get other noise and streams.
  int attempt = 0;
  /// A rollout that has taken this many seconds ends after the step it is at, as failed. A step
  /// that does not return cannot be ended.
  double time_limit = std::numeric_limits<double>::infinity();

  /// The number of sample i among all attempts.
  [[nodiscard]] int draw(int i) const { return i + attempt * samples; }
};

/// A batch of rollouts, or what stopped one.
template <int Nx, int Nu>
struct SampleResult {
  Rollouts<Nx, Nu> rollouts;  ///< of all samples
  Failure failure;            ///< of the lowest failing sample; the rollouts are then incomplete
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// What acts over a horizon of steps() steps: act(t, x, xi, u) sets the control u (nu) at state x
/// (nx) for unit-variance noise xi (nu). One whose act() is not const, because it has buffers, is
/// copied for each rollout. LinearGaussianPolicy is an actor, GlobalController is another.
template <class P>
concept Actor = std::copy_constructible<P> &&
    requires(P& actor, const VectorX& x, const VectorX& xi, VectorX& u) {
  { actor.steps() } -> std::convertible_to<int>;
  { actor.nx() } -> std::convertible_to<int>;
  { actor.nu() } -> std::convertible_to<int>;
  actor.act(0, x, xi, u);
};

/// One rollout into column i of `rollouts`. Returns what stopped it, if anything did; the costs of
/// the steps that it did not get to are then NaN.
template <int Nx, int Nu, System S, Cost C, Actor P>
Failure run_rollout(S& system, const C& cost, P& policy, const SampleOptions& options, int i,
                    Rollouts<Nx, Nu>& rollouts) {
  static_assert(sum_sizes(S::Nx, 0) == Nx && sum_sizes(S::Nu, 0) == Nu,
                "the system's Nx and Nu must be those of the policy");
  const int T = policy.steps();
  const int nx = policy.nx();
  const int nu = policy.nu();
  RandomStream stream({.seed = options.seed,
                       .iteration = static_cast<std::uint32_t>(options.iteration),
                       .condition = static_cast<std::uint32_t>(options.condition),
                       .sample = static_cast<std::uint32_t>(options.draw(i)),
                       .purpose = options.purpose == StreamPurpose::evaluation
                                      ? StreamPurpose::evaluation_system
                                      : StreamPurpose::system});
  const MatrixX xi = options.noiseless ? MatrixX(MatrixX::Zero(nu, T))
                                       : draw_noise(options.noise,
                                                    {.seed = options.seed,
                                                     .iteration = options.iteration,
                                                     .condition = options.condition,
                                                     .purpose = options.purpose},
                                                    options.draw(i), T, nu);
  Vector<Nx> x(nx);
  Vector<Nx> next(nx);
  Vector<Nu> u(nu);
  int t = 0;
  const auto fail = [&](FailureKind kind, double value, const char* detail = "") {
    return Failure{.kind = kind,
                   .condition = options.condition,
                   .sample = i,
                   .step = t,
                   .value = value,
                   .detail = detail,
                   .attempt = options.attempt};
  };
  rollouts.cost.row(i).setConstant(std::numeric_limits<double>::quiet_NaN());
  using Clock = std::chrono::steady_clock;
  const bool limited = options.time_limit < std::numeric_limits<double>::infinity();
  const auto begin = limited ? Clock::now() : Clock::time_point{};
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  const auto first_bad = [](const auto& v) {
    for (Eigen::Index j = 0; j < v.size(); ++j) {
      if (!std::isfinite(v(j))) return v(j);
    }
    return 0.0;
  };
  try {
    system.reset(options.condition, stream, x);
    for (t = 0; t < T; ++t) {
      if (rows(x) != nx) {
        return fail(FailureKind::system_error, rows(x), "the state's size is not the policy's nx");
      }
      if (!x.allFinite()) return fail(FailureKind::non_finite_state, first_bad(x));
      policy.act(t, x, xi.col(t), u);
      if (!u.allFinite()) return fail(FailureKind::non_finite_control, first_bad(u));
      const double c = cost(t, x, u);
      if (!std::isfinite(c)) return fail(FailureKind::non_finite_cost, c);
      rollouts.x[t].col(i) = x;
      rollouts.u[t].col(i) = u;
      rollouts.xi[t].col(i) = xi.col(t);
      rollouts.cost(i, t) = c;
      if (t + 1 < T) {
        system.step(t, x, u, stream, next);
        x.swap(next);
        if (limited) {
          if (const double taken = seconds(); taken > options.time_limit) {
            return fail(FailureKind::timed_out, taken, "seconds taken");
          }
        }
      }
    }
  } catch (const std::exception& error) {
    return fail(FailureKind::system_error, std::numeric_limits<double>::quiet_NaN(), error.what());
  }
  return {};
}

/// Throws InvalidArgument, naming the value, for options out of range.
inline void require_valid(const SampleOptions& options) {
  require(options.samples >= 1, "{} samples per iteration, expected at least 1", options.samples);
  require(options.iteration >= 0, "iteration {}, expected at least 0", options.iteration);
  constexpr int most_conditions = 1 << 24;  // a larger id would repeat the noise of a smaller one
  require(options.condition >= 0 && options.condition < most_conditions,
          "condition {}, expected 0 to {}", options.condition, most_conditions - 1);
  require(
      options.attempt >= 0 && options.attempt < std::numeric_limits<int>::max() / options.samples,
      "attempt {} of {} samples", options.attempt, options.samples);
  require(options.time_limit > 0.0, "a time limit of {} s, expected > 0", options.time_limit);
  require_valid(options.noise);
}

/// Calls `run(own, i)` for each i in [0, count), spread over the executor. `own` is the worker's
/// copy of the system; it is the system itself if that is_serial() or the executor is.
template <System S, Executor E, class Run>
void run_on_copies(S& system, E& executor, int count, const Run& run) {
  if constexpr (std::copy_constructible<S> &&
                !std::is_same_v<std::remove_const_t<E>, SerialExecutor>) {
    if (!is_serial(system)) {
      executor.run(count, [&] { return [&run, own = system](int i) mutable { run(own, i); }; });
      return;
    }
  }
  for (int i = 0; i < count; ++i) run(system, i);
}

/// The failure with the lowest index, if there is one.
inline Failure first_failure(const std::vector<Failure>& failures) {
  for (const Failure& failure : failures) {
    if (!failure.ok()) return failure;
  }
  return {};
}

namespace detail {

/// Room for N rollouts, with the compile-time sizes of the policy or, where the actor has none, of
/// the system.
template <System S, int Nx, int Nu>
SampleResult<Nx, Nu> room_for(const LinearGaussianPolicy<Nx, Nu>& policy, int N) {
  return {{policy.steps(), N, policy.nx(), policy.nu()}, {}};
}
template <System S, Actor P>
SampleResult<S::Nx, S::Nu> room_for(const P& actor, int N) {
  return {{actor.steps(), N, actor.nx(), actor.nu()}, {}};
}

/// The actor itself if it acts while const, otherwise a copy.
template <Actor P>
decltype(auto) for_one_rollout(const P& actor) {
  if constexpr (Actor<const P>) {
    return (actor);
  } else {
    return P(actor);
  }
}

}  // namespace detail

/// Runs `options.samples` rollouts of one condition. A failing rollout does not stop the others;
/// the failure with the lowest sample index is reported. Each worker of the executor owns a copy of
/// the system; a system that is_serial() is run on the calling thread whatever the executor, and
/// the serial executor uses the system itself. Throws InvalidArgument for options out of range.
template <System S, Cost C, Actor P, Executor E>
auto sample(S& system, const C& cost, const P& policy, const SampleOptions& options, E& executor) {
  require_valid(options);
  auto result = detail::room_for<S>(policy, options.samples);
  std::vector<Failure> failures(static_cast<std::size_t>(options.samples));
  run_on_copies(system, executor, options.samples, [&](S& own, int i) {
    auto&& actor = detail::for_one_rollout(policy);
    failures[static_cast<std::size_t>(i)] =
        run_rollout(own, cost, actor, options, i, result.rollouts);
  });
  result.failure = first_failure(failures);
  return result;
}

/// The same on the calling thread.
template <System S, Cost C, Actor P>
auto sample(S& system, const C& cost, const P& policy, const SampleOptions& options) {
  SerialExecutor serial;
  return sample(system, cost, policy, options, serial);
}

}  // namespace pilqr
