#pragma once
/// A trained policy as one C header, for machines without this library.

#include <string>

#include "pilqr/core/types.hpp"
#include "pilqr/model/global_policy.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/nn/network_policy.hpp"

namespace pilqr {

/// What the header is like.
struct HeaderOptions {
  /// Begins every name in it, macros in capitals: a letter, then letters, digits and single
  /// underscores, none at the end, at most 40. Two headers that a program includes have names that
  /// differ in capitals too; otherwise it does not compile.
  std::string name = "policy";
  bool single = false;    ///< float instead of double
  VectorX lower{};        ///< nu, least controls, or empty; those of a NetworkPolicy count as well
  VectorX upper{};        ///< nu, greatest controls, or empty
  double dt = 0.0;        ///< s between two steps, for NAME_DT; 0: not known
  std::string about{};    ///< where the policy comes from, for the comment on top
  int test_vectors = 16;  ///< states with their controls for NAME_self_test, at least 1
  /// Of a network: what it saw in training beside the state x. The header's function takes x, and
  /// makes [x; H x + h] of it. Empty: x is what the network sees. That of a task:
  /// Task::observation.
  Observation observation{};
};

/// Throws InvalidArgument, naming the option that is out of range for a policy with nu controls.
void require_valid(const HeaderOptions& options, int nu);

/// The text of a header in C99 that is C++11 as well, with warnings of no common kind, and needs
/// <math.h> at most. For a name `arm` it has
///
///     typedef double arm_real;                               float with HeaderOptions::single
///     ARM_NX, ARM_NU, ARM_STEPS, ARM_DT
///     int arm_act(int t, const arm_real *x, arm_real *u);    u = K_t x + k_t within the limits
///     int arm_self_test(void);
///
/// arm_act returns 0, or 1 if t is not one of 0..ARM_STEPS-1, or 2 if x or the control is not
/// finite, and then leaves u as it was. arm_self_test returns 0 if the header's test vectors agree
/// with this library to 1e-12 (float: 1e-5) of the sum of their terms' magnitudes, v > 0 if vector
/// v - 1 does not, and -1 if NaN is not refused, as under -ffast-math. Constants are shortest
/// decimals that give the same double (float: nearest, limits rounded inwards).
///
/// Throws InvalidArgument for a policy or options that are not valid, such as an observation of a
/// time-varying policy, and for a number that is too large for a float.
std::string to_c_header(const LinearGaussianPolicy<>& policy, const HeaderOptions& options = {});

/// The same for the mean of a network, its observation, normalisation and limits: no ARM_STEPS, and
///
///     int arm_act(const arm_real *x, arm_real *u);
///
/// The self-test allows each layer's sums 1e-12 (float: 1e-5) of their terms' magnitudes, or more
/// if the layer is too wide for that, times how much the control changes with the sum: a bound of
/// rounding, to first order.
std::string to_c_header(const NetworkPolicy& policy, const HeaderOptions& options = {});

}  // namespace pilqr
