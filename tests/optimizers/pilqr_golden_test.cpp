/// A whole PILQR update, composed of the public steps as Pilqr::update composes them, against
/// golden numbers (uncentred weights, the authors' settings), for fixed and dynamic sizes.

#include <gtest/gtest.h>

#include "pilqr/pilqr.hpp"
#include "support/golden.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;

template <int Nx, int Nu>
void check_update() {
  const Json file = golden::load("j_pilqr_update_small");
  const Json& inputs = file.at("inputs");
  const auto dynamics = golden::dynamics<Nx, Nu>(inputs);
  const auto cost = golden::cost<Nx, Nu>(inputs, 3);
  const InitialState<Nx> start{golden::vector(inputs.at("x0mu")),
                               golden::matrix(inputs.at("x0sigma"))};
  const auto previous = golden::policy<Nx, Nu>(inputs.at("prev_policy"));
  const int T = previous.steps();
  Rollouts<Nx, Nu> rollouts;
  rollouts.x = golden::samples<Nx>(inputs.at("X"));
  rollouts.u = golden::samples<Nu>(inputs.at("U"));
  rollouts.xi = golden::samples<Nu>(inputs.at("noise"));
  rollouts.cost = golden::matrix(inputs.at("costs"));

  for (const auto& [key, expected] : file.at("outputs").items()) {
    // The model-based half at the file's dual variables.
    SweepWorkspace<Nx, Nu> ws(3, 2);
    LinearGaussianPolicy<Nx, Nu> lqr(T, 3, 2);
    if (expected.at("cons_per_step").template get<bool>()) {
      const VectorX eta = golden::vector(expected.at("lqr_eta_returned"));
      const auto choose = [&](int t, const StepKl<Nu>& kl) {
        return DualRoot{eta(t), eta(t) - kl.lower_bound(), kl.at(eta(t) - kl.lower_bound()), true,
                        true};
      };
      VectorX dual(T);
      VectorX kl(T);
      ASSERT_TRUE(backward_per_step(dynamics, cost, previous,
                                    state_marginals(dynamics, previous, start), choose, ws, lqr,
                                    dual, kl)
                      .ok());
    } else {
      ASSERT_TRUE(backward_max_entropy(dynamics, cost, previous,
                                       expected.at("lqr_eta_returned").template get<double>(), 0.0,
                                       ws, lqr)
                      .ok());
    }
    const auto golden_lqr = golden::policy<Nx, Nu>(expected.at("lqr_policy"));
    EXPECT_TRUE(close(lqr.K, golden_lqr.K, 1e-6)) << key;
    EXPECT_TRUE(close(lqr.k, golden_lqr.k, 1e-6)) << key;
    EXPECT_TRUE(close(lqr.L, golden_lqr.L, 1e-6)) << key;

    // Approximation, residual and temperatures do not depend on it.
    const auto predicted =
        predict_costs(dynamics, cost, previous, rollouts, ReplayOptions{.range = 1e6});
    ASSERT_EQ(predicted.first_diverged_step, T);
    EXPECT_TRUE(close(predicted.cost, golden::matrix(expected.at("c_approx")), 1e-9)) << key;
    const MatrixX residual = rollouts.cost - predicted.cost;
    EXPECT_TRUE(close(residual, golden::matrix(expected.at("residual_costs")), 1e-9)) << key;
    const VectorX temperature = optimize_temperatures(
        cost_to_go(rollouts.cost),
        {.kl_step = expected.at("kl_threshold").template get<double>(),
         .min_temperature = inputs.at("min_temperature").template get<double>()});
    EXPECT_TRUE(close(temperature, golden::vector(expected.at("eta_pi2")), 1e-9)) << key;

    // The model-free half, from the file's own model-based policy.
    const auto pi2 =
        pi2_update(golden_lqr, rollouts.xi, cost_to_go(residual), temperature,
                   {.covariance_damping = expected.at("covariance_damping").template get<double>(),
                    .centered = false,
                    .shrinkage = 0.0,
                    .min_variance_ratio = 1e-6});
    ASSERT_TRUE(pi2.ok());
    const Json& final_policy = expected.at("final_policy");
    EXPECT_TRUE(close(pi2.weights.transpose(), golden::matrix(expected.at("prob")), 1e-9)) << key;
    EXPECT_TRUE(close(pi2.policy.K, golden::sequence<Nu, Nx>(final_policy.at("K")), 1e-9)) << key;
    EXPECT_TRUE(close(pi2.policy.k, golden::sequence<Nu>(final_policy.at("k")), 1e-9)) << key;
    const auto Sigma = golden::sequence<Nu, Nu>(final_policy.at("pol_covar"));
    for (int t = 0; t < T; ++t) EXPECT_TRUE(close(pi2.policy.Sigma(t), Sigma[t], 1e-9)) << key;
  }
}

TEST(PilqrGolden, Fixed) {
  check_update<3, 2>();
}
TEST(PilqrGolden, Dynamic) {
  check_update<Dynamic, Dynamic>();
}

}  // namespace
}  // namespace pilqr
