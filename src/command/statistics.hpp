#pragma once
/// Means over seeds and how far they can be trusted.

#include <limits>
#include <vector>

namespace pilqr::command {

/// Where there is no number.
inline constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// The 97.5 % quantile of Student's t distribution, for n >= 1 degrees of freedom, to 0.001.
double student_t_975(int degrees);

/// Of independent values. NaN where there are too few of them, or if one is NaN.
struct Statistic {
  double mean;
  double std;  ///< sample standard deviation (n - 1)
  double low;  ///< mean -+ t std / sqrt(n): the 95 % interval of the mean
  double high;
};
Statistic describe(const std::vector<double>& values);

}  // namespace pilqr::command
