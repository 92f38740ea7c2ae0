// The linearised global policy: exact for a linear one, with each prior, and failures.

#include "pilqr/mdgps/linearize.hpp"

#include <gtest/gtest.h>

#include "support/golden.hpp"
#include "support/linear_global_policy.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using golden::close;
using test::LinearGlobalPolicy;
using test::Random;

constexpr int T = 6;
constexpr int nx = 5;
constexpr int nu = 2;

LinearGlobalPolicy random_policy() {
  Random random(1);
  LinearGlobalPolicy policy(nx, nu);
  policy.A = random.matrix(nu, nx);
  policy.b = random.vector(nu);
  policy.set_covariance(random.positive_definite(nu, 0.3));
  return policy;
}

Sequence<Dynamic, Dynamic> states(int N, std::uint64_t seed = 2) {
  Random random(seed);
  Sequence<Dynamic, Dynamic> x(T, nx, N);
  for (int t = 0; t < T; ++t) x[t] = random.matrix(nx, N).colwise() + 3.0 * random.vector(nx);
  return x;
}

constexpr PolicyFitOptions ridge(double r) {
  return {.ridge = r, .ridge_first_step = r};
}

template <class G>
PolicyFit<> linearized(const G& policy, const Sequence<Dynamic, Dynamic>& x,
                       const LinearizeOptions& options) {
  std::optional<GmmPrior> gmm;
  if (options.gmm) gmm.emplace(*options.gmm);
  return linearize<Dynamic, Dynamic>(policy, x, {}, options, gmm, RandomStream({.seed = 3}));
}

void expect_exact(const LinearGlobalPolicy& truth, const PolicyFit<>& fit, double tolerance) {
  ASSERT_TRUE(fit.ok()) << fit.failure.message();
  require_valid(fit.policy, "linearised policy");
  for (int t = 0; t < T; ++t) {
    EXPECT_TRUE(close(fit.policy.K[t], truth.A, tolerance)) << t;
    EXPECT_TRUE(close(fit.policy.k[t], truth.b, tolerance)) << t;
    EXPECT_TRUE(close(fit.policy.Sigma(t), truth.covariance(), tolerance)) << t;
  }
}

TEST(Linearize, ALinearGlobalPolicyIsItsOwnLinearisation) {
  const auto policy = random_policy();
  expect_exact(policy, linearized(policy, states(20), {.fit = ridge(0.0), .neighbours = {}}), 1e-9);
  expect_exact(policy, linearized(policy, states(20), {.fit = ridge(0.0)}), 1e-9);
}

/// u ~ N(A1 x + A2 (H x + h) + b, ..) is linear in x: what it amounts to there.
LinearGlobalPolicy in_the_state(const LinearGlobalPolicy& policy, const Observation& observation) {
  LinearGlobalPolicy same(nx, nu);
  const MatrixX A2 = policy.A.rightCols(observation.extra());
  same.A = policy.A.leftCols(nx);
  if (observation.H.size() > 0) same.A += A2 * observation.H;
  same.b = policy.b + A2 * observation.h;
  same.set_covariance(policy.covariance());
  return same;
}

TEST(Linearize, SeesTheObservation) {
  Random random(9);
  LinearGlobalPolicy policy(nx + 2, nu);
  policy.A = random.matrix(nu, nx + 2);
  policy.b = random.vector(nu);
  for (const MatrixX& H : {MatrixX(), random.matrix(2, nx)}) {
    const Observation observation{.H = H, .h = random.vector(2)};
    std::optional<GmmPrior> none;
    const auto fit = linearize<Dynamic, Dynamic>(
        policy, states(20), observation, {.fit = ridge(0.0)}, none, RandomStream({.seed = 3}));
    expect_exact(in_the_state(policy, observation), fit, 1e-9);
    EXPECT_THROW((void)(linearize<Dynamic, Dynamic>(policy, states(20), {}, {}, none,
                                                    RandomStream({.seed = 3}))),
                 InvalidArgument);
  }
}

TEST(Linearize, WithFewerSamplesThanStatesItIsExactAtTheSamples) {
  const auto policy = random_policy();
  const auto x = states(3);
  const auto fit = linearized(policy, x, {.fit = ridge(1e-11), .neighbours = {}});
  ASSERT_TRUE(fit.ok()) << fit.failure.message();
  double off = 0.0;
  for (int t = 0; t < T; ++t) {
    MatrixX expected;
    policy.mean(x[t], expected);
    const MatrixX actual = (fit.policy.K[t] * x[t]).colwise() + fit.policy.k[t];
    EXPECT_TRUE(close(actual, expected, 1e-9)) << t;
    off += (fit.policy.K[t] - policy.A).norm();
  }
  EXPECT_GT(off, 0.1) << "three points do not tell five columns";
}

// Neighbouring steps tell what a step's own samples cannot.
TEST(Linearize, NeighboursFindALinearPolicyFromFewSamples) {
  const auto policy = random_policy();
  expect_exact(policy, linearized(policy, states(3), {.fit = ridge(0.0)}), 1e-9);
}

TEST(Linearize, AMixtureFindsALinearPolicyFromFewSamples) {
  const auto policy = random_policy();
  LinearizeOptions options;
  options.gmm = GmmPriorOptions{.max_clusters = 2, .min_points_per_cluster = 5, .strength = 10.0};
  const auto x = states(3);
  const auto fit = linearized(policy, x, options);
  const auto alone = linearized(policy, x, {.neighbours = {}});
  ASSERT_TRUE(fit.ok()) << fit.failure.message();
  for (int t = 0; t < T; ++t) {
    const double error = (fit.policy.K[t] - policy.A).norm();
    EXPECT_LT(error, 0.05 * (alone.policy.K[t] - policy.A).norm()) << t;
  }
}

// The mixture learns from every batch, bounded, and its randomness is the stream's.
TEST(Linearize, TheMixtureKeepsAHistory) {
  const auto policy = random_policy();
  const LinearizeOptions options{
      .gmm = GmmPriorOptions{.min_points_per_cluster = 5, .max_points = 40}};
  std::optional<GmmPrior> gmm(*options.gmm);
  const RandomStream stream({.seed = 3});
  const auto first = linearize<Dynamic, Dynamic>(policy, states(3), {}, options, gmm, stream);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(gmm->history().size(), 1U);
  EXPECT_EQ(gmm->history()[0].cols(), 18);
  for (int p = 0; p < 18; ++p) {
    const VectorX z = gmm->history()[0].col(p);
    EXPECT_LT((z.tail(nu) - policy.A * z.head(nx) - policy.b).norm(), 1e-12);
  }
  ASSERT_TRUE((linearize<Dynamic, Dynamic>(policy, states(3, 7), {}, options, gmm, stream).ok()));
  EXPECT_EQ(gmm->history().size(), 2U);
  ASSERT_TRUE((linearize<Dynamic, Dynamic>(policy, states(9), {}, options, gmm, stream).ok()));
  ASSERT_EQ(gmm->history().size(), 1U) << "54 points, of which 40 are kept, fill it";
  EXPECT_EQ(gmm->history()[0].cols(), 40);
  const auto again = linearized(policy, states(3), options);
  EXPECT_TRUE(again.policy == first.policy);
}

/// u = sin(x_0), in both controls.
struct Curved {
  [[nodiscard]] int nx() const { return pilqr::nx; }
  [[nodiscard]] int nu() const { return pilqr::nu; }
  void mean(const ConstMatrixRef& x, MatrixX& out) const {
    out = x.topRows(1).array().sin().matrix().replicate(pilqr::nu, 1);
    if (bad) out(1, 4) = std::nan("");
  }
  [[nodiscard]] MatrixX covariance() const { return scale * MatrixX::Identity(2, 2); }
  Failure train(const PolicyTargets&, RandomStream&) { return {}; }
  double scale = 0.01;
  bool bad = false;
};

// What is not linear adds to the covariance: S is at least the policy's own.
TEST(Linearize, CurvatureAddsToTheCovariance) {
  for (const bool neighbours : {false, true}) {
    LinearizeOptions options;
    if (!neighbours) options.neighbours.reset();
    const auto fit = linearized(Curved{}, states(30), options);
    ASSERT_TRUE(fit.ok());
    for (int t = 0; t < T; ++t) {
      EXPECT_GT((fit.policy.Sigma(t) - Curved{}.covariance()).trace(), 1e-3);
    }
  }
}

TEST(Linearize, FailuresAndMisuse) {
  LinearizeOptions with_gmm;
  with_gmm.gmm = GmmPriorOptions{};
  for (const LinearizeOptions& options : {LinearizeOptions{}, with_gmm}) {
    const auto fit = linearized(Curved{.bad = true}, states(3), options);
    EXPECT_EQ(fit.failure.kind, FailureKind::singular_fit);
    EXPECT_EQ(fit.failure.step, 1) << "the fifth of three samples a step";
  }
  const auto fit = linearized(Curved{.scale = -1.0}, states(3), {});
  EXPECT_EQ(fit.failure.kind, FailureKind::singular_covariance);
  const LinearGlobalPolicy other(nx + 1, nu);
  EXPECT_THROW((void)linearized(other, states(3), {}), InvalidArgument);
  EXPECT_THROW(require_valid(LinearizeOptions{.fit = {.ridge = -1.0}}), InvalidArgument);
  EXPECT_THROW(require_valid(
                   LinearizeOptions{.neighbours = NeighbourPriorOptions{.points_per_input = -1.0}}),
               InvalidArgument);
  EXPECT_THROW(require_valid(LinearizeOptions{.gmm = GmmPriorOptions{.max_clusters = 1}}),
               InvalidArgument);
}

}  // namespace
}  // namespace pilqr
