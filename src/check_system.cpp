#include "pilqr/train/check_system.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <exception>
#include <optional>

#include "check_cost.hpp"

namespace pilqr::detail {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A NaN that no arithmetic gives: what still has its bits has not been written.
double unwritten() {
  constexpr std::uint64_t bits = 0x7FF8'0000'5049'4C51ULL;
  double value = 0.0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

bool same_bits(double a, double b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

/// Sums of what was measured.
struct Times {
  double reset = 0.0, step = 0.0, slowest = 0.0;
  int resets = 0, steps = 0;
};

/// One rollout that can be made step by step. Its sample has noise of its own; the system's stream
/// is that of sample 0, so that nothing but the controls tells two of them apart.
class Run {
 public:
  Run(const SystemCalls& system, const LinearGaussianPolicy<>& policy,
      const CheckSystemOptions& options, int sample, Times& times)
      : system_(&system),
        policy_(&policy),
        times_(&times),
        stream_({.seed = options.seed,
                 .condition = static_cast<std::uint32_t>(options.condition),
                 .purpose = StreamPurpose::system}),
        xi_(draw_noise(options.noise, {.seed = options.seed, .condition = options.condition},
                       sample, policy.steps(), policy.nu())),
        condition_(options.condition),
        trace_{.x = MatrixX(policy.nx(), policy.steps()),
               .u = MatrixX(policy.nu(), policy.steps()),
               .sample = sample} {}

  [[nodiscard]] const Trace& trace() const { return trace_; }
  [[nodiscard]] const std::optional<SystemFinding>& finding() const { return finding_; }

  /// The state and the control of the next step; nothing once something failed.
  void advance() {
    const int t = trace_.steps;
    if (finding_ || t == policy_->steps()) return;
    VectorX x = VectorX::Constant(policy_->nx(), unwritten());
    try {
      const auto begin = Clock::now();
      if (t == 0) {
        system_->reset(condition_, stream_, x);
        times_->reset += seconds_since(begin);
        ++times_->resets;
      } else {
        system_->step(t - 1, trace_.x.col(t - 1), trace_.u.col(t - 1), stream_, x);
        const double seconds = seconds_since(begin);
        times_->step += seconds;
        times_->slowest = std::max(times_->slowest, seconds);
        ++times_->steps;
      }
    } catch (const std::exception& error) {
      found(t == 0 ? SystemFault::reset_failed : SystemFault::step_failed);
      finding_->detail = error.what();
      return;
    }
    if (rows(x) != policy_->nx()) {
      found(SystemFault::state_size);
      finding_->value = rows(x);
      finding_->expected = policy_->nx();
      return;
    }
    for (int i = 0; i < rows(x); ++i) {
      if (std::isfinite(x(i))) continue;
      found(same_bits(x(i), unwritten()) ? SystemFault::state_not_written
                                         : SystemFault::non_finite_state);
      finding_->row = i;
      finding_->value = x(i);
      return;
    }
    VectorX u(policy_->nu());
    policy_->act(t, x, xi_.col(t), u);
    if (!u.allFinite()) {
      found(SystemFault::non_finite_control);
      finding_->value = u.sum();
      return;
    }
    trace_.x.col(t) = x;
    trace_.u.col(t) = u;
    ++trace_.steps;
  }

  void finish() {
    for (int t = 0; t < policy_->steps(); ++t) advance();
  }

 private:
  void found(SystemFault fault) {
    finding_ = SystemFinding{.fault = fault, .sample = trace_.sample, .step = trace_.steps};
  }

  const SystemCalls* system_;
  const LinearGaussianPolicy<>* policy_;
  Times* times_;
  RandomStream stream_;
  MatrixX xi_;  // nu x T
  int condition_;
  Trace trace_;
  std::optional<SystemFinding> finding_;
};

/// Where two rollouts with the same noise first differ, if they do.
std::optional<SystemFinding> difference(SystemFault fault, const Trace& first,
                                        const Trace& second) {
  const int T = std::min(first.steps, second.steps);
  for (int t = 0; t < T; ++t) {
    for (int i = 0; i < rows(first.x); ++i) {
      if (same_bits(first.x(i, t), second.x(i, t))) continue;
      return SystemFinding{.fault = fault,
                           .sample = first.sample,
                           .step = t,
                           .row = i,
                           .value = second.x(i, t),
                           .expected = first.x(i, t)};
    }
  }
  return {};
}

/// Runs that end early are findings of their own; those that end well are compared.
class Checker {
 public:
  Checker(const SystemCalls& system, const std::vector<SystemCalls>& copies,
          const LinearGaussianPolicy<>& policy, const CheckSystemOptions& options)
      : system_(system), copies_(copies), policy_(policy), options_(options) {}

  /// The first rollout, however far it came.
  [[nodiscard]] Trace check(SystemReport& report) {
    const Run first = run(0, report);
    if (options_.deterministic && !first.finding()) repeat(first.trace(), report);
    if (times_.resets > 0) report.seconds_per_reset = times_.reset / times_.resets;
    if (times_.steps > 0) report.seconds_per_step = times_.step / times_.steps;
    report.seconds_slowest_step = times_.slowest;
    return first.trace();
  }

 private:
  Run run(int sample, SystemReport& report) {
    Run made(system_, policy_, options_, sample, times_);
    made.finish();
    ++report.rollouts;
    if (made.finding()) add(*made.finding(), report);
    return made;
  }

  void repeat(const Trace& first, SystemReport& report) {
    const Run other = run(1, report);
    if (other.finding()) return;
    const Run again = run(0, report);
    if (again.finding()) return;
    const bool acts =
        first.u.leftCols(first.steps - 1) != other.trace().u.leftCols(first.steps - 1);
    if (acts && first.x == other.trace().x) {
      add({.fault = SystemFault::control_ignored, .step = first.steps - 1}, report);
    }
    const auto repeated = difference(SystemFault::not_deterministic, first, again.trace());
    if (copies_.size() == 2) {
      compare_copies(first, other.trace(), repeated, report);
    } else if (repeated) {
      // After the same episode as before: what differs now does not come from that one.
      if (run(1, report).finding()) return;
      const Run third = run(0, report);
      if (third.finding()) return;
      SystemFinding finding = *repeated;
      if (!difference(finding.fault, again.trace(), third.trace())) {
        finding.fault = SystemFault::reset_not_exact;
      }
      add(finding, report);
    }
  }

  /// Moves two copies in turn; a new copy also tells what reset leaves behind from what is random.
  void compare_copies(const Trace& first, const Trace& other,
                      const std::optional<SystemFinding>& repeated, SystemReport& report) {
    Run a(copies_[0], policy_, options_, 0, times_);
    Run b(copies_[1], policy_, options_, 1, times_);
    for (int t = 0; t < policy_.steps(); ++t) {
      a.advance();
      b.advance();
    }
    report.copies = 2;
    constexpr SystemFault fault = SystemFault::copies_not_independent;
    std::optional<SystemFinding> differs = difference(fault, first, a.trace());
    if (repeated) {
      SystemFinding finding = *repeated;
      if (!differs && !a.finding()) finding.fault = SystemFault::reset_not_exact;
      add(finding, report);
      return;
    }
    if (!differs) differs = difference(fault, other, b.trace());
    for (const Run* copy : {&a, &b}) {
      if (differs || !copy->finding()) continue;
      differs = copy->finding();
      differs->fault = fault;
    }
    if (differs) add(*differs, report);
  }

  static void add(const SystemFinding& finding, SystemReport& report) {
    report.findings.push_back(finding);
  }

  const SystemCalls& system_;
  const std::vector<SystemCalls>& copies_;
  const LinearGaussianPolicy<>& policy_;
  const CheckSystemOptions& options_;
  Times times_;
};

}  // namespace

SystemReport check_system(const SystemCalls& system, const std::vector<SystemCalls>& copies,
                          const AnyCost& cost, const LinearGaussianPolicy<>& policy,
                          const CheckSystemOptions& options) {
  require_valid(policy, "check_system: policy");
  SystemReport report;
  report.condition = options.condition;
  report.steps = policy.steps();
  report.nx = policy.nx();
  report.nu = policy.nu();
  const Trace first = Checker(system, copies, policy, options).check(report);
  check_cost(cost, first, options, report);
  return report;
}

}  // namespace pilqr::detail
