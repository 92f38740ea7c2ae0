#include "statistics.hpp"

#include <array>
#include <cmath>

#include "pilqr/core/check.hpp"

namespace pilqr::command {

double student_t_975(int degrees) {
  require(degrees >= 1, "Student's t with {} degrees of freedom", degrees);
  constexpr std::array<double, 10> table = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706,
                                            2.4469,  2.3646, 2.3060, 2.2622, 2.2281};
  if (degrees <= static_cast<int>(table.size())) {
    return table[static_cast<std::size_t>(degrees - 1)];
  }
  // Expansion about the normal quantile z in 1 / n (Abramowitz and Stegun 26.7.5).
  constexpr double z = 1.959964;
  constexpr double z3 = z * z * z;
  constexpr double z5 = z3 * z * z;
  constexpr double z7 = z5 * z * z;
  const double n = degrees;
  return z + (z3 + z) / (4.0 * n) + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n * n) +
         (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * n * n * n);
}

Statistic describe(const std::vector<double>& values) {
  Statistic out{none, none, none, none};
  if (values.empty()) return out;
  const auto n = static_cast<double>(values.size());
  double sum = 0.0;
  for (const double value : values) sum += value;
  out.mean = sum / n;
  if (values.size() < 2) return out;
  double squares = 0.0;
  for (const double value : values) squares += (value - out.mean) * (value - out.mean);
  out.std = std::sqrt(squares / (n - 1.0));
  const double half = student_t_975(static_cast<int>(values.size()) - 1) * out.std / std::sqrt(n);
  out.low = out.mean - half;
  out.high = out.mean + half;
  return out;
}

}  // namespace pilqr::command
