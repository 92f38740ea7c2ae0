#pragma once
/// Small problems for whole learners.

#include <gtest/gtest.h>

#include <vector>

#include "pilqr/baselines/ddpg.hpp"
#include "pilqr/baselines/trpo.hpp"
#include "support/random_problem.hpp"

namespace pilqr::test {

/// N random rollouts that no system made.
inline Rollouts<> random_rollouts(std::uint64_t seed, int T = 5, int N = 4, int nx = 3,
                                  int nu = 2) {
  Random random(seed);
  Rollouts<> rollouts(T, N, nx, nu);
  rollouts.cost = random.matrix(N, T);
  for (int t = 0; t < T; ++t) {
    rollouts.x[t] = random.matrix(nx, N);
    rollouts.u[t] = 0.3 * random.matrix(nu, N);
    rollouts.xi[t].setZero();
  }
  return rollouts;
}

inline Trpo small_trpo(const TrpoOptions& options = {.hidden = {6}, .value = {.hidden = {6}}},
                       int T = 5) {
  RandomStream stream({.seed = 1});
  return {3, 2, T, options, stream};
}

inline DdpgOptions small_ddpg_options() {
  DdpgOptions options;
  options.actor_hidden = {6};
  options.critic_hidden = {8};
  options.start_steps = 20;
  options.batch = 16;
  options.capacity = 50;
  return options;
}
inline Ddpg small_ddpg(const DdpgOptions& options = small_ddpg_options(), int T = 5) {
  RandomStream stream({.seed = 1});
  return {3, 2, T, options, stream};
}

/// The stream of an iteration.
inline RandomStream training_stream(std::uint32_t iteration) {
  return RandomStream({.seed = 2, .iteration = iteration, .purpose = StreamPurpose::baseline});
}

/// One update on the rollouts.
template <class L>
auto update_with(L& learner, const Rollouts<>& rollouts, std::uint32_t iteration = 0) {
  return learner.update(std::vector<RolloutsView>{rollouts}, training_stream(iteration));
}

}  // namespace pilqr::test
