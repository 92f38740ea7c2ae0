/// Forward pass, divergences, backward sweeps and constrained updates against golden numbers, for
/// fixed and dynamic sizes.

#include <gtest/gtest.h>

#include "pilqr/update/lqr/lqr_flm.hpp"
#include "support/golden.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;

template <int Nx_, int Nu_>
struct Sizes {
  static constexpr int Nx = Nx_;
  static constexpr int Nu = Nu_;
};

/// What a file's "inputs" hold: model, cost, initial state, reference policy.
template <int Nx, int Nu>
struct Problem {
  LinearGaussianDynamics<Nx, Nu> dynamics;
  QuadraticCost<Nx, Nu> cost;
  InitialState<Nx> start;
  LinearGaussianPolicy<Nx, Nu> reference;
  SweepWorkspace<Nx, Nu> ws;
  LinearGaussianPolicy<Nx, Nu> out;

  Problem(const Json& inputs, const Json& policy)
      : dynamics(golden::dynamics<Nx, Nu>(inputs)),
        cost(golden::cost<Nx, Nu>(inputs, dynamics.nx())),
        start{golden::vector(inputs.at("x0mu")), golden::matrix(inputs.at("x0sigma"))},
        reference(golden::policy<Nx, Nu>(policy)),
        ws(reference.nx(), reference.nu()),
        out(reference.steps(), reference.nx(), reference.nu()) {}
};

template <int Nx, int Nu>
void expect_policy(const LinearGaussianPolicy<Nx, Nu>& actual, const Json& expected,
                   double tolerance, const std::string& what) {
  EXPECT_TRUE(close(actual.K, golden::sequence<Nu, Nx>(expected.at("K")), tolerance)) << what;
  EXPECT_TRUE(close(actual.k, golden::sequence<Nu>(expected.at("k")), tolerance)) << what;
  const auto Sigma = golden::sequence<Nu, Nu>(expected.at("pol_covar"));
  for (int t = 0; t < actual.steps(); ++t) {
    EXPECT_TRUE(close(actual.Sigma(t), Sigma[t], tolerance)) << what << " Sigma, step " << t;
    EXPECT_TRUE(actual.L[t].isLowerTriangular(0.0));
  }
}

/// The names of the files that sizes can read: small is 3x2, medium 6x2, dynamic sizes read both.
template <class S>
std::vector<std::string> names() {
  if (S::Nx == 3) return {"small"};
  if (S::Nx == 6) return {"medium"};
  return {"small", "medium"};
}

template <class S>
class LqrGolden : public ::testing::Test {};
using AllSizes = ::testing::Types<Sizes<3, 2>, Sizes<6, 2>, Sizes<Dynamic, Dynamic>>;
TYPED_TEST_SUITE(LqrGolden, AllSizes);

/// What has a small file only.
template <class S>
class LqrGoldenSmall : public ::testing::Test {};
using SmallSizes = ::testing::Types<Sizes<3, 2>, Sizes<Dynamic, Dynamic>>;
TYPED_TEST_SUITE(LqrGoldenSmall, SmallSizes);

TYPED_TEST(LqrGolden, ForwardMarginals) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  for (const std::string& name : names<TypeParam>()) {
    SCOPED_TRACE(name);
    const Json file = golden::load("d_lqr_forward_" + name);
    const Problem<Nx, Nu> p(file.at("inputs"), file.at("inputs").at("policy"));
    const auto marginals = forward_marginals(p.dynamics, p.reference, p.start);
    constexpr int Ny = joint_size<Nx, Nu>;
    const Json& expected = file.at("outputs");
    EXPECT_TRUE(close(marginals.mu, golden::sequence<Ny>(expected.at("mu")), 1e-9));
    EXPECT_TRUE(close(marginals.Sigma, golden::sequence<Ny, Ny>(expected.at("sigma")), 1e-9));
    const auto states = state_marginals(p.dynamics, p.reference, p.start);
    const VectorX costs = expected_costs(p.cost, p.reference, states);
    EXPECT_TRUE(close(costs, golden::vector(expected.at("estimate_cost")), 1e-9));
    EXPECT_TRUE(close(costs.sum(), expected.at("estimate_cost_total").get<double>(), 1e-9));
  }
}

TYPED_TEST(LqrGolden, TrajectoryKl) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  constexpr int Ny = joint_size<Nx, Nu>;
  for (const std::string& name : names<TypeParam>()) {
    SCOPED_TRACE(name);
    const Json file = golden::load("f_traj_kl_" + name);
    const Json& inputs = file.at("inputs");
    const auto policy = golden::policy<Nx, Nu>(inputs.at("policy_new"));
    const auto previous = golden::policy<Nx, Nu>(inputs.at("policy_prev"));
    for (const std::string which : {"new", "prev"}) {
      Marginals<Nx, Nu> marginals;
      marginals.mu = golden::sequence<Ny>(inputs.at("mu_" + which));
      marginals.Sigma = golden::sequence<Ny, Ny>(inputs.at("sigma_" + which));
      const VectorX kl = trajectory_kl(policy, previous, marginals);
      EXPECT_TRUE(
          close(kl, golden::vector(file.at("outputs").at("kl_" + which + "_marginals")), 1e-9));
      EXPECT_LT(trajectory_kl(policy, policy, marginals).maxCoeff(), 1e-12);
    }
  }
}

TYPED_TEST(LqrGoldenSmall, BackwardTotal) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  const Json file = golden::load("e_lqr_backward_total_small");
  Problem<Nx, Nu> p(file.at("inputs"), file.at("inputs").at("prev_policy"));
  for (const auto& [key, expected] : file.at("outputs").items()) {
    ASSERT_TRUE(backward_max_entropy(
                    p.dynamics, p.cost, p.reference, expected.at("eta_in").template get<double>(),
                    expected.at("max_ent_traj").template get<double>(), p.ws, p.out)
                    .ok());
    expect_policy(p.out, expected, 1e-9, key);
  }
}

TYPED_TEST(LqrGolden, BackwardTotalNotPositiveDefinite) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  for (const std::string& name : names<TypeParam>()) {
    SCOPED_TRACE(name);
    const Json file = golden::load("e_lqr_backward_total_nonpd_" + name);
    Problem<Nx, Nu> p(file.at("inputs"), file.at("inputs").at("prev_policy"));
    const double del0 = file.at("inputs").at("del0").get<double>();
    const auto sweep = [&](double dual) {
      return backward_max_entropy(p.dynamics, p.cost, p.reference, dual, 0.0, p.ws, p.out);
    };
    for (const auto& [key, expected] : file.at("outputs").items()) {
      const double in = expected.at("eta_in").template get<double>();
      const double last = expected.at("eta_out").template get<double>();
      EXPECT_FALSE(sweep(in).ok()) << key;
      for (double del = del0; in + del < last - 1e-12; del *= 2.0) {
        EXPECT_FALSE(sweep(in + del).ok()) << key << ", eta " << in + del;
      }
      ASSERT_TRUE(sweep(last).ok()) << key;
      expect_policy(p.out, expected, 1e-9, key);
    }
  }
}

/// The dual variables of a file, as `choose` of the per-step sweep.
struct GivenDuals {
  VectorX eta;
  template <int Nu>
  DualRoot operator()(int t, const StepKl<Nu>& kl) const {
    const double excess = eta(t) - kl.lower_bound();
    if (!(excess > 0.0)) return {.dual = eta(t), .ok = false};
    return {eta(t), excess, kl.at(excess), true, true};
  }
};

template <int Nx, int Nu>
SweepStatus sweep_with(Problem<Nx, Nu>& p, const VectorX& eta, VectorX& kl) {
  VectorX dual(eta.size());
  kl.resize(eta.size());
  const auto marginals = state_marginals(p.dynamics, p.reference, p.start);
  return backward_per_step(p.dynamics, p.cost, p.reference, marginals, GivenDuals{eta}, p.ws, p.out,
                           dual, kl);
}

TYPED_TEST(LqrGoldenSmall, BackwardPerStep) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  const Json file = golden::load("e_lqr_backward_per_step_small");
  Problem<Nx, Nu> p(file.at("inputs"), file.at("inputs").at("prev_policy"));
  VectorX kl;
  for (const auto& [key, expected] : file.at("outputs").items()) {
    ASSERT_TRUE(sweep_with(p, golden::vector(expected.at("eta_in")), kl).ok()) << key;
    expect_policy(p.out, expected, 1e-9, key);
  }
}

TYPED_TEST(LqrGolden, BackwardPerStepNotPositiveDefinite) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  for (const std::string& name : names<TypeParam>()) {
    SCOPED_TRACE(name);
    const Json file = golden::load("e_lqr_backward_per_step_nonpd_" + name);
    for (const auto& [key, expected] : file.at("outputs").items()) {
      Problem<Nx, Nu> p(file.at("inputs").at(key), file.at("inputs").at("prev_policy"));
      const VectorX in = golden::vector(expected.at("eta_in"));
      const VectorX out = golden::vector(expected.at("eta_out"));
      VectorX kl;
      // Fails at a step that the file's ladder raises, t = 0 included, and on the rung before the
      // last.
      const int failed = sweep_with(p, in, kl).failed_step;
      ASSERT_GE(failed, 0) << key;
      EXPECT_GT(out(failed), in(failed)) << key;
      VectorX below = in;
      below(failed) += 0.5 * (out(failed) - in(failed));
      EXPECT_EQ(sweep_with(p, below, kl).failed_step, failed) << key;
      ASSERT_TRUE(sweep_with(p, out, kl).ok()) << key;
      expect_policy(p.out, expected, 1e-9, key);
      // The constrained update needs no ladder at all.
      const auto update =
          lqr_flm_update(p.dynamics, p.cost, p.reference, p.start,
                         VectorX::Constant(in.size(), 0.3), {.min_variance_ratio = 0.0});
      ASSERT_TRUE(update.ok()) << update.failure.message();
      EXPECT_TRUE(close(update.kl, VectorX::Constant(in.size(), 0.3), 1e-12)) << key;
    }
  }
}

TYPED_TEST(LqrGoldenSmall, UpdatePerStep) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  const Json file = golden::load("g_lqr_update_per_step_small");
  Problem<Nx, Nu> p(file.at("inputs"), file.at("inputs").at("prev_policy"));
  int exact_cases = 0;
  for (const auto& [key, expected] : file.at("outputs").items()) {
    // The search's final duals give the search's final policy, whatever marginals it used.
    VectorX kl;
    ASSERT_TRUE(sweep_with(p, golden::vector(expected.at("eta_returned")), kl).ok()) << key;
    expect_policy(p.out, expected.at("policy"), 1e-6, key);
    if (!expected.at("use_prev_distr").template get<bool>()) continue;
    ++exact_cases;
    const VectorX step = golden::vector(expected.at("kl_step"));
    const auto update =
        lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, step, {.min_variance_ratio = 0.0});
    ASSERT_TRUE(update.ok()) << update.failure.message();
    const Json& exact = expected.at("exact");
    expect_policy(update.policy, exact, 1e-10, key);
    EXPECT_TRUE(close(update.kl_dual, golden::vector(exact.at("eta")), 1e-10)) << key;
    EXPECT_TRUE(close(update.kl, step, 1e-10)) << key;
  }
  EXPECT_EQ(exact_cases, 2);
}

TYPED_TEST(LqrGoldenSmall, UpdateTotal) {
  constexpr int Nx = TypeParam::Nx;
  constexpr int Nu = TypeParam::Nu;
  const Json file = golden::load("g_lqr_update_total_small");
  Problem<Nx, Nu> p(file.at("inputs"), file.at("inputs").at("prev_policy"));
  const int T = p.reference.steps();
  for (const auto& [key, expected] : file.at("outputs").items()) {
    ASSERT_TRUE(backward_max_entropy(p.dynamics, p.cost, p.reference,
                                     expected.at("eta_of_policy").template get<double>(),
                                     expected.at("max_ent_traj").template get<double>(), p.ws,
                                     p.out)
                    .ok());
    expect_policy(p.out, expected.at("policy"), 1e-6, key);

    const double total = expected.at("kl_step_total").template get<double>();
    const LqrFlmOptions options{
        .constraint = KlConstraint::total,
        .marginals = expected.at("use_prev_distr").template get<bool>() ? KlMarginals::reference
                                                                        : KlMarginals::updated,
        .entropy_weight = expected.at("max_ent_traj").template get<double>(),
        .tolerance = 1e-13};
    const auto update =
        lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, VectorX::Constant(T, total / T),
                       options, expected.at("eta0").template get<double>());
    ASSERT_TRUE(update.ok()) << key << ": " << update.failure.message();
    EXPECT_EQ(update.active, expected.contains("exact")) << key;
    if (!update.active) {
      EXPECT_NEAR(update.kl_dual(0), options.min_dual, 1e-12 * options.min_dual);
      EXPECT_TRUE(close(update.kl.sum(), expected.at("kl_final").template get<double>(), 1e-9));
      continue;
    }
    const Json& exact = expected.at("exact");
    EXPECT_TRUE(close(update.kl_dual(0), exact.at("eta").template get<double>(), 1e-9)) << key;
    expect_policy(update.policy, exact, 1e-9, key);
    EXPECT_LE(update.sweeps, 40) << key;

    // A loose search stops early and inside its tolerance.
    LqrFlmOptions loose = options;
    loose.tolerance = 0.1;
    const auto rough =
        lqr_flm_update(p.dynamics, p.cost, p.reference, p.start, VectorX::Constant(T, total / T),
                       loose, expected.at("eta0").template get<double>());
    EXPECT_LE(std::abs(rough.kl.sum() - total), 0.1 * total) << key;
    EXPECT_LE(rough.sweeps, 12) << key;
  }
}

}  // namespace
}  // namespace pilqr
