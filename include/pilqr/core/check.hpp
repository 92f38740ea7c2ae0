#pragma once
/// Two kinds of error. Misuse (shapes, options, unknown names) throws InvalidArgument with the
/// offending values. A numerical or run-time failure of the task is a value, Failure, and leaves
/// the caller's objects as they were.

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace pilqr {

/// The caller broke a precondition; the message names the values.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

namespace detail {

/// NaN without its sign, which is an accident of the processor; anything else as it is.
template <class T>
decltype(auto) without_nan_sign(T& value) {
  using Plain = std::remove_const_t<T>;
  if constexpr (std::is_floating_point_v<Plain>) {
    return std::isnan(value) ? std::numeric_limits<Plain>::quiet_NaN() : Plain{value};
  } else {
    return (value);
  }
}

}  // namespace detail

/// Throws InvalidArgument with the formatted message unless the condition holds. NaN is "nan" in
/// it, whatever its sign.
template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (condition) return;
  const auto text = [&format](auto&&... values) {
    return fmt::vformat(format, fmt::make_format_args(values...));
  };
  throw InvalidArgument(text(detail::without_nan_sign(args)...));
}

/// What went wrong in an iteration.
enum class FailureKind {
  none,                 ///< all is well
  system_error,         ///< the system threw
  non_finite_state,     ///< the system returned NaN or infinity
  non_finite_control,   ///< the policy's control is NaN or infinity
  non_finite_cost,      ///< the cost or one of its derivatives is NaN or infinity
  singular_fit,         ///< the regression's covariance is not positive definite
  singular_covariance,  ///< a policy covariance has collapsed or is not positive definite
  kl_not_reached,       ///< no dual variable satisfies the KL constraint
  non_finite_update,    ///< an update produced NaN or infinity
  timed_out,            ///< a rollout took longer than allowed; the value is its seconds
  rejected,             ///< a rollout that the operator declared failed
  no_improvement,       ///< no step that was tried is both allowed and better
};

/// The fixed, lower-case name of a kind, as it stands in metrics and messages.
constexpr const char* name(FailureKind kind) {
  switch (kind) {
    case FailureKind::none:
      return "ok";
    case FailureKind::system_error:
      return "system_error";
    case FailureKind::non_finite_state:
      return "non_finite_state";
    case FailureKind::non_finite_control:
      return "non_finite_control";
    case FailureKind::non_finite_cost:
      return "non_finite_cost";
    case FailureKind::singular_fit:
      return "singular_fit";
    case FailureKind::singular_covariance:
      return "singular_covariance";
    case FailureKind::kl_not_reached:
      return "kl_not_reached";
    case FailureKind::non_finite_update:
      return "non_finite_update";
    case FailureKind::timed_out:
      return "timed_out";
    case FailureKind::rejected:
      return "rejected";
    case FailureKind::no_improvement:
      return "no_improvement";
  }
  return "unknown";
}

/// A failure with its place. Fields that do not apply are -1; `value` is the offending number.
struct Failure {
  FailureKind kind = FailureKind::none;                     ///< none: no failure
  int condition = -1;                                       ///< of the task, from 0
  int sample = -1;                                          ///< of the iteration, from 0
  int step = -1;                                            ///< time step t, from 0
  double value = std::numeric_limits<double>::quiet_NaN();  ///< NaN if there is none
  std::string detail{};                                     ///< what else is known, in words
  int rank = -1;    ///< the process of a team whose rollout it was
  int attempt = 0;  ///< of a rollout: how often it had been made before

  [[nodiscard]] bool ok() const { return kind == FailureKind::none; }  ///< no failure

  /// One line, for example "non_finite_cost: condition 0, sample 3, step 17: value nan"; NaN has
  /// no sign in it.
  [[nodiscard]] std::string message() const {
    if (ok()) return "ok";
    std::string text = fmt::format("{}:", name(kind));
    const char* separator = " ";
    const auto place = [&](const char* what, int index) {
      if (index < 0) return;
      text += fmt::format("{}{} {}", separator, what, index);
      separator = ", ";
    };
    place("rank", rank);
    place("condition", condition);
    place("sample", sample);
    if (attempt > 0) place("attempt", attempt + 1);
    place("step", step);
    text +=
        fmt::format("{}value {}", *separator == ',' ? ": " : " ", detail::without_nan_sign(value));
    if (!detail.empty()) text += fmt::format(" ({})", detail);
    return text;
  }
};

}  // namespace pilqr
