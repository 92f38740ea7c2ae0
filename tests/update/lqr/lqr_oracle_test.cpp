/// Backward sweeps against dense solutions: the KKT system of the whole trajectory, and each step's
/// problem by plain inverses.

#include <gtest/gtest.h>

#include "pilqr/update/lqr/lqr_flm.hpp"
#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using test::deviation;
using test::expected_kl;
using test::expected_quadratic;
using test::LqrProblem;
using test::Random;
using test::step_of;
using test::StepPolicy;

struct Size {
  int T;
  int nx;
  int nu;
};
constexpr Size all_sizes[] = {{1, 1, 1}, {1, 3, 2}, {2, 1, 1}, {5, 1, 3},
                              {6, 4, 1}, {7, 4, 2}, {5, 7, 3}};

/// The trajectory from step t on that minimises the sum of the costs subject to the dynamics, with
/// the first entries of y_t = [x_t; u_t] given, by one dense KKT system
///   [H A'; A 0] [z; nu] = [-h; b],  z = [y_t; ...; y_{T-1}].
struct KktSolution {
  VectorX z;
  double cost;
};
template <int Nx, int Nu>
KktSolution solve_kkt(const LqrProblem<Nx, Nu>& p, int t, const VectorX& given) {
  const int nx = p.cost.nx();
  const int ny = nx + p.cost.nu();
  const int steps = p.cost.steps() - t;
  const int fixed = rows(given);
  const int n = steps * ny;
  const int constraints = fixed + (steps - 1) * nx;
  MatrixX H = MatrixX::Zero(n, n);
  VectorX h(n);
  MatrixX A = MatrixX::Zero(constraints, n);
  VectorX b(constraints);
  A.topLeftCorner(fixed, fixed).setIdentity();
  b.head(fixed) = given;
  for (int s = 0; s < steps; ++s) {
    H.block(s * ny, s * ny, ny, ny) = p.cost.C[t + s];
    h.segment(s * ny, ny) = p.cost.c[t + s];
    if (s + 1 == steps) break;
    // x' - F y = f
    A.block(fixed + s * nx, s * ny, nx, ny) = -p.dynamics.F[t + s];
    A.block(fixed + s * nx, (s + 1) * ny, nx, nx).setIdentity();
    b.segment(fixed + s * nx, nx) = p.dynamics.f[t + s];
  }
  MatrixX M = MatrixX::Zero(n + constraints, n + constraints);
  M << H, A.transpose(), A, MatrixX::Zero(constraints, constraints);
  VectorX rhs(n + constraints);
  rhs << -h, b;
  const VectorX z = M.partialPivLu().solve(rhs).head(n);
  return {z, 0.5 * z.dot(H * z) + h.dot(z)};
}

/// The sweep's policy on the problem `solved` by its KKT system: mean trajectory, gains by moving
/// x_t, covariance = inverse Hessian of the optimal cost in u_t.
template <int Nx, int Nu>
void expect_kkt(const LqrProblem<Nx, Nu>& solved, const LinearGaussianPolicy<Nx, Nu>& policy) {
  const int T = policy.steps();
  const int nx = policy.nx();
  const int nu = policy.nu();
  const VectorX z = solve_kkt(solved, 0, solved.start.mu).z;
  VectorX x = solved.start.mu;
  for (int t = 0; t < T; ++t) {
    VectorX y(nx + nu);
    y << x, policy.K[t] * x + policy.k[t];
    EXPECT_LT(deviation(y, z.segment(t * (nx + nu), nx + nu)), 1e-9) << "step " << t;
    const VectorX u = solve_kkt(solved, t, x).z.segment(nx, nu);
    for (int j = 0; j < nx; ++j) {
      const VectorX moved = solve_kkt(solved, t, x + VectorX::Unit(nx, j)).z.segment(nx, nu);
      EXPECT_LT(deviation(policy.K[t].col(j), moved - u), 1e-9) << "step " << t << ", column " << j;
    }
    const auto cost = [&](const VectorX& du) {
      VectorX given = y;
      given.tail(nu) += du;
      return solve_kkt(solved, t, given).cost;
    };
    MatrixX Quu(nu, nu);  // by polarisation: exact for a quadratic
    for (int i = 0; i < nu; ++i) {
      for (int j = 0; j < nu; ++j) {
        const VectorX ei = VectorX::Unit(nu, i);
        const VectorX ej = VectorX::Unit(nu, j);
        Quu(i, j) = 0.25 * (cost(ei + ej) - cost(ei - ej) - cost(ej - ei) + cost(-ei - ej));
      }
    }
    EXPECT_LT(deviation(policy.Sigma(t) * Quu, MatrixX::Identity(nu, nu)), 1e-8) << "step " << t;
    EXPECT_TRUE(policy.L[t].isLowerTriangular(0.0));
    if (t + 1 < T) x = solved.dynamics.F[t] * y + solved.dynamics.f[t];
  }
}

template <int Nx, int Nu>
void check_max_entropy(const Size& size, std::uint64_t seed) {
  LqrProblem<Nx, Nu> p(seed, size.T, size.nx, size.nu);
  SweepWorkspace<Nx, Nu> ws(size.nx, size.nu);
  LinearGaussianPolicy<Nx, Nu> out(size.T, size.nx, size.nu);
  ASSERT_TRUE(backward_max_entropy(p.dynamics, p.cost, p.reference, 0.0, 1.0, ws, out).ok());
  expect_kkt(p, out);

  // With a dual: the same on cost + dual * (quadratic of -log p_ref), divided by the weights' sum.
  const double dual = 0.7;
  const double entropy_weight = seed % 2 == 0 ? 0.0 : 0.4;
  ASSERT_TRUE(
      backward_max_entropy(p.dynamics, p.cost, p.reference, dual, entropy_weight, ws, out).ok());
  LqrProblem<Nx, Nu> augmented = p;
  for (int t = 0; t < size.T; ++t) {
    const StepPolicy r = step_of(p.reference, t);
    MatrixX J(size.nu, size.nx + size.nu);  // u - K x
    J << -r.K, MatrixX::Identity(size.nu, size.nu);
    const MatrixX precision = r.Sigma.inverse();
    const double scale = 1.0 / (dual + entropy_weight);
    augmented.cost.C[t] = scale * (p.cost.C[t] + dual * J.transpose() * precision * J);
    augmented.cost.c[t] = scale * (p.cost.c[t] - dual * J.transpose() * precision * r.k);
  }
  expect_kkt(augmented, out);
}

TEST(BackwardMaxEntropy, SolvesTheKktSystemOfTheTrajectory) {
  std::uint64_t seed = 1;
  for (const Size& size : all_sizes) {
    SCOPED_TRACE(fmt::format("T = {}, nx = {}, nu = {}", size.T, size.nx, size.nu));
    check_max_entropy<Dynamic, Dynamic>(size, seed++);
  }
}

TEST(BackwardMaxEntropy, SolvesTheKktSystemOfTheTrajectoryFixedSizes) {
  check_max_entropy<4, 2>({6, 4, 2}, 21);
}

TEST(BackwardMaxEntropy, NamesTheStepThatIsNotConvex) {
  for (const int bad : {0, 2, 4}) {
    LqrProblem<> p(3, 5, 3, 2);
    p.cost.C[bad].bottomRightCorner(2, 2) = -100.0 * MatrixX::Identity(2, 2);
    SweepWorkspace<> ws(3, 2);
    LinearGaussianPolicy<> out(5, 3, 2);
    const SweepStatus status =
        backward_max_entropy(p.dynamics, p.cost, p.reference, 0.0, 1.0, ws, out);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.failed_step, bad);
    // The smallest eigenvalue of Quu, by dense products from the end.
    MatrixX V;
    MatrixX Quu;
    for (int t = 4; t >= bad; --t) {
      MatrixX Q = p.cost.C[t];
      if (t < 4) Q += p.dynamics.F[t].transpose() * V * p.dynamics.F[t];
      Quu = Q.bottomRightCorner(2, 2);
      const MatrixX Qux = Q.bottomLeftCorner(2, 3);
      V = Q.topLeftCorner(3, 3) - Qux.transpose() * Quu.inverse() * Qux;
    }
    const double trace = Quu.trace();
    const double least = 0.5 * (trace - std::sqrt(trace * trace - 4.0 * Quu.determinant()));
    EXPECT_NEAR(status.value, least, 1e-9 * std::abs(least));
    EXPECT_LT(status.value, 0.0);
  }
  // Indefinite with a positive diagonal: the smallest eigenvalue says so.
  LqrProblem<> p(3, 1, 3, 2);
  p.cost.C[0].bottomRightCorner(2, 2) << 1.0, 2.0, 2.0, 1.0;
  SweepWorkspace<> ws(3, 2);
  LinearGaussianPolicy<> out(1, 3, 2);
  const SweepStatus status =
      backward_max_entropy(p.dynamics, p.cost, p.reference, 0.0, 1.0, ws, out);
  EXPECT_EQ(status.failed_step, 0);
  EXPECT_NEAR(status.value, -1.0, 1e-12);
}

/// Random changes of a step's policy do not lower E[Q] + dual KL. With a floor, only covariances
/// Sigma >= floor Sigma_ref are tried.
void expect_step_minimum(const MatrixX& Q, const VectorX& q, const VectorX& mu,
                         const MatrixX& Omega, const StepPolicy& best, const StepPolicy& reference,
                         double dual, double floor, Random& random) {
  const int nx = rows(mu);
  const int nu = rows(best.k);
  const auto objective = [&](const StepPolicy& p) {
    return expected_quadratic(Q, q, mu, Omega, p) + dual * expected_kl(p, reference, mu, Omega);
  };
  const double least = objective(best);
  for (int trial = 0; trial < 30; ++trial) {
    const double size = std::pow(10.0, -trial % 4);
    StepPolicy moved = best;
    moved.K += size * random.matrix(nu, nx);
    moved.k += size * random.vector(nu);
    EXPECT_GE(objective(moved), least - 1e-9 * (1.0 + std::abs(least)));
    // The segment from best to another covariance of the convex feasible set.
    const double share = std::min(size, 0.9);
    moved = best;
    moved.Sigma = (1.0 - share) * best.Sigma +
                  share * (floor * reference.Sigma + random.positive_definite(nu, 0.01));
    EXPECT_GE(objective(moved), least - 1e-9 * (1.0 + std::abs(least)));
  }
}

/// The sweep again by dense inverses; only the duals are taken from the result under test.
void check_per_step(const LqrProblem<>& p, double step, double floor, std::uint64_t seed) {
  const int T = p.reference.steps();
  const int nx = p.reference.nx();
  const int nu = p.reference.nu();
  Random random(seed);
  const auto result = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start,
                                     VectorX::Constant(T, step), {.min_variance_ratio = floor});
  ASSERT_TRUE(result.ok()) << result.failure.message();
  const test::StateMarginals x(p, p.reference);
  MatrixX V;
  VectorX v;
  for (int t = T - 1; t >= 0; --t) {
    SCOPED_TRACE(fmt::format("step {}", t));
    MatrixX Q = p.cost.C[t];
    VectorX q = p.cost.c[t];
    if (t + 1 < T) {
      const MatrixX F = p.dynamics.F[t];
      Q += F.transpose() * V * F;
      q += F.transpose() * (v + V * p.dynamics.f[t]);
    }
    const MatrixX Quu = Q.bottomRightCorner(nu, nu);
    const MatrixX Qux = Q.bottomLeftCorner(nu, nx);
    const VectorX& mu = x.mu[static_cast<std::size_t>(t)];
    const MatrixX& Omega = x.Omega[static_cast<std::size_t>(t)];
    const StepPolicy reference = step_of(p.reference, t);
    const StepPolicy actual = step_of(result.policy, t);
    const double eta = result.kl_dual(t);
    const MatrixX precision = reference.Sigma.inverse();
    const MatrixX Sigma = (precision + Quu / eta).inverse();
    EXPECT_LT(deviation(actual.K, Sigma * (precision * reference.K - Qux / eta)), 1e-8);
    EXPECT_LT(deviation(actual.k, Sigma * (precision * reference.k - q.tail(nu) / eta)), 1e-8);
    if (floor == 0.0) {
      EXPECT_LT(deviation(actual.Sigma, Sigma), 1e-8);
    }
    expect_step_minimum(Q, q, mu, Omega, actual, reference, eta, floor, random);

    const double kl = expected_kl(actual, reference, mu, Omega);
    EXPECT_NEAR(result.kl(t), kl, 1e-9 * std::max(1.0, kl));
    EXPECT_NEAR(result.kl(t), step, 1e-10 * step);  // no step is too large for these problems
    MatrixX closed(nx + nu, nx);                    // y = closed x + [0; k]
    closed << MatrixX::Identity(nx, nx), actual.K;
    VectorX offset(nx + nu);
    offset << VectorX::Zero(nx), actual.k;
    V = closed.transpose() * Q * closed;
    v = closed.transpose() * (Q * offset + q);
  }
}

TEST(BackwardPerStep, SolvesEachStepsProblem) {
  std::uint64_t seed = 100;
  for (const Size& size : all_sizes) {
    for (const double step : {1e-6, 0.1, 3.0}) {
      SCOPED_TRACE(
          fmt::format("T = {}, nx = {}, nu = {}, step {}", size.T, size.nx, size.nu, step));
      check_per_step(LqrProblem<>(seed, size.T, size.nx, size.nu), step, 0.0, seed);
      ++seed;
    }
  }
}

TEST(BackwardPerStep, SolvesEachStepsProblemNotConvex) {
  for (std::uint64_t seed = 200; seed < 206; ++seed) {
    LqrProblem<> p(seed, 5, 3, 2);
    p.make_indefinite(seed);
    check_per_step(p, seed % 2 == 0 ? 0.05 : 2.0, 0.0, seed);
  }
}

TEST(BackwardPerStep, SolvesEachStepsProblemWithAVarianceFloor) {
  for (std::uint64_t seed = 300; seed < 306; ++seed) {
    check_per_step(LqrProblem<>(seed, 5, 3, 3), 0.5, seed % 2 == 0 ? 0.9 : 0.5, seed);
  }
}

TEST(StateMarginals, AreTheStatesPartOfTheMarginals) {
  for (const Size& size : all_sizes) {
    const LqrProblem<> p(11, size.T, size.nx, size.nu);
    const auto all = forward_marginals(p.dynamics, p.reference, p.start);
    const auto states = state_marginals(p.dynamics, p.reference, p.start);
    for (int t = 0; t < size.T; ++t) {
      EXPECT_LT(deviation(states.mu[t], all.mu[t].head(size.nx)), 1e-12);
      EXPECT_LT(deviation(states.Sigma[t], all.Sigma[t].topLeftCorner(size.nx, size.nx)), 1e-12);
    }
  }
}

TEST(StateMarginals, GiveTheExpectedCostOfEveryStep) {
  for (const Size& size : all_sizes) {
    LqrProblem<> p(12, size.T, size.nx, size.nu);
    p.make_indefinite(12);
    const auto states = state_marginals(p.dynamics, p.reference, p.start);
    const VectorX expected = expected_costs(p.cost, p.reference, states);
    ASSERT_EQ(expected.size(), size.T);
    const test::StateMarginals x(p, p.reference);
    for (int t = 0; t < size.T; ++t) {
      const auto i = static_cast<std::size_t>(t);
      const double value =
          p.cost.c0(t) + test::expected_quadratic(p.cost.C[t], p.cost.c[t], x.mu[i], x.Omega[i],
                                                  test::step_of(p.reference, t));
      EXPECT_NEAR(expected(t), value, 1e-12 * (1.0 + std::abs(value)));
    }
  }
}

TEST(BackwardPerStep, WorkspaceEndsWithTheValueOfTheNewPolicy) {
  const LqrProblem<> p(9, 6, 3, 2);
  const auto marginals = state_marginals(p.dynamics, p.reference, p.start);
  SweepWorkspace<> ws(3, 2);
  LinearGaussianPolicy<> out(6, 3, 2);
  VectorX dual(6);
  VectorX kl(6);
  const auto choose = [](int, const StepKl<>& step) { return solve_step_dual(step, 0.3, 1e-8); };
  ASSERT_TRUE(
      backward_per_step(p.dynamics, p.cost, p.reference, marginals, choose, ws, out, dual, kl)
          .ok());
  // Differences of the expected cost over start means and covariances; exact for quadratics.
  const auto cost_from = [&](const VectorX& mu, const MatrixX& Sigma) {
    LqrProblem<> moved = p;
    moved.start = {mu, Sigma};
    return test::totals(moved, out).cost;
  };
  MatrixX V = ws.V.matrix().topLeftCorner(3, 3);
  V = MatrixX(V.selfadjointView<Eigen::Lower>());
  const VectorX v = ws.v.matrix();
  Random random(10);
  const MatrixX S = p.start.Sigma;
  const VectorX mu = p.start.mu;
  for (int trial = 0; trial < 5; ++trial) {
    const VectorX d = random.vector(3);
    const MatrixX dS = random.positive_definite(3, 0.1);
    EXPECT_NEAR(0.5 * (cost_from(mu + d, S) - cost_from(mu - d, S)), d.dot(V * mu + v), 1e-9);
    EXPECT_NEAR(cost_from(mu, S + dS) - cost_from(mu, S), 0.5 * (V * dS).trace(), 1e-9);
  }
}

/// The policy is stationary, and a minimum, of expected cost + dual KL - weight entropy over whole
/// trajectories under its own marginals.
TEST(BackwardMaxEntropy, MinimisesTheLagrangianOfTheTotalConstraint) {
  for (std::uint64_t seed = 400; seed < 404; ++seed) {
    const LqrProblem<> p(seed, 5, 3, 2);
    const double dual = 0.8;
    const double weight = seed % 2 == 0 ? 0.0 : 0.5;
    SweepWorkspace<> ws(3, 2);
    LinearGaussianPolicy<> best(5, 3, 2);
    ASSERT_TRUE(backward_max_entropy(p.dynamics, p.cost, p.reference, dual, weight, ws, best).ok());
    const auto lagrangian = [&](const LinearGaussianPolicy<>& policy) {
      const test::TrajectoryTotals sum = test::totals(p, policy);
      return sum.cost + dual * sum.kl - weight * sum.entropy;
    };
    const double least = lagrangian(best);
    Random random(seed);
    for (int trial = 0; trial < 40; ++trial) {
      const double size = std::pow(10.0, -trial % 5);
      LinearGaussianPolicy<> moved = best;
      const int t = trial % 5;
      moved.K[t] += size * random.matrix(2, 3);
      moved.k[t] += size * random.vector(2);
      MatrixX change = MatrixX::Identity(2, 2) + std::min(size, 0.1) * random.matrix(2, 2);
      moved.L[t] = change * best.L[t];  // a factor of a covariance; no need to be lower here
      EXPECT_GE(lagrangian(moved), least - 1e-10 * (1.0 + std::abs(least)));
    }
  }
}

}  // namespace
}  // namespace pilqr
