/// PI2 weights, temperatures, means and covariances against golden numbers.

#include <gtest/gtest.h>

#include "pilqr/model/rollout.hpp"
#include "pilqr/update/pi2/pi2.hpp"
#include "support/golden.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;

template <int Nu>
void check_file() {
  const Json file = golden::load("h_pi2_update_small");
  const Json& inputs = file.at("inputs");
  const auto samples = golden::samples<Nu>(inputs.at("samples"));
  const int T = samples.steps();
  const int nu = samples.rows();
  LinearGaussianPolicy<Dynamic, Nu> old(T, 3, nu);
  old.K.set_zero();
  old.k = golden::sequence<Nu>(inputs.at("mean_old"));
  old.L = golden::sequence<Nu, Nu>(inputs.at("cov_old"));
  Sequence<Nu, Dynamic> xi(T, nu, samples.cols());
  for (int t = 0; t < T; ++t) {
    auto L = old.L[t];
    ASSERT_TRUE(cholesky_in_place(L));
    xi[t] = samples[t].colwise() - Vector<Nu>(old.k[t]);
    L.template triangularView<Eigen::Lower>().solveInPlace(xi[t]);
  }
  int cases = 0;
  for (const auto& [key, expected] : file.at("outputs").items()) {
    if (!expected.contains("etas")) continue;
    ++cases;
    const MatrixX cost =
        expected.at("cost_scale").template get<double>() * golden::matrix(inputs.at("costs"));
    const MatrixX S = cost_to_go(cost);
    VectorX temperature = golden::vector(expected.at("etas"));
    if (expected.contains("kl_threshold")) {
      const VectorX found = optimize_temperatures(
          S, {.kl_step = expected.at("kl_threshold").template get<double>(),
              .min_temperature = inputs.at("min_temperature").template get<double>()});
      EXPECT_TRUE(close(found, temperature, 1e-9)) << key;
      temperature = found;
    }
    const auto result =
        pi2_update(old, xi, S, temperature,
                   {.covariance_damping = expected.at("covariance_damping").template get<double>(),
                    .centered = false,
                    .shrinkage = 0.0,
                    .min_variance_ratio = 1e-6});
    ASSERT_TRUE(result.ok());
    EXPECT_TRUE(close(result.weights.transpose(), golden::matrix(expected.at("prob")), 1e-9))
        << key;
    EXPECT_TRUE(close(result.policy.k, golden::sequence<Nu>(expected.at("k")), 1e-9)) << key;
    const auto Sigma = golden::sequence<Nu, Nu>(expected.at("pol_covar"));
    for (int t = 0; t < T; ++t) {
      EXPECT_TRUE(close(result.policy.Sigma(t), Sigma[t], 1e-9)) << key << ", step " << t;
    }
    EXPECT_EQ(result.policy.K, old.K);
  }
  EXPECT_EQ(cases, 14);
}

TEST(Pi2Golden, Fixed) {
  check_file<2>();
}
TEST(Pi2Golden, Dynamic) {
  check_file<Dynamic>();
}

TEST(Pi2Golden, DivergenceAndDualOnAGrid) {
  const Json grid = golden::load("h_pi2_update_small").at("outputs").at("kl_dual_grid");
  const VectorX eta = golden::vector(grid.at("eta_grid"));
  const double threshold = grid.at("kl_threshold").get<double>();
  for (const auto& [key, values] : grid.at("values").items()) {
    const VectorX S = golden::vector(values.at("cost_to_go"));
    VectorX kl(eta.size());
    VectorX dual(eta.size());
    VectorX w(S.size());
    for (Eigen::Index i = 0; i < eta.size(); ++i) {
      path_integral_weights(S, eta(i), w);
      kl(i) = kl_to_uniform(w);
      const double shift = S.minCoeff();
      dual(i) = eta(i) * threshold - shift +
                eta(i) * std::log((-(S.array() - shift) / eta(i)).exp().mean());
    }
    EXPECT_LT((kl - golden::vector(values.at("kl_to_uniform"))).cwiseAbs().maxCoeff(), 1e-9) << key;
    EXPECT_TRUE(close(dual, golden::vector(values.at("dual")), 1e-9)) << key;
    // The temperature minimises that dual among the grid's neighbours.
    const double best = optimize_temperature(S, {.kl_step = threshold});
    Eigen::Index lowest = 0;
    dual.minCoeff(&lowest);
    if (lowest > 0 && lowest + 1 < eta.size()) {
      EXPECT_GT(best, eta(lowest - 1)) << key;
      EXPECT_LT(best, eta(lowest + 1)) << key;
    }
  }
}

}  // namespace
}  // namespace pilqr
