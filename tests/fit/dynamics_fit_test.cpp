// Dynamics regression: golden data, least squares as an oracle, edges and failures.

#include "pilqr/fit/dynamics_fit.hpp"

#include <gtest/gtest.h>

#include <Eigen/QR>

#include "fit/fit_checks.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;
using test::Random;

static_assert(RegressionPrior<FixedPrior>);
static_assert(!RegressionPrior<NoPrior>);

template <int Nx, int Nu>
void expect_golden(const Json& file, const DynamicsFit<Nx, Nu>& fit, double covariance_tolerance) {
  ASSERT_TRUE(fit.ok()) << fit.failure.message();
  const Json& out = file.at("outputs");
  const int last = fit.dynamics.steps() - 1;
  EXPECT_EQ(static_cast<int>(out.at("Fm").size()), last + 1);
  constexpr int Ny = joint_size<Nx, Nu>;
  EXPECT_TRUE(close(fit.dynamics.F, golden::sequence<Nx, Ny>(out.at("Fm"), last), 1e-9));
  EXPECT_TRUE(close(fit.dynamics.f, golden::sequence<Nx>(out.at("fv"), last), 1e-9));
  const auto W = golden::sequence<Nx, Nx>(out.at("dyn_covar"), last);
  EXPECT_LT((fit.dynamics.W.flat() - W.flat()).cwiseAbs().maxCoeff(), covariance_tolerance);
  for (int t = 0; t < last; ++t) EXPECT_EQ(fit.dynamics.W[t], fit.dynamics.W[t].transpose());
}

template <class S>
class DynamicsFitGolden : public ::testing::Test {
 protected:
  static bool has(const std::string& name) {
    return S::Nx == Dynamic || S::Nx == (name == "medium" ? 6 : 3);  // medium is 6x2
  }
};
using AllSizes =
    ::testing::Types<test::Sizes<3, 2>, test::Sizes<6, 2>, test::Sizes<Dynamic, Dynamic>>;
TYPED_TEST_SUITE(DynamicsFitGolden, AllSizes);

TYPED_TEST(DynamicsFitGolden, RidgeAlone) {
  for (const std::string name : {"small", "medium", "wide"}) {
    if (!this->has(name)) continue;
    for (const std::string ridge : {"0.01", "1e-06"}) {
      SCOPED_TRACE(name + ", ridge " + ridge);
      const Json file = golden::load("a_dynamics_lr_" + name + "_reg" + ridge);
      const auto rollouts = test::golden_rollouts<TypeParam::Nx, TypeParam::Nu>(file.at("inputs"));
      expect_golden(file, fit_dynamics(rollouts, {.ridge = std::stod(ridge)}), 1e-9);
    }
  }
}

TYPED_TEST(DynamicsFitGolden, FixedPrior) {
  for (const std::string name : {"small", "medium"}) {
    if (!this->has(name)) continue;
    const Json file = golden::load("b_dynamics_lr_prior_" + name);
    const Json& in = file.at("inputs");
    const auto rollouts = test::golden_rollouts<TypeParam::Nx, TypeParam::Nu>(in);
    const FixedPrior prior{{golden::vector(in.at("mu0")), golden::matrix(in.at("Phi")),
                            in.at("m").get<double>(), in.at("n0").get<double>()}};
    expect_golden(file,
                  fit_dynamics(rollouts, {.ridge = in.at("regularization").get<double>()}, prior),
                  1e-10);
  }
}

/// Random rollouts of no system at all.
Rollouts<> noise_rollouts(int T, int N, int nx, int nu, std::uint64_t seed) {
  Random random(seed);
  Rollouts<> r(T, N, nx, nu);
  for (int t = 0; t < T; ++t) {
    r.x[t] = random.matrix(nx, N);
    r.u[t] = random.matrix(nu, N);
  }
  return r;
}

/// Centred [x; u] and x' of step t.
struct Points {
  MatrixX y;  // ny x N
  MatrixX x;  // nx x N
  VectorX mean_y;
  VectorX mean_x;

  Points(const Rollouts<>& r, int t) : y(r.nx() + r.nu(), r.samples()), x(r.x[t + 1]) {
    y << r.x[t], r.u[t];
    mean_y = y.rowwise().mean();
    mean_x = x.rowwise().mean();
    y.colwise() -= mean_y;
    x.colwise() -= mean_x;
  }
};

TEST(DynamicsFit, IsRidgeRegression) {
  const double ridge = 0.03;
  for (const int N : {1, 2, 4, 7, 30}) {
    const Rollouts<> r = noise_rollouts(4, N, 3, 2, 40U + static_cast<unsigned>(N));
    const auto fit = fit_dynamics(r, {.ridge = ridge});
    ASSERT_TRUE(fit.ok());
    for (int t = 0; t < 3; ++t) {
      const Points p(r, t);
      // min over F of mean_i |x_i - F y_i|^2 + ridge |F|^2, as one stacked least-squares problem.
      MatrixX A(N + 5, 5);
      A << p.y.transpose() / std::sqrt(N), std::sqrt(ridge) * MatrixX::Identity(5, 5);
      MatrixX B = MatrixX::Zero(N + 5, 3);
      B.topRows(N) = p.x.transpose() / std::sqrt(N);
      const MatrixX F = A.colPivHouseholderQr().solve(B).transpose();
      EXPECT_TRUE(close(fit.dynamics.F[t], F, 1e-11, 1e-3)) << "N = " << N;
      EXPECT_TRUE(close(fit.dynamics.f[t], p.mean_x - F * p.mean_y, 1e-11, 1e-3)) << "N = " << N;
      const MatrixX residual = p.x - F * p.y;
      const MatrixX W = residual * residual.transpose() / N + ridge * F * F.transpose();
      EXPECT_TRUE(close(fit.dynamics.W[t], W, 1e-11, 1e-3)) << "N = " << N;
    }
  }
}

TEST(DynamicsFit, RecoversLinearDynamicsExactly) {
  Random random(3);
  const auto dynamics = random.dynamics<Dynamic, Dynamic>(6, 4, 3);
  const auto cost = random.cost<Dynamic, Dynamic>(6, 4, 3);
  const auto policy = random.policy<Dynamic, Dynamic>(6, 4, 3);
  const auto rollouts = test::simulate(dynamics, cost, policy, 25, random);
  const auto exact = fit_dynamics(rollouts, {.ridge = 0.0});
  ASSERT_TRUE(exact.ok());
  EXPECT_TRUE(close(exact.dynamics.F, dynamics.F, 1e-11));
  EXPECT_TRUE(close(exact.dynamics.f, dynamics.f, 1e-11, 1.0));
  EXPECT_LT(exact.dynamics.W.flat().cwiseAbs().maxCoeff(), 1e-13);
  // The bias of a ridge is proportional to it.
  double previous = 0.0;
  for (const double ridge : {1e-4, 1e-5}) {
    const auto fit = fit_dynamics(rollouts, {.ridge = ridge});
    const double bias = (fit.dynamics.F.flat() - dynamics.F.flat()).norm();
    EXPECT_GT(bias, 0.0);
    if (previous > 0.0) {
      EXPECT_NEAR(previous / bias, 10.0, 0.1);
    }
    previous = bias;
  }
}

TEST(DynamicsFit, OneSampleOrIdenticalSamplesGiveTheMean) {
  for (const int N : {1, 4, 7}) {
    Rollouts<> r = noise_rollouts(3, N, 3, 2, 5);
    for (int t = 0; t < 3; ++t) {
      r.x[t].colwise() = VectorX(r.x[t].col(0));
      r.u[t].colwise() = VectorX(r.u[t].col(0));
    }
    const auto fit = fit_dynamics(r);
    ASSERT_TRUE(fit.ok());
    for (int t = 0; t < 2; ++t) {
      EXPECT_LT(fit.dynamics.F[t].cwiseAbs().maxCoeff(), 1e-20);
      EXPECT_TRUE(close(fit.dynamics.f[t], r.x[t + 1].col(0), 1e-15));
      EXPECT_LT(fit.dynamics.W[t].cwiseAbs().maxCoeff(), 1e-30);
    }
  }
}

TEST(DynamicsFit, SmallestSizes) {
  // x' = 2 x - 3 u + 1, one state, one control, fixed sizes.
  Rollouts<1, 1> r(2, 3, 1, 1);
  r.x[0] << 0.0, 1.0, 0.0;
  r.u[0] << 0.0, 0.0, 1.0;
  r.x[1] << 1.0, 3.0, -2.0;
  const auto fit = fit_dynamics(r, {.ridge = 0.0});
  ASSERT_TRUE(fit.ok());
  EXPECT_TRUE(close(fit.dynamics.F[0], Matrix<1, 2>(2.0, -3.0), 1e-14));
  EXPECT_NEAR(fit.dynamics.f[0](0), 1.0, 1e-14);
  EXPECT_NEAR(fit.dynamics.W[0](0), 0.0, 1e-14);
}

TEST(DynamicsFit, OneStepHasNoTransitions) {
  const auto fit = fit_dynamics(noise_rollouts(1, 3, 3, 2, 1));
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(fit.dynamics.steps(), 1);
  EXPECT_EQ(fit.dynamics.F.steps(), 0);
  EXPECT_EQ(fit.dynamics.nx(), 3);
  EXPECT_EQ(fit.dynamics.nu(), 2);
}

TEST(DynamicsFit, OrderOfSamplesDoesNotMatter) {
  const Rollouts<> r = noise_rollouts(4, 6, 3, 2, 8);
  const auto fit = fit_dynamics(r);
  const auto other = fit_dynamics(test::permuted(r, {4, 2, 0, 5, 1, 3}));
  EXPECT_TRUE(close(other.dynamics.F, fit.dynamics.F, 1e-10));
  EXPECT_TRUE(close(other.dynamics.f, fit.dynamics.f, 1e-10));
  EXPECT_LT((other.dynamics.W.flat() - fit.dynamics.W.flat()).cwiseAbs().maxCoeff(), 1e-12);
}

TEST(DynamicsFit, AStrongPriorWins) {
  // A prior worth 1e12 points whose regression is known.
  Random random(12);
  const MatrixX F = random.matrix(2, 3);
  const MatrixX S = random.positive_definite(3, 0.5);
  FixedPrior strong;
  strong.prior.mu0 = random.vector(5);
  strong.prior.Phi.resize(5, 5);
  strong.prior.Phi << S, S * F.transpose(), F * S, F * S * F.transpose() + MatrixX::Identity(2, 2);
  strong.prior.Phi *= 1e12;
  strong.prior.n0 = 1e12;
  const auto fit = fit_dynamics(noise_rollouts(3, 4, 2, 1, 9), {.ridge = 0.0}, strong);
  ASSERT_TRUE(fit.ok());
  for (int t = 0; t < 2; ++t) {
    EXPECT_TRUE(close(fit.dynamics.F[t], F, 1e-9));
    EXPECT_TRUE(close(fit.dynamics.W[t], MatrixX::Identity(2, 2), 1e-9));
  }
}

TEST(DynamicsFit, SingularDataWithoutRidgeIsReportedWithItsStep) {
  Rollouts<> r = noise_rollouts(6, 8, 3, 2, 2);
  ASSERT_TRUE(fit_dynamics(r, {.ridge = 0.0}).ok());
  r.x[3].colwise() = VectorX(r.x[3].col(0));
  auto fit = fit_dynamics(r, {.ridge = 0.0});
  EXPECT_EQ(fit.failure.kind, FailureKind::singular_fit);
  EXPECT_EQ(fit.failure.step, 3);
  EXPECT_EQ(fit.failure.value, 0.0);
  EXPECT_TRUE(fit_dynamics(r).ok());

  // Fewer samples than nx + nu, and entries that are sums of others: the covariance is singular but
  // for rounding.
  for (unsigned seed = 0; seed < 50; ++seed) {
    const int N = 2 + static_cast<int>(seed % 3);
    fit = fit_dynamics(noise_rollouts(2, N, 3, 2, 100U + seed), {.ridge = 0.0});
    EXPECT_EQ(fit.failure.message().substr(0, 12), "singular_fit") << "seed " << seed;
    r = noise_rollouts(2, 30, 3, 2, 200U + seed);
    r.u[0].row(1) = r.x[0].row(0) + 0.5 * r.x[0].row(2) - r.u[0].row(0);
    fit = fit_dynamics(r, {.ridge = 0.0});
    EXPECT_EQ(fit.failure.message().substr(0, 12), "singular_fit") << "seed " << seed;
  }

  // A ridge that vanishes next to the data is no ridge.
  r = noise_rollouts(2, 4, 3, 2, 7);
  r.x.flat() *= 1e9;
  r.u.flat() *= 1e9;
  EXPECT_EQ(fit_dynamics(r, {.ridge = 1e-6}).failure.kind, FailureKind::singular_fit);
}

TEST(DynamicsFit, NonFiniteDataIsReportedWithItsStep) {
  const Rollouts<> good = noise_rollouts(5, 8, 3, 2, 2);
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (int row = 0; row < 3; ++row) {
      Rollouts<> r = good;
      r.x[2](row, 4) = bad;
      const auto fit = fit_dynamics(r);
      EXPECT_EQ(fit.failure.kind, FailureKind::singular_fit);
      EXPECT_EQ(fit.failure.step, 1);  // x[2] is the successor of step 1
    }
    for (int row = 0; row < 2; ++row) {
      Rollouts<> r = good;
      r.u[2](row, 0) = bad;
      EXPECT_EQ(fit_dynamics(r).failure.step, 2);
    }
  }
  Rollouts<> huge = good;
  huge.x[0] *= 1e200;
  EXPECT_FALSE(fit_dynamics(huge).ok());
}

TEST(DynamicsFit, MisuseThrows) {
  const Rollouts<> good = noise_rollouts(3, 4, 3, 2, 2);
  for (const double ridge : {-1e-9, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW((void)fit_dynamics(good, {.ridge = ridge}), InvalidArgument);
  }
  EXPECT_THROW((void)fit_dynamics(Rollouts<>()), InvalidArgument);
  Rollouts<> r = good;
  r.u.resize(3, 5, 2);
  EXPECT_THROW((void)fit_dynamics(r), InvalidArgument);
  const FixedPrior wrong{{VectorX::Zero(7), MatrixX::Identity(7, 7), 1.0, 1.0}};  // expected 8
  EXPECT_THROW((void)fit_dynamics(good, {}, wrong), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
