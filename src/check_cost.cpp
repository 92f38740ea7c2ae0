#include "check_cost.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>

namespace pilqr::detail {

namespace {

using Clock = std::chrono::steady_clock;
constexpr double epsilon = std::numeric_limits<double>::epsilon();

/// A derivative by central differences and the error that it may have.
struct Difference {
  double value;
  double error;
};

/// From f at h, -h, 2h, -2h: fourth order, and how much the second order would be off.
/// @param noise of each f.
Difference difference(double p1, double m1, double p2, double m2, double h, double noise) {
  const double narrow = (p1 - m1) / (2.0 * h);
  const double wide = (p2 - m2) / (4.0 * h);
  return {(4.0 * narrow - wide) / 3.0, std::abs(narrow - wide) + noise / h};
}

class CostChecker {
 public:
  CostChecker(const AnyCost& cost, const Trace& trace, const CheckSystemOptions& options,
              SystemReport& report)
      : cost_(cost), trace_(trace), options_(options), report_(report) {}

  void check() {
    values();
    const int points = std::min(options_.points, trace_.steps);
    for (int j = 0; j < points; ++j) {
      // The first and the last step, and evenly in between.
      t_ = points == 1 ? 0 : static_cast<int>(std::int64_t{j} * (trace_.steps - 1) / (points - 1));
      try {
        if (!expansion()) return;
      } catch (const std::exception& error) {
        add({.fault = SystemFault::cost_failed, .detail = error.what()});
        return;
      }
    }
    if (expansions_ > 0) report_.seconds_per_expansion = seconds_ / expansions_;
  }

 private:
  [[nodiscard]] bool has(SystemFault fault) const {
    return std::any_of(report_.findings.begin(), report_.findings.end(),
                       [&](const SystemFinding& f) { return f.fault == fault; });
  }

  void add(SystemFinding finding) {
    if (has(finding.fault)) return;
    finding.sample = trace_.sample;
    finding.step = t_;
    report_.findings.push_back(finding);
  }

  /// The sampled cost at every step.
  void values() {
    double seconds = 0.0;
    for (t_ = 0; t_ < trace_.steps; ++t_) {
      try {
        const VectorX x = trace_.x.col(t_);
        const VectorX u = trace_.u.col(t_);
        const auto begin = Clock::now();
        const double value = cost_(t_, x, u);
        seconds += std::chrono::duration<double>(Clock::now() - begin).count();
        const double again = cost_(t_, x, u);
        if (!std::isfinite(value)) {
          add({.fault = SystemFault::non_finite_cost, .value = value});
        } else if (value != again) {
          add({.fault = SystemFault::cost_not_deterministic, .value = again, .expected = value});
        }
      } catch (const std::exception& error) {
        add({.fault = SystemFault::cost_failed, .detail = error.what()});
        return;
      }
    }
    if (trace_.steps > 0) report_.seconds_per_cost = seconds / trace_.steps;
  }

  /// Into what `out` holds; false if something is wrong with the result as such.
  bool expand(const VectorX& y, double weight, CostExpansion& out) {
    const int ny = rows(y);
    const VectorX x = y.head(report_.nx);
    const VectorX u = y.tail(report_.nu);
    const auto begin = Clock::now();
    cost_.expand(t_, x, u, weight, out);
    seconds_ += std::chrono::duration<double>(Clock::now() - begin).count();
    ++expansions_;
    if (rows(out.gradient) != ny || rows(out.hessian) != ny || cols(out.hessian) != ny ||
        out.nx != report_.nx) {
      add({.fault = SystemFault::expansion_shape,
           .value = static_cast<double>(rows(out.gradient)),
           .expected = static_cast<double>(ny)});
      return false;
    }
    const double sum = out.value + out.gradient.sum() + out.hessian.sum();
    if (!std::isfinite(sum)) {
      add({.fault = SystemFault::non_finite_expansion, .value = sum});
      return false;
    }
    return true;
  }

  /// All of one point; false if there is no sense in going on.
  bool expansion() {
    const int ny = report_.nx + report_.nu;
    VectorX y(ny);
    y << trace_.x.col(t_), trace_.u.col(t_);
    CostExpansion exact(report_.nx, report_.nu);
    if (!expand(y, 1.0, exact)) return false;
    if (!adds(y, exact)) return false;

    const double asymmetry_allowed = 1e-9 * exact.hessian.cwiseAbs().maxCoeff();
    for (int i = 0; i < ny; ++i) {
      for (int j = 0; j < i; ++j) {
        if (std::abs(exact.hessian(i, j) - exact.hessian(j, i)) <= asymmetry_allowed) continue;
        add({.fault = SystemFault::hessian_not_symmetric,
             .row = i,
             .column = j,
             .value = exact.hessian(i, j),
             .expected = exact.hessian(j, i)});
      }
    }
    return derivatives(y, exact);
  }

  /// Whether expand adds to what is there, and by its weight.
  bool adds(const VectorX& y, const CostExpansion& exact) {
    CostExpansion twice = exact;
    constexpr double weight = -0.75;
    if (!expand(y, weight, twice)) return false;
    // Terms may cancel: an entry may be rounded by more than its own last digits.
    const auto differs = [&](double value, double once, double largest) {
      return std::abs(value - (1.0 + weight) * once) > 1e-6 * std::abs(once) + 1e-9 * largest;
    };
    const double largest_g = exact.gradient.cwiseAbs().maxCoeff();
    const double largest_H = exact.hessian.cwiseAbs().maxCoeff();
    const auto found = [&](int row, int column, double value, double once) {
      add({.fault = SystemFault::expansion_not_added,
           .row = row,
           .column = column,
           .value = value,
           .expected = (1.0 + weight) * once});
      return false;
    };
    if (differs(twice.value, exact.value, 0.0)) return found(-1, -1, twice.value, exact.value);
    for (int i = 0; i < rows(y); ++i) {
      const double g = exact.gradient(i);
      if (differs(twice.gradient(i), g, largest_g)) return found(i, -1, twice.gradient(i), g);
      for (int j = 0; j < rows(y); ++j) {
        const double H = exact.hessian(i, j);
        if (differs(twice.hessian(i, j), H, largest_H)) return found(i, j, twice.hessian(i, j), H);
      }
    }
    return true;
  }

  /// The gradient against differences of the value, the Hessian against those of the gradient.
  bool derivatives(const VectorX& y, const CostExpansion& exact) {
    const int ny = rows(y);
    SystemFinding gradient{.fault = SystemFault::gradient_wrong};
    SystemFinding hessian{.fault = SystemFault::hessian_wrong};
    double worst_gradient = 1.0;
    double worst_hessian = 1.0;
    CostExpansion at[4];
    for (int i = 0; i < ny; ++i) {
      const double h = step(y(i));
      int k = 0;
      for (const double offset : {1.0, -1.0, 2.0, -2.0}) {
        VectorX moved = y;
        moved(i) += offset * h;
        at[k] = CostExpansion(report_.nx, report_.nu);
        if (!expand(moved, 1.0, at[k++])) return false;
      }
      // Rounding of the value, and of a gradient that is itself by differences of it.
      const double size = std::abs(exact.value);
      const auto share = [&](double value, const Difference& d, double floor) {
        const double allowed = options_.tolerance * std::max(std::abs(value), std::abs(d.value)) +
                               10.0 * d.error + floor;
        return std::abs(value - d.value) / std::max(allowed, std::numeric_limits<double>::min());
      };
      const Difference g =
          difference(at[0].value, at[1].value, at[2].value, at[3].value, h, 8.0 * epsilon * size);
      const double off = share(exact.gradient(i), g, 1e-9 * size / magnitude(y(i)));
      if (off > worst_gradient) {
        worst_gradient = off;
        gradient.row = i;
        gradient.value = exact.gradient(i);
        gradient.expected = g.value;
      }
      for (int j = 0; j < ny; ++j) {
        const Difference H =
            difference(at[0].gradient(j), at[1].gradient(j), at[2].gradient(j), at[3].gradient(j),
                       h, 8.0 * epsilon * std::abs(exact.gradient(j)));
        const double floor = 1e-6 * size / (magnitude(y(i)) * magnitude(y(j)));
        const double away = share(exact.hessian(j, i), H, floor);
        if (away > worst_hessian) {
          worst_hessian = away;
          hessian.row = j;
          hessian.column = i;
          hessian.value = exact.hessian(j, i);
          hessian.expected = H.value;
        }
      }
    }
    if (gradient.row >= 0) add(gradient);
    // A Hessian that belongs to a wrong gradient says nothing.
    if (hessian.row >= 0 && gradient.row < 0) add(hessian);
    return true;
  }

  [[nodiscard]] double magnitude(double entry) const {
    return std::max(options_.scale, std::abs(entry));
  }
  /// A power of two, so that y + h and y - h are as good as exact.
  [[nodiscard]] double step(double entry) const {
    return std::exp2(std::round(std::log2(1e-4 * magnitude(entry))));
  }

  const AnyCost& cost_;
  const Trace& trace_;
  const CheckSystemOptions& options_;
  SystemReport& report_;
  int t_ = 0;
  double seconds_ = 0.0;
  int expansions_ = 0;
};

}  // namespace

void check_cost(const AnyCost& cost, const Trace& trace, const CheckSystemOptions& options,
                SystemReport& report) {
  CostChecker(cost, trace, options, report).check();
}

}  // namespace pilqr::detail
