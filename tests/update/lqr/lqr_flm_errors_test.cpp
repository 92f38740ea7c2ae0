/// Misuse of the model-based update throws with the values; NaN ends in a typed failure.

#include <gtest/gtest.h>

#include "pilqr/update/lqr/lqr_flm.hpp"
#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using test::LqrProblem;

constexpr int T = 4;
constexpr int nx = 3;
constexpr int nu = 2;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// The message of the InvalidArgument that `call` throws; empty if it throws none.
template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

#define EXPECT_MESSAGE(call, part)                                           \
  EXPECT_NE(message_of([&] { (void)(call); }).find(part), std::string::npos) \
      << "message: \"" << message_of([&] { (void)(call); }) << '"'

class LqrFlmMisuse : public ::testing::Test {
 protected:
  LqrProblem<> p{1, T, nx, nu};
  VectorX steps = VectorX::Constant(T, 0.1);

  auto run(const LqrFlmOptions& options = {}, double dual = 1.0) const {
    return lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, steps, options, dual);
  }
};

TEST_F(LqrFlmMisuse, Shapes) {
  const LqrProblem<> good = p;
  p.dynamics = LqrProblem<>(1, T + 1, nx, nu).dynamics;
  EXPECT_MESSAGE(run(), "dynamics have 5 steps, nx = 3, nu = 2; the policy 4, 3, 2");
  p = good;
  p.dynamics = LqrProblem<>(1, T, nx + 1, nu).dynamics;
  EXPECT_MESSAGE(run(), "nx = 4");
  p = good;
  p.cost = LqrProblem<>(1, T, nx, nu + 1).cost;
  EXPECT_MESSAGE(run(), "the cost model has 4 steps, nx = 3, nu = 3; the policy 4, 3, 2");
  p = good;
  p.start.mu = VectorX::Zero(5);
  EXPECT_MESSAGE(run(), "mu of 5 and Sigma of 3x3, expected 3");
  p = good;
  p.start.Sigma = MatrixX::Zero(3, 4);
  EXPECT_MESSAGE(run(), "Sigma of 3x4");
  p = good;
  steps = VectorX::Constant(T - 1, 0.1);
  EXPECT_MESSAGE(run(), "kl_step has 3 entries, the policy 4 steps");
  Marginals<> marginals(T + 1, nx, nu);
  EXPECT_MESSAGE(trajectory_kl(p.reference, p.reference, marginals), "marginals 5 steps of 5");
  const StateMarginals<> longer_states(T + 1, nx, nu);
  EXPECT_MESSAGE(expected_costs(p.cost, p.reference, longer_states),
                 "state marginals have 5 steps of 3");
  const LinearGaussianPolicy<> short_policy(T - 1, nx, nu);
  EXPECT_MESSAGE(expected_costs(p.cost, short_policy, longer_states),
                 "the policy has 3 steps, nx = 3, nu = 2; the cost model 4, 3, 2");

  // Sweeps called by themselves.
  LinearGaussianPolicy<> out(T, nx, nu);
  SweepWorkspace<> ws(nx, nu + 1);
  EXPECT_MESSAGE((void)backward_max_entropy(p.dynamics, p.cost, p.reference, 0.0, 1.0, ws, out),
                 "the workspace is for nx = 3, nu = 3, the policy has 3, 2");
  SweepWorkspace<> right(nx, nu);
  LinearGaussianPolicy<> longer(T + 1, nx, nu);
  EXPECT_MESSAGE(
      (void)backward_max_entropy(p.dynamics, p.cost, p.reference, 0.0, 1.0, right, longer),
      "policies with 4 steps, nx = 3, nu = 2 and 5, 3, 2");
  const auto states = state_marginals(p.dynamics, p.reference, p.start);
  const auto choose = [](int, const StepKl<>& kl) { return solve_step_dual(kl, 0.1, 1e-8); };
  VectorX dual(T);
  VectorX kl(T - 1);
  EXPECT_MESSAGE((void)backward_per_step(p.dynamics, p.cost, p.reference, states, choose, right,
                                         out, dual, kl),
                 "duals and divergences of 4 and 3 steps");
}

TEST_F(LqrFlmMisuse, Steps) {
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    steps(2) = bad;
    EXPECT_MESSAGE(run(), fmt::format("kl_step at step 2 is {}, expected > 0", bad));
  }
}

TEST_F(LqrFlmMisuse, Options) {
  for (const double bad : {-0.1, nan, infinity}) {
    EXPECT_MESSAGE(run({.entropy_weight = bad}), fmt::format("entropy_weight is {}", bad));
  }
  for (const double bad : {-0.1, 1.0, nan}) {
    EXPECT_MESSAGE(run({.min_variance_ratio = bad}), fmt::format("min_variance_ratio is {}", bad));
  }
  for (const double bad : {0.0, 1.0, nan}) {
    EXPECT_MESSAGE(run({.tolerance = bad}), fmt::format("tolerance is {}", bad));
  }
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    EXPECT_MESSAGE(run({.min_dual = bad}), fmt::format("duals from {}", bad));
    EXPECT_MESSAGE(run({.max_dual = bad}), fmt::format("to {}", bad));
    EXPECT_MESSAGE(run({}, bad), fmt::format("initial_dual is {}, expected > 0", bad));
  }
}

/// Puts `bad` into every input in turn; `check(name, step, problem)` is called for each, where
/// `step` is the step at which the sweep, running backwards, first meets it (-1: through the
/// marginals).
template <class Check>
void for_each_bad_entry(double bad, const Check& check) {
  const LqrProblem<> good(2, T, nx, nu);
  for (int t = 0; t < T; ++t) {
    const int entries[][2] = {{0, 0}, {1, 0}, {nx, nx}, {nx, 0}, {nx + 1, nx}};
    for (const auto& [i, j] : entries) {
      LqrProblem<> p = good;
      p.cost.C[t](i, j) = p.cost.C[t](j, i) = bad;
      check(fmt::format("C({}, {}) at step {}", i, j, t), t, p);
    }
    for (const int i : {0, nx}) {
      LqrProblem<> p = good;
      p.cost.c[t](i) = bad;
      check(fmt::format("c({}) at step {}", i, t), t, p);
    }
    if (t + 1 == T) break;
    for (const int j : {0, nx}) {
      LqrProblem<> p = good;
      p.dynamics.F[t](1, j) = bad;
      check(fmt::format("F(1, {}) at step {}", j, t), -1, p);
    }
    LqrProblem<> p = good;
    p.dynamics.f[t](1) = bad;
    check(fmt::format("f(1) at step {}", t), -1, p);
    p = good;
    p.dynamics.W[t](1, 1) = bad;
    check(fmt::format("W(1, 1) at step {}", t), -1, p);
  }
  LqrProblem<> p = good;
  p.start.mu(0) = bad;
  check("start.mu", -1, p);
  p = good;
  p.start.Sigma(1, 1) = bad;
  check("start.Sigma", -1, p);
  for (int t = 0; t < T; ++t) {
    p = good;
    p.reference.K[t](0, 0) = bad;
    check(fmt::format("K at step {}", t), -1, p);
    p = good;
    p.reference.k[t](0) = bad;
    check(fmt::format("k at step {}", t), -1, p);
    p = good;
    p.reference.L[t](0, 0) = bad;
    check(fmt::format("L at step {}", t), -1, p);
  }
}

TEST(LqrFlmFailure, NanAndInfinityEndInATypedFailure) {
  for (const KlConstraint constraint : {KlConstraint::per_step, KlConstraint::total}) {
    for (const double bad : {nan, infinity}) {
      for_each_bad_entry(bad, [&](const std::string& what, int step, const LqrProblem<>& p) {
        SCOPED_TRACE(fmt::format("{} = {}, {}", what, bad,
                                 constraint == KlConstraint::total ? "total" : "per step"));
        const auto result = lqr_flm_update(p.dynamics, p.cost, p.reference, p.start,
                                           VectorX::Constant(T, 0.1), {.constraint = constraint});
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.failure.kind, FailureKind::non_finite_update);
        EXPECT_FALSE(std::isfinite(result.failure.value)) << result.failure.message();
        if (step >= 0) {
          EXPECT_EQ(result.failure.step, step);
        } else {
          EXPECT_TRUE(result.failure.step >= 0 && result.failure.step < T);
        }
      });
    }
  }
}

TEST(LqrFlmFailure, ACollapsedReferenceIsNamed) {
  LqrProblem<> p(3, T, nx, nu);
  p.reference.L[1].setZero();
  const auto result =
      lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, VectorX::Constant(T, 0.1));
  EXPECT_EQ(result.failure.kind, FailureKind::singular_covariance);
  EXPECT_EQ(result.failure.step, 1);
}

}  // namespace
}  // namespace pilqr
