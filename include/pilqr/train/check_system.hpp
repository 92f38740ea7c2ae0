#pragma once
/// Whether a system and its cost keep the laws of model/concepts.hpp: to be asked before a
/// training.

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/model/concepts.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/noise.hpp"

namespace pilqr {

/// Which law is broken.
enum class SystemFault {
  reset_failed,            ///< reset threw
  step_failed,             ///< step threw
  state_size,              ///< a state of another size than the policy's nx
  state_not_written,       ///< an entry of the state is left as it was before the call
  non_finite_state,        ///< the state has NaN or infinity
  non_finite_control,      ///< the policy's control at this state is NaN or infinity
  not_deterministic,       ///< the same condition, controls and streams give other states
  reset_not_exact,         ///< something of the episode before outlives reset
  copies_not_independent,  ///< a copy of the system does not move as the system does alone
  control_ignored,         ///< other controls with the same stream give the same states
  cost_failed,             ///< the cost or its expansion threw
  non_finite_cost,         ///< the cost is NaN or infinite
  cost_not_deterministic,  ///< two calls of the cost give other values
  expansion_shape,         ///< expand changed the shape of what it adds to
  non_finite_expansion,    ///< the expansion has NaN or infinity
  expansion_not_added,     ///< expand does not add weight times the same numbers
  gradient_wrong,          ///< not the derivative of the expansion's value
  hessian_wrong,           ///< not the derivative of the expansion's gradient
  hessian_not_symmetric,
};

/// The fixed, lower-case name of a fault.
[[nodiscard]] const char* name(SystemFault fault);

/// What to do about a fault, one sentence.
[[nodiscard]] const char* advice(SystemFault fault);

/// A fault with its place: the first, or for derivatives the worst at the first bad step. Fields
/// that do not apply are -1 or NaN.
struct SystemFinding {
  SystemFault fault = SystemFault::reset_failed;  ///< what is wrong
  int sample = -1;                                ///< which noise the rollout had
  int step = -1;    ///< of the state or the cost; 0 is the state that reset writes
  int row = -1;     ///< entry of the state, or of y = [x; u] for derivatives
  int column = -1;  ///< of the Hessian
  double value = std::numeric_limits<double>::quiet_NaN();     ///< the offending number
  double expected = std::numeric_limits<double>::quiet_NaN();  ///< what it should be
  std::string detail{};                                        ///< the system's own words

  /// One line: fault, place, numbers and what to do.
  [[nodiscard]] std::string message() const;
};

/// How the laws are tried out.
struct CheckSystemOptions {
  int condition = 0;       ///< >= 0
  std::uint64_t seed = 0;  ///< rollouts are those of iteration 0 of a training with this seed
  NoiseOptions noise{};    ///< of the rollouts
  /// False for what cannot repeat itself bit by bit, such as a robot: one rollout in place of up to
  /// five, and one on no copy.
  bool deterministic = true;
  int points = 5;  ///< >= 1, steps of the first rollout at which derivatives are looked at
  /// Magnitude over which the cost changes noticeably, units of x and u, > 0: differences are taken
  /// 1e-4 of this (or of the entry itself, if larger) apart.
  double scale = 1.0;
  /// Relative error of a derivative that is accepted, > 0, beside the error of the differences.
  double tolerance = 1e-4;
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const CheckSystemOptions& options);

/// What check_system found, and what it measured on the way. Times are 0 if nothing was called.
struct SystemReport {
  std::vector<SystemFinding> findings{};  ///< one of a kind
  int condition = 0;                      ///< that was checked
  int steps = 0;                          ///< the horizon T
  int nx = 0;                             ///< entries of the state
  int nu = 0;                             ///< entries of the control
  int rollouts = 0;                       ///< made on the system itself
  int copies = 0;                         ///< rollouts made on copies
  double seconds_per_reset = 0.0;         ///< mean
  double seconds_per_step = 0.0;          ///< mean
  double seconds_slowest_step = 0.0;      ///< of any
  double seconds_per_cost = 0.0;          ///< of the sampled cost
  double seconds_per_expansion = 0.0;     ///< mean

  [[nodiscard]] bool ok() const { return findings.empty(); }  ///< no finding
  /// For people, several lines: sizes, times, and a line for each finding.
  [[nodiscard]] std::string message() const;
};

namespace detail {

/// A system behind run-time sizes. Buffers go in as they are, so that what is not written shows.
struct SystemCalls {
  std::function<void(int condition, RandomStream&, VectorX& x)> reset;
  std::function<void(int t, const VectorX& x, const VectorX& u, RandomStream&, VectorX& next)> step;
};

template <System S>
SystemCalls calls_of(std::shared_ptr<S> system) {
  return {[system](int condition, RandomStream& stream, VectorX& x) {
            Vector<S::Nx> own = x;
            system->reset(condition, stream, own);
            x = own;
          },
          [system](int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) {
            Vector<S::Nx> own = next;
            system->step(t, Vector<S::Nx>(x), Vector<S::Nu>(u), stream, own);
            next = own;
          }};
}

/// A cost that somebody else owns.
template <Cost C>
struct CostReference {
  const C* cost;
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    return (*cost)(t, x, u);
  }
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    cost->expand(t, x, u, weight, out);
  }
};

/// @param copies two copies of the system, or none.
[[nodiscard]] SystemReport check_system(const SystemCalls& system,
                                        const std::vector<SystemCalls>& copies, const AnyCost& cost,
                                        const LinearGaussianPolicy<>& policy,
                                        const CheckSystemOptions& options);

}  // namespace detail

/// Tries out the laws of System and Cost with rollouts of the policy, the one that a training would
/// start from: shapes; every entry written; finite numbers; the same controls and streams twice,
/// with another rollout in between, give the same bits; copies, moved in turn, do what the system
/// does alone (unless it is_serial()); controls have an effect; the cost repeats itself, adds to
/// its expansion, and its gradient and Hessian are the derivatives of its value, against central
/// differences along the first rollout. Makes 3 rollouts on the system, 5 if they differ, 1 if not
/// options.deterministic: it MOVES a robot.
///
/// What is broken is a finding, not an exception. Throws InvalidArgument for invalid options or an
/// invalid policy.
template <System S, Cost C, int Nx, int Nu>
[[nodiscard]] SystemReport check_system(S& system, const C& cost,
                                        const LinearGaussianPolicy<Nx, Nu>& policy,
                                        const CheckSystemOptions& options = {}) {
  static_assert(sum_sizes(S::Nx, 0) == Nx && sum_sizes(S::Nu, 0) == Nu,
                "the system's Nx and Nu must be those of the policy");
  require_valid(options);
  std::vector<detail::SystemCalls> copies;
  if constexpr (std::copy_constructible<S>) {
    if (!is_serial(system) && options.deterministic) {
      for (int i = 0; i < 2; ++i) copies.push_back(detail::calls_of(std::make_shared<S>(system)));
    }
  }
  const std::shared_ptr<S> itself(&system, [](S*) {});  // not ours to delete
  return detail::check_system(detail::calls_of(itself), copies, detail::CostReference<C>{&cost},
                              to_dynamic(policy), options);
}

}  // namespace pilqr
