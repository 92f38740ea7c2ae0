#pragma once
/// The part of check_system that looks at the cost.

#include "pilqr/train/check_system.hpp"

namespace pilqr::detail {

/// A rollout, as far as it came.
struct Trace {
  MatrixX x;  ///< nx x T
  MatrixX u;  ///< nu x T
  int steps = 0;
  int sample = 0;
};

/// Adds what is wrong with the cost along a rollout, and how long it takes.
void check_cost(const AnyCost& cost, const Trace& trace, const CheckSystemOptions& options,
                SystemReport& report);

}  // namespace pilqr::detail
