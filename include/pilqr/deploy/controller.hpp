#pragma once
/// A trained policy in a control loop.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "pilqr/core/types.hpp"
#include "pilqr/model/global_policy.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/nn/network_policy.hpp"

namespace pilqr {

/// What a controller gives out after the last step of the horizon.
enum class HorizonEnd {
  hold,    ///< the last control
  repeat,  ///< the policy again, from its first step on
  stop,    ///< the safe control
};

/// Unit of a rate limit.
enum class RateUnit {
  per_second,  ///< unit of the control / s
  per_step,    ///< unit of the control, from one call to the next
};

/// How a Controller guards its inputs and outputs. An empty vector is no limit, and so is an
/// infinite entry.
struct ControllerOptions {
  /// nu, unit of the control: given out before the first usable state, and after the end of the
  /// horizon with HorizonEnd::stop. Within the limits; empty: zeros.
  VectorX safe{};
  VectorX lower{};       ///< nu, least controls; those of a NetworkPolicy count as well
  VectorX upper{};       ///< nu, greatest controls
  VectorX rate_limit{};  ///< nu, positive: greatest change of a control in `rate_unit`
  RateUnit rate_unit = RateUnit::per_second;  ///< what rate_limit is in
  double dt = 0.0;        ///< s between two calls; > 0 for a rate limit per second
  VectorX state_lower{};  ///< nx: a state below is refused
  VectorX state_upper{};  ///< nx: a state above is refused
  /// s: a state is refused whose time of measurement is further from now, or is not given.
  double max_age = std::numeric_limits<double>::infinity();
  HorizonEnd at_end = HorizonEnd::stop;  ///< after the last step
  int horizon = 0;  ///< steps of a NetworkPolicy, 0: no end; a time-varying policy has its own
  /// After so many calls in a row without a usable state or control, the safe control instead of
  /// the last one. 0: at once.
  int most_held = std::numeric_limits<int>::max();
};

/// What became of one call: the first of wrong_size .. bad_control that applies, or else the last
/// of ok .. rate_limited.
enum class ControlStatus {
  ok,            ///< the policy's mean
  limited,       ///< the same, brought within the limits
  rate_limited,  ///< the same, as near as the rate limit lets it
  wrong_size,    ///< x or u has another size: last control; nothing is written into a wrong u
  bad_step,      ///< the step is negative: last control
  finished,      ///< the horizon is over: what HorizonEnd says
  stale,         ///< the state is too old, or a time is missing or not finite: last control
  bad_state,     ///< an entry is NaN, infinite or outside its range: last control
  bad_control,   ///< the policy's own control is not finite: last control
};
inline constexpr int control_statuses = 9;  ///< number of statuses

/// Whether the control is that of the policy for this call's state, limited or not.
constexpr bool from_policy(ControlStatus status) {
  return status <= ControlStatus::rate_limited;
}

/// The fixed, lower-case name of a status.
const char* name(ControlStatus status);

/// What a caller knows beside the state.
struct ControlTime {
  std::optional<int> step{};         ///< of the policy; the one after the last call's if not given
  std::optional<double> now{};       ///< s, of a steady clock
  std::optional<double> measured{};  ///< s, of the same clock: when the state was measured
};

/// Runs the mean of a policy. A call is bounded in time, neither allocates, locks nor throws, and
/// always gives a control that is finite, within the limits and within the rate limit of the one
/// before; the first one is measured against the safe control.
///
/// Each call is one step, whatever its status, so that a time-varying policy keeps in time. One
/// thread at a time; copies are independent.
class Controller {
 public:
  /// Copies the policy. Throws InvalidArgument unless the policy and all options are valid.
  ///@{
  template <int Nx, int Nu>
  explicit Controller(const LinearGaussianPolicy<Nx, Nu>& policy, ControllerOptions options = {})
      : Controller(Program(TimeVarying{to_dynamic(policy)}), std::move(options)) {}
  /// @param observation what the network saw in training beside the state x; control() takes x, and
  /// makes [x; H x + h] of it. That of a task: Task::observation.
  explicit Controller(NetworkPolicy policy, ControllerOptions options = {},
                      Observation observation = {})
      : Controller(Program(Network{std::move(policy), std::move(observation), {}, {}, {}}),
                   std::move(options)) {}
  ///@}

  /// The control u (nu) at state x (nx), limited as the options say.
  ///
  /// A rate limit per second is multiplied by the time since the last call where `now` is given,
  /// at most dt: calls that come late or too often do not change a control faster.
  ControlStatus control(std::span<const double> x, std::span<double> u,
                        const ControlTime& time = {}) noexcept;
  /// The same for vectors of Eigen.
  template <int Nx, int Nu>
  ControlStatus control(const Vector<Nx>& x, Vector<Nu>& u, const ControlTime& time = {}) noexcept {
    return control(std::span<const double>(x.data(), static_cast<std::size_t>(x.size())),
                   std::span<double>(u.data(), static_cast<std::size_t>(u.size())), time);
  }

  /// A new episode: first step, the safe control as the last one, no time of a last call. The
  /// counts go on.
  void reset() noexcept;

  /// Entries of the state and of the control.
  ///@{
  [[nodiscard]] int nx() const noexcept { return nx_; }
  [[nodiscard]] int nu() const noexcept { return nu_; }
  ///@}
  /// Step of the next call, if it gives none; at most the horizon.
  [[nodiscard]] int step() const noexcept { return step_; }
  /// The control that was given out last, nu.
  [[nodiscard]] const VectorX& last() const noexcept { return last_; }

  /// Calls that had this status, since construction.
  [[nodiscard]] std::int64_t count(ControlStatus status) const noexcept {
    return counts_[static_cast<std::size_t>(status)];
  }
  /// Controls that the limits changed, also those that were rate-limited then.
  [[nodiscard]] std::int64_t limited() const noexcept { return limited_; }
  /// Times that HorizonEnd::repeat began again.
  [[nodiscard]] std::int64_t repeats() const noexcept { return repeats_; }

 private:
  struct TimeVarying {
    LinearGaussianPolicy<> policy;
  };
  struct Network {
    NetworkPolicy policy;
    Observation observation;
    MatrixX seen;  // (nx + ne) x 1
    NetworkPolicy::Workspace workspace;
    MatrixX u;  // nu x 1
  };
  using Program = std::variant<TimeVarying, Network>;

  Controller(Program program, ControllerOptions options);
  [[nodiscard]] ControlStatus choose(std::span<const double> x, bool right_size,
                                     const ControlTime& time) noexcept;
  [[nodiscard]] bool next_step(const ControlTime& time, int& t) noexcept;
  [[nodiscard]] double seconds_since_last(const ControlTime& time) noexcept;
  [[nodiscard]] bool fresh(const ControlTime& time) const noexcept;
  [[nodiscard]] bool in_range(std::span<const double> x) const noexcept;
  [[nodiscard]] bool evaluate(int t, std::span<const double> x) noexcept;
  [[nodiscard]] bool limit() noexcept;
  [[nodiscard]] bool approach(const VectorX& target, double seconds) noexcept;

  Program program_;
  ControllerOptions options_;  // vectors of full size
  int nx_ = 0, nu_ = 0;
  int horizon_ = 0;  // 0: none
  VectorX wanted_;   // nu, the policy's control
  VectorX last_;     // nu
  int step_ = 0;
  int held_ = 0;                    // calls in a row without a usable state or control
  std::optional<double> before_{};  // `now` of the last call
  std::int64_t counts_[control_statuses] = {};
  std::int64_t limited_ = 0;
  std::int64_t repeats_ = 0;
};

}  // namespace pilqr
