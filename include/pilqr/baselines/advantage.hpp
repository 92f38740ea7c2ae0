#pragma once
/// Advantages over a finite horizon (Schulman, Moritz, Levine, Jordan, Abbeel: High-Dimensional
/// Continuous Control Using Generalized Advantage Estimation, ICLR 2016; below: GAE).

#include "pilqr/core/types.hpp"

namespace pilqr {

/// Where step t stands in the horizon of T steps, from -1 to 1; 0 if T = 1. What value functions of
/// a finite horizon need to know besides the state.
[[nodiscard]] double time_feature(int t, int steps);

/// GAE eq. 16 with the reward r = -cost: delta_t = -cost_t + discount * value_t+1 - value_t and
/// advantage_t = sum over j >= t of (discount * lambda)^(j-t) delta_j. Nothing follows the last
/// step: its next value is 0. All are N x T, values in rewards. Throws InvalidArgument on other
/// shapes and unless discount and lambda are in [0, 1]. Does not allocate.
void generalized_advantage(const ConstMatrixRef& cost, const ConstMatrixRef& value, double discount,
                           double lambda, MatrixRef advantage);

}  // namespace pilqr
