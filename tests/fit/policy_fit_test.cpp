// Linearisation of a global policy: golden data, also as the reference of LQR-FLM, laws and
// failures.

#include "pilqr/fit/policy_fit.hpp"

#include <gtest/gtest.h>

#include "fit/fit_checks.hpp"
#include "pilqr/update/lqr/lqr_flm.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;
using test::Random;

template <class S>
class PolicyFitGolden : public ::testing::Test {
 protected:
  PolicyFitGolden() {
    // Mean over the samples of the policy's covariances.
    const Json& covariances = in_.at("pol_sig");
    for (int t = 0; t < mean_.steps(); ++t) {
      MatrixX sum = MatrixX::Zero(2, 2);
      for (const Json& sample : covariances) {
        sum += golden::matrix(sample.at(static_cast<std::size_t>(t)));
      }
      own_[t] = sum / static_cast<double>(covariances.size());
    }
  }

  [[nodiscard]] PolicyFit<S::Nx, S::Nu> fit() const {
    const FixedPrior prior{{golden::vector(in_.at("mu0")), golden::matrix(in_.at("Phi")),
                            in_.at("m").get<double>(), in_.at("n0").get<double>()}};
    return fit_policy(x_, mean_, own_, {.ridge = 0.0, .ridge_first_step = 1e-8}, prior);
  }

  Json file_ = golden::load("n_mdgps_small");
  Json in_ = file_.at("inputs");
  Json out_ = file_.at("outputs");
  Sequence<S::Nx, Dynamic> x_ = golden::samples<S::Nx>(in_.at("X"));
  Sequence<S::Nu, Dynamic> mean_ = golden::samples<S::Nu>(in_.at("pol_mu"));
  Sequence<S::Nu, S::Nu> own_{mean_.steps(), 2, 2};
};
using AllSizes = ::testing::Types<test::Sizes<3, 2>, test::Sizes<Dynamic, Dynamic>>;
TYPED_TEST_SUITE(PolicyFitGolden, AllSizes);

template <int Nx, int Nu>
void expect_linearised(const LinearGaussianPolicy<Nx, Nu>& policy, const Json& expected) {
  EXPECT_TRUE(close(policy.K, golden::sequence<Nu, Nx>(expected.at("pol_K")), 1e-9));
  EXPECT_TRUE(close(policy.k, golden::sequence<Nu>(expected.at("pol_k")), 1e-9));
  const auto S = golden::sequence<Nu, Nu>(expected.at("pol_S"));
  for (int t = 0; t < policy.steps(); ++t) EXPECT_TRUE(close(policy.Sigma(t), S[t], 1e-9));
}

TYPED_TEST(PolicyFitGolden, Linearisation) {
  const auto fit = this->fit();
  ASSERT_TRUE(fit.ok()) << fit.failure.message();
  expect_linearised(fit.policy, this->out_);
  const auto upper = golden::sequence<TypeParam::Nu, TypeParam::Nu>(this->out_.at("chol_pol_S"));
  const auto conditional =
      golden::sequence<TypeParam::Nu, TypeParam::Nu>(this->out_.at("conditional_covar"));
  for (int t = 0; t < fit.policy.steps(); ++t) {
    EXPECT_TRUE(close(fit.policy.L[t], upper[t].transpose(), 1e-9));
    EXPECT_TRUE(close(fit.policy.Sigma(t) - this->own_[t], conditional[t], 1e-9, 1.0));
  }
}

/// The weak prior of the file, with its way to write a ridge: into every entry, at step 0.
struct ConstantPrior {
  double strength;
  [[nodiscard]] NormalInverseWishart at(int t, const MatrixX& z) const {
    NormalInverseWishart prior{VectorX::Zero(5), MatrixX::Zero(5, 5), 0.0, strength};
    prior.Phi.diagonal() << strength * VectorX::Ones(3), 1e-5 * strength * VectorX::Ones(2);
    if (t == 0) prior.Phi.topLeftCorner(3, 3).array() += 1e-8 * (cols(z) + strength);
    return prior;
  }
};

TYPED_TEST(PolicyFitGolden, APriorThatDependsOnTheStep) {
  const auto fit =
      fit_policy(this->x_, this->mean_, this->own_, {.ridge = 0.0, .ridge_first_step = 0.0},
                 ConstantPrior{this->in_.at("strength_constant_prior").template get<double>()});
  ASSERT_TRUE(fit.ok());
  expect_linearised(fit.policy, this->out_.at("constant_prior"));
}

TYPED_TEST(PolicyFitGolden, CostsOfTheKlConstraint) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  const auto fit = this->fit();
  const auto cost = golden::cost<Nx, Nu>(this->in_, 3);
  SweepWorkspace<Nx, Nu> ws(3, 2);
  EXPECT_EQ(this->out_.at("compute_costs").size(), 4U);
  for (const auto& [key, expected] : this->out_.at("compute_costs").items()) {
    const double eta = expected.at("eta").template get<double>();
    const double scale = 1.0 / (eta + expected.at("max_ent_traj").template get<double>());
    for (int t = 0; t < cost.steps(); ++t) {
      add_reference_cost(cost, fit.policy, t, scale, eta * scale, ws);
      const auto at = static_cast<std::size_t>(t);
      EXPECT_TRUE(close(ws.C.matrix(), golden::matrix(expected.at("fCm").at(at)), 1e-9))
          << key << " " << t;
      EXPECT_TRUE(close(ws.c.matrix(), golden::vector(expected.at("fcv").at(at)), 1e-9))
          << key << " " << t;
    }
  }
}

TYPED_TEST(PolicyFitGolden, LqrFlmAgainstTheLinearisedPolicy) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  const auto fit = this->fit();
  const auto dynamics = golden::dynamics<Nx, Nu>(this->in_);
  const auto cost = golden::cost<Nx, Nu>(this->in_, 3);
  const InitialState<Nx> start{golden::vector(this->in_.at("x0mu")),
                               golden::matrix(this->in_.at("x0sigma"))};
  const Json& expected = this->out_.at("lqr_update_total");
  const double eta = expected.at("eta").template get<double>();
  const double kl = expected.at("kl").template get<double>();

  SweepWorkspace<Nx, Nu> ws(3, 2);
  LinearGaussianPolicy<Nx, Nu> policy(fit.policy.steps(), 3, 2);
  ASSERT_TRUE(backward_max_entropy(dynamics, cost, fit.policy, eta, 0.0, ws, policy).ok());
  const Json& last = expected.at("policy");
  EXPECT_TRUE(close(policy.K, golden::sequence<Nu, Nx>(last.at("K")), 1e-6));
  EXPECT_TRUE(close(policy.k, golden::sequence<Nu>(last.at("k")), 1e-6));
  const auto Sigma = golden::sequence<Nu, Nu>(last.at("pol_covar"));
  for (int t = 0; t < policy.steps(); ++t) EXPECT_TRUE(close(policy.Sigma(t), Sigma[t], 1e-6));
  const auto marginals = forward_marginals(dynamics, policy, start);
  EXPECT_TRUE(close(trajectory_kl(policy, fit.policy, marginals).sum(), kl, 1e-6));

  // Asked for exactly that divergence, the update finds that dual.
  const auto update =
      lqr_flm_update(dynamics, cost, fit.policy, start, VectorX::Constant(5, kl / 5.0),
                     {.constraint = KlConstraint::total, .tolerance = 1e-12}, 1.0);
  ASSERT_TRUE(update.ok()) << update.failure.message();
  EXPECT_TRUE(close(update.kl_dual(0), eta, 1e-6));
  EXPECT_TRUE(close(update.policy.K, policy.K, 1e-6));
}

/// Means of a linear policy at random states.
struct Linear {
  int nx;
  int nu;
  int N;
  int T = 3;
  Random random{31};
  LinearGaussianPolicy<> policy = random.policy<Dynamic, Dynamic>(T, nx, nu);
  Sequence<Dynamic, Dynamic> x{T, nx, N};
  Sequence<Dynamic, Dynamic> mean{T, nu, N};
  Sequence<Dynamic, Dynamic> own{T, nu, nu};

  Linear(int nx_, int nu_, int N_) : nx(nx_), nu(nu_), N(N_) {
    for (int t = 0; t < T; ++t) {
      x[t] = random.matrix(nx, N);
      mean[t] = (policy.K[t] * x[t]).colwise() + policy.k[t];
      own[t] = policy.Sigma(t);
    }
  }
};

constexpr PolicyFitOptions no_ridge{.ridge = 0.0, .ridge_first_step = 0.0};

TEST(PolicyFit, ALinearPolicyIsItsOwnLinearisation) {
  for (const auto& [nx, nu] : {std::pair{1, 1}, {4, 1}, {2, 5}, {6, 3}}) {
    const Linear p(nx, nu, nx + 9);
    const auto fit = fit_policy(p.x, p.mean, p.own, no_ridge);
    ASSERT_TRUE(fit.ok()) << fit.failure.message();
    require_valid(fit.policy, "linearised policy");
    EXPECT_TRUE(close(fit.policy.K, p.policy.K, 1e-10));
    EXPECT_TRUE(close(fit.policy.k, p.policy.k, 1e-10));
    EXPECT_TRUE(close(fit.policy.L, p.policy.L, 1e-10));
  }
}

TEST(PolicyFit, WhatIsNotLinearAddsToTheCovariance) {
  Linear p(3, 2, 40);
  Sequence<Dynamic, Dynamic> curved = p.mean;
  for (int t = 0; t < 3; ++t) curved[t].array() += p.x[t].topRows(2).array().square();
  const auto fit = fit_policy(p.x, curved, p.own, no_ridge);
  ASSERT_TRUE(fit.ok());
  for (int t = 0; t < 3; ++t) {
    const MatrixX residual = curved[t] - ((fit.policy.K[t] * p.x[t]).colwise() + fit.policy.k[t]);
    EXPECT_LT(residual.rowwise().mean().norm(), 1e-13);
    EXPECT_LT((residual * p.x[t].transpose()).norm(), 1e-11);  // orthogonal: least squares
    EXPECT_TRUE(
        close(fit.policy.Sigma(t), p.own[t] + residual * residual.transpose() / 40.0, 1e-11));
  }
  // u -> A u + b.
  const MatrixX A = p.random.matrix(2, 2) + 2.0 * MatrixX::Identity(2, 2);
  const VectorX b = p.random.vector(2);
  for (int t = 0; t < 3; ++t) {
    curved[t] = ((A * curved[t]).colwise() + b).eval();
    p.own[t] = (A * p.own[t] * A.transpose()).eval();
  }
  const auto moved = fit_policy(p.x, curved, p.own, no_ridge);
  for (int t = 0; t < 3; ++t) {
    EXPECT_TRUE(close(moved.policy.K[t], A * fit.policy.K[t], 1e-10));
    EXPECT_TRUE(close(moved.policy.k[t], A * fit.policy.k[t] + b, 1e-10));
    EXPECT_TRUE(close(moved.policy.Sigma(t), A * fit.policy.Sigma(t) * A.transpose(), 1e-10));
  }
}

TEST(PolicyFit, OneStartForAllSamplesGivesNoGainThere) {
  Linear p(3, 2, 12);
  p.x[0].colwise() = VectorX(p.x[0].col(0));
  p.mean[0].colwise() = VectorX(p.mean[0].col(0));
  const auto fit = fit_policy(p.x, p.mean, p.own, {.ridge = 0.0});
  ASSERT_TRUE(fit.ok());
  EXPECT_LT(fit.policy.K[0].norm(), 1e-15);
  EXPECT_TRUE(close(fit.policy.k[0], p.mean[0].col(0), 1e-14));
  EXPECT_TRUE(close(fit.policy.Sigma(0), p.own[0], 1e-14));
  EXPECT_TRUE(close(fit.policy.K[1], p.policy.K[1], 1e-10));

  const auto singular = fit_policy(p.x, p.mean, p.own, no_ridge);
  EXPECT_EQ(singular.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(singular.failure.step, 0);
}

TEST(PolicyFit, FewerSamplesThanStatesAreNormal) {
  const Linear p(8, 2, 3);
  const auto fit = fit_policy(p.x, p.mean, p.own);
  ASSERT_TRUE(fit.ok());
  for (int t = 0; t < 3; ++t) {
    const MatrixX fitted = (fit.policy.K[t] * p.x[t]).colwise() + fit.policy.k[t];
    EXPECT_TRUE(close(fitted, p.mean[t], 1e-6));
  }
  const auto singular = fit_policy(p.x, p.mean, p.own, {.ridge = 0.0});
  EXPECT_EQ(singular.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(singular.failure.step, 1);
  EXPECT_EQ(singular.failure.value, 0.0);
  const Linear one(4, 2, 1);
  EXPECT_TRUE(fit_policy(one.x, one.mean, one.own).ok());
}

TEST(PolicyFit, NumericalFailuresNameTheirStep) {
  const Linear good(3, 2, 10);
  Linear p = good;
  p.x[2](1, 4) = std::nan("");
  auto fit = fit_policy(p.x, p.mean, p.own);
  EXPECT_EQ(fit.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(fit.failure.step, 2);
  p = good;
  p.mean[1](0, 0) = std::numeric_limits<double>::infinity();
  fit = fit_policy(p.x, p.mean, p.own);
  EXPECT_EQ(fit.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(fit.failure.step, 1);
  p = good;
  p.own[1](1, 0) = std::nan("");
  fit = fit_policy(p.x, p.mean, p.own);
  EXPECT_EQ(fit.failure.kind, FailureKind::singular_covariance);
  EXPECT_EQ(fit.failure.step, 1);
  p = good;
  p.own[2](0, 0) = -1.0;
  fit = fit_policy(p.x, p.mean, p.own);
  EXPECT_EQ(fit.failure.kind, FailureKind::singular_covariance);
  EXPECT_EQ(fit.failure.step, 2);
  EXPECT_LT(fit.failure.value, 0.0);
}

TEST(PolicyFit, MisuseThrows) {
  const Linear good(3, 2, 10);
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW((void)fit_policy(good.x, good.mean, good.own, {.ridge = bad}), InvalidArgument);
    EXPECT_THROW((void)fit_policy(good.x, good.mean, good.own, {.ridge_first_step = bad}),
                 InvalidArgument);
  }
  const Linear more(3, 2, 11);
  EXPECT_THROW((void)fit_policy(good.x, more.mean, good.own), InvalidArgument);
  const Linear wider(3, 4, 10);
  EXPECT_THROW((void)fit_policy(good.x, good.mean, wider.own), InvalidArgument);
  const Sequence<Dynamic, Dynamic> none;
  EXPECT_THROW((void)fit_policy(none, none, none), InvalidArgument);
  const FixedPrior wrong{{VectorX::Zero(6), MatrixX::Identity(6, 6), 1.0, 1.0}};  // expected 5
  EXPECT_THROW((void)fit_policy(good.x, good.mean, good.own, {}, wrong), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
