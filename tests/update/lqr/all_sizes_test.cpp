// Sweeps, marginals and the regression over all sizes up to 40 states and 12 controls, against the
// same in plain Eigen, and under changes of units.

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "pilqr/fit/regression.hpp"
#include "pilqr/update/lqr/lqr_flm.hpp"
#include "support/eigen_lqr.hpp"
#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using test::deviation;
using test::LqrProblem;
using test::Random;
using test::step_of;
using test::StepPolicy;

constexpr int T = 3;
constexpr int most_states = 40;
constexpr int most_controls = 12;

/// f(nx, nu) for all sizes.
template <class F>
void for_all_sizes(const F& f) {
  for (int nx = 1; nx <= most_states; ++nx) {
    for (int nu = 1; nu <= most_controls; ++nu) {
      SCOPED_TRACE(fmt::format("nx = {}, nu = {}", nx, nu));
      f(nx, nu);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

/// A problem whose numbers are of order one at every size.
LqrProblem<> problem(int nx, int nu) {
  LqrProblem<> p(static_cast<std::uint64_t>(100 * nx + nu), T, nx, nu);
  for (int t = 0; t < T; ++t) {
    p.cost.C[t].diagonal().array() += 1.0;
    p.reference.K[t] /= std::sqrt(static_cast<double>(nx));
  }
  return p;
}

TEST(AllSizes, PlainSweepIsThatOfEigen) {
  for_all_sizes([](int nx, int nu) {
    const LqrProblem<> p = problem(nx, nu);
    SweepWorkspace<> ws(nx, nu);
    LinearGaussianPolicy<> out(T, nx, nu);
    ASSERT_TRUE(backward_max_entropy(p.dynamics, p.cost, p.reference, 0.0, 1.0, ws, out).ok());
    LinearGaussianPolicy<> expected(T, nx, nu);
    test::EigenLqr<Dynamic, Dynamic> eigen(nx, nu);
    ASSERT_TRUE(eigen.backward(p.dynamics, p.cost, expected));
    for (int t = 0; t < T; ++t) {
      EXPECT_LT(deviation(out.K[t], expected.K[t]), 1e-12);
      EXPECT_LT(deviation(out.k[t], expected.k[t]), 1e-12);
      EXPECT_LT(deviation(out.Sigma(t), expected.Sigma(t)), 1e-12);
    }
  });
}

TEST(AllSizes, MarginalsAreThoseOfTheClosedLoop) {
  for_all_sizes([](int nx, int nu) {
    const LqrProblem<> p = problem(nx, nu);
    const auto states = state_marginals(p.dynamics, p.reference, p.start);
    const auto all = forward_marginals(p.dynamics, p.reference, p.start);
    const test::StateMarginals expected(p, p.reference);
    for (int t = 0; t < T; ++t) {
      const auto i = static_cast<std::size_t>(t);
      const StepPolicy s = step_of(p.reference, t);
      VectorX mu(nx + nu);
      mu << expected.mu[i], s.K * expected.mu[i] + s.k;
      MatrixX Sigma(nx + nu, nx + nu);
      const MatrixX across = s.K * expected.Omega[i];
      Sigma << expected.Omega[i], across.transpose(), across, across * s.K.transpose() + s.Sigma;
      EXPECT_LT(deviation(states.mu[t], expected.mu[i]), 1e-12);
      EXPECT_LT(deviation(states.Sigma[t], expected.Omega[i]), 1e-12);
      EXPECT_LT(deviation(all.mu[t], mu), 1e-12);
      EXPECT_LT(deviation(all.Sigma[t], Sigma), 1e-12);
    }
  });
}

// Each step by factorisations of Eigen; only the duals are taken from the result.
TEST(AllSizes, PerStepSweepSolvesEachStep) {
  for_all_sizes([](int nx, int nu) {
    const LqrProblem<> p = problem(nx, nu);
    const double floor = nu % 2 == 0 ? 0.8 : 0.0;
    const auto result = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start,
                                       VectorX::Constant(T, 0.3), {.min_variance_ratio = floor});
    ASSERT_TRUE(result.ok()) << result.failure.message();
    MatrixX V;
    VectorX v;
    for (int t = T - 1; t >= 0; --t) {
      MatrixX Q = p.cost.C[t];
      VectorX q = p.cost.c[t];
      if (t + 1 < T) {
        const MatrixX F = p.dynamics.F[t];
        Q += F.transpose() * V * F;
        q += F.transpose() * (v + V * p.dynamics.f[t]);
      }
      const StepPolicy reference = step_of(p.reference, t);
      const StepPolicy actual = step_of(result.policy, t);
      const double eta = result.kl_dual(t);
      const Eigen::LLT<MatrixX> own(reference.Sigma);
      const MatrixX precision = own.solve(MatrixX::Identity(nu, nu));
      const Eigen::LLT<MatrixX> llt(precision + Q.bottomRightCorner(nu, nu) / eta);
      const MatrixX K = llt.solve(precision * reference.K - Q.bottomLeftCorner(nu, nx) / eta);
      const VectorX k = llt.solve(precision * reference.k - q.tail(nu) / eta);
      EXPECT_LT(deviation(actual.K, K), 1e-11) << t;  // two inversions of Sigma in a row
      EXPECT_LT(deviation(actual.k, k), 1e-11) << t;
      if (floor == 0.0) {
        EXPECT_LT(deviation(actual.Sigma, llt.solve(MatrixX::Identity(nu, nu)).eval()), 1e-11) << t;
        EXPECT_NEAR(result.kl(t), 0.3, 1e-10) << t;
      }
      EXPECT_LE(result.kl(t), 0.3 + 1e-10) << t;
      MatrixX closed(nx + nu, nx);  // y = closed x + [0; k]
      closed << MatrixX::Identity(nx, nx), actual.K;
      VectorX offset(nx + nu);
      offset << VectorX::Zero(nx), actual.k;
      V = closed.transpose() * Q * closed;
      v = closed.transpose() * (Q * offset + q);
    }
  });
}

TEST(AllSizes, RegressionIsThatOfEigen) {
  for_all_sizes([](int nx, int nu) {
    const int n1 = nx + nu;
    for (const int N : {2, n1 - 1, n1, n1 + 1, 3 * n1}) {
      if (N < 2) continue;
      Random random(static_cast<std::uint64_t>(1000 * nx + 20 * nu + N));
      const MatrixX z1 = random.matrix(n1, N);
      const MatrixX z2 = random.matrix(nx, N);
      constexpr double ridge = 0.3;
      Regression regression(n1, nx, N);
      regression.z1.matrix() = z1;
      regression.z2.matrix() = z2;
      ASSERT_TRUE(regression.solve(ridge));
      const VectorX mu1 = z1.rowwise().mean();
      const VectorX mu2 = z2.rowwise().mean();
      const MatrixX c1 = z1.colwise() - mu1;
      const MatrixX c2 = z2.colwise() - mu2;
      MatrixX S11 = c1 * c1.transpose() / N;
      S11.diagonal().array() += ridge;
      const MatrixX Ft = S11.llt().solve(c1 * c2.transpose() / N);
      const MatrixX W = c2 * c2.transpose() / N - Ft.transpose() * S11 * Ft;
      const MatrixX actual = MatrixX(regression.W.matrix()).selfadjointView<Eigen::Lower>();
      EXPECT_LT(deviation(regression.Ft.matrix(), Ft), 1e-12) << N;
      EXPECT_LT(deviation(regression.f.matrix(), mu2 - Ft.transpose() * mu1), 1e-12) << N;
      EXPECT_LT(deviation(actual, W), 1e-12) << N;
    }
  });
}

/// Powers of two between 2^-60 and 2^60: products with them are exact.
VectorX units(int n, std::uint64_t seed) {
  Random random(seed);
  VectorX s(n);
  for (double& e : s) e = std::ldexp(1.0, static_cast<int>(random.uniform(-60.0, 61.0)));
  return s;
}

/// The problem with states and controls measured in other units, x -> sx x, u -> su u.
LqrProblem<> in_units(LqrProblem<> p, const VectorX& sx, const VectorX& su) {
  VectorX sy(sx.size() + su.size());
  sy << sx, su;
  const auto Dx = sx.asDiagonal();
  const auto Iy = sy.cwiseInverse().asDiagonal();
  for (int t = 0; t < p.reference.steps(); ++t) {
    if (t + 1 < p.reference.steps()) {
      p.dynamics.F[t] = Dx * p.dynamics.F[t] * Iy;
      p.dynamics.f[t] = Dx * p.dynamics.f[t];
      p.dynamics.W[t] = Dx * p.dynamics.W[t] * Dx;
    }
    p.cost.C[t] = Iy * p.cost.C[t] * Iy;
    p.cost.c[t] = Iy * p.cost.c[t];
    p.reference.K[t] = su.asDiagonal() * p.reference.K[t] * sx.cwiseInverse().asDiagonal();
    p.reference.k[t] = su.asDiagonal() * p.reference.k[t];
    p.reference.L[t] = su.asDiagonal() * p.reference.L[t];
  }
  p.start.mu = Dx * p.start.mu;
  p.start.Sigma = Dx * p.start.Sigma * Dx;
  return p;
}

void expect_in_units(const LinearGaussianPolicy<>& scaled, const LinearGaussianPolicy<>& policy,
                     const VectorX& sx, const VectorX& su) {
  for (int t = 0; t < T; ++t) {
    EXPECT_EQ(scaled.K[t], su.asDiagonal() * policy.K[t] * sx.cwiseInverse().asDiagonal());
    EXPECT_EQ(scaled.k[t], su.asDiagonal() * policy.k[t]);
    EXPECT_EQ(scaled.L[t], su.asDiagonal() * policy.L[t]);
  }
}

// However badly scaled a problem is, if only the units are: the same digits. An entry's error is
// then relative to that entry's own size.
TEST(AllSizes, UnitsOfStatesAndControlsDoNotShow) {
  for_all_sizes([](int nx, int nu) {
    if ((nx + nu) % 3 != 0) return;
    const LqrProblem<> p = problem(nx, nu);
    const VectorX sx = units(nx, 1);
    const VectorX su = units(nu, 2);
    const LqrProblem<> scaled = in_units(p, sx, su);
    const auto Dx = sx.asDiagonal();

    const auto states = state_marginals(p.dynamics, p.reference, p.start);
    const auto scaled_states = state_marginals(scaled.dynamics, scaled.reference, scaled.start);
    for (int t = 0; t < T; ++t) {
      EXPECT_EQ(scaled_states.mu[t], Dx * states.mu[t]);
      EXPECT_EQ(scaled_states.Sigma[t], Dx * states.Sigma[t] * Dx);
    }

    SweepWorkspace<> ws(nx, nu);
    LinearGaussianPolicy<> plain(T, nx, nu);
    LinearGaussianPolicy<> scaled_plain(T, nx, nu);
    ASSERT_TRUE(backward_max_entropy(p.dynamics, p.cost, p.reference, 0.0, 1.0, ws, plain).ok());
    ASSERT_TRUE(backward_max_entropy(scaled.dynamics, scaled.cost, scaled.reference, 0.0, 1.0, ws,
                                     scaled_plain)
                    .ok());
    expect_in_units(scaled_plain, plain, sx, su);

    const auto update = [](const LqrProblem<>& of) {
      return lqr_flm_update(of.dynamics, of.cost, of.reference, of.start, VectorX::Constant(T, 0.3),
                            {});
    };
    const auto result = update(p);
    const auto scaled_result = update(scaled);
    ASSERT_TRUE(result.ok() && scaled_result.ok());
    EXPECT_EQ(scaled_result.kl_dual, result.kl_dual);
    expect_in_units(scaled_result.policy, result.policy, sx, su);
  });
}

}  // namespace
}  // namespace pilqr
