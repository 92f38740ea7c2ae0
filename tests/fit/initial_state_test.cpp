#include "pilqr/fit/initial_state.hpp"

#include <gtest/gtest.h>

#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

TEST(InitialState, Golden) {
  for (const char* file : {"b_x0_fit_small", "b_x0_fit_medium"}) {
    const auto json = golden::load(file);
    const auto& in = json.at("inputs");
    const auto& out = json.at("outputs");
    const auto x = golden::samples<Dynamic>(in.at("X"));
    const auto prior = initial_state_prior(x[0], in.at("strength").get<double>());
    EXPECT_TRUE(golden::close(prior.mu0, golden::vector(out.at("mu0")), 1e-12)) << file;
    EXPECT_TRUE(golden::close(prior.Phi, golden::matrix(out.at("Phi")), 1e-12)) << file;
    EXPECT_EQ(prior.m, out.at("m").get<double>());
    EXPECT_EQ(prior.n0, out.at("n0").get<double>());
    const auto fit = fit_initial_state(x[0], prior, in.at("initial_state_var").get<double>());
    EXPECT_TRUE(golden::close(fit.mu, golden::vector(out.at("x0mu")), 1e-12)) << file;
    EXPECT_TRUE(golden::close(fit.Sigma, golden::matrix(out.at("x0sigma")), 1e-12)) << file;
  }
}

TEST(InitialState, ADisplacedPriorAddsItsDisplacement) {
  // One dimension by hand: N = 2 states 1 and 3 (variance 1), prior mean 5, m = n0 = 1, Phi = 4:
  // (2 * 1 + 4 + 2 / 3 * 9) / 3 = 4.
  const NormalInverseWishart prior{Vector<1>(5.0), Matrix<1, 1>(4.0), 1.0, 1.0};
  const auto fit = fit_initial_state(Matrix<1, 2>(1.0, 3.0), prior);
  EXPECT_DOUBLE_EQ(fit.mu(0), 2.0);
  EXPECT_DOUBLE_EQ(fit.Sigma(0, 0), 4.0);
}

TEST(InitialState, IdenticalStatesKeepTheFloor) {
  const MatrixX states = MatrixX::Constant(3, 4, 0.7);
  const auto fit = fit_initial_state(states, initial_state_prior(states, 0.0), 1e-4);
  EXPECT_TRUE(golden::close(fit.Sigma, 1e-4 * MatrixX::Identity(3, 3), 1e-14));
  EXPECT_THROW((void)initial_state_prior(states, -1.0), InvalidArgument);
  EXPECT_THROW((void)fit_initial_state(states.topRows(2), initial_state_prior(states)),
               InvalidArgument);
  EXPECT_THROW((void)fit_initial_state(states, initial_state_prior(states), std::nan("")),
               InvalidArgument);
}

}  // namespace
}  // namespace pilqr
