// The Fisher matrix three ways, the surrogate and the divergence by their definitions, and the laws
// of the line search.

#include "pilqr/baselines/trust_region.hpp"

#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <cmath>
#include <numbers>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

constexpr int kInputs = 3;
constexpr int kOutputs = 2;

/// A policy, and points that it drew.
struct Problem {
  DiagonalGaussian policy{Mlp({.inputs = 1, .outputs = 1}), {}};
  PolicyBatch batch;

  explicit Problem(std::uint64_t seed, int P = 7) {
    RandomStream stream({.seed = seed});
    test::Random random(seed + 100);
    policy.mean = Mlp({.inputs = kInputs, .hidden = {4, 3}, .outputs = kOutputs}, stream, 1.0);
    policy.log_std = 0.3 * random.vector(kOutputs);
    batch.z = random.matrix(kInputs, P);
    batch.u = means(policy) +
              policy.log_std.array().exp().matrix().asDiagonal() * random.matrix(kOutputs, P);
    batch.advantage = random.vector(P);
  }
  [[nodiscard]] MatrixX means(const DiagonalGaussian& p) const {
    MlpWorkspace workspace;
    MatrixX y(kOutputs, batch.z.cols());
    p.mean.forward(batch.z, workspace, y);
    return y;
  }
  [[nodiscard]] DiagonalGaussian moved(const VectorX& step) const {
    DiagonalGaussian other = policy;
    other.add(step);
    return other;
  }
  [[nodiscard]] int n() const { return policy.parameter_count(); }
  [[nodiscard]] int points() const { return cols(batch.z); }
};

double log_density(const DiagonalGaussian& p, const MatrixX& mean, const MatrixX& u, int j) {
  double sum = 0.0;
  for (int i = 0; i < kOutputs; ++i) {
    const double variance = std::exp(2.0 * p.log_std(i));
    sum -= 0.5 * std::log(2.0 * std::numbers::pi * variance) +
           0.5 * std::pow(u(i, j) - mean(i, j), 2) / variance;
  }
  return sum;
}

/// Both by their definitions, from densities and the textbook's KL.
TrustRegion::Measure by_definition(const Problem& p, const DiagonalGaussian& other) {
  const MatrixX a = p.means(p.policy);
  const MatrixX b = p.means(other);
  TrustRegion::Measure sum;
  for (int j = 0; j < p.points(); ++j) {
    const double ratio =
        std::exp(log_density(other, b, p.batch.u, j) - log_density(p.policy, a, p.batch.u, j));
    sum.improvement += (ratio - 1.0) * p.batch.advantage(j) / p.points();
    for (int i = 0; i < kOutputs; ++i) {
      const double va = std::exp(2.0 * p.policy.log_std(i));
      const double vb = std::exp(2.0 * other.log_std(i));
      const double apart = a(i, j) - b(i, j);
      sum.kl += 0.5 * (std::log(vb / va) + (va + apart * apart) / vb - 1.0) / p.points();
    }
  }
  return sum;
}

/// J' Sigma^-1 J over the points, with J by central differences and extrapolation, and 2 for each
/// log deviation.
MatrixX explicit_fisher(const Problem& p) {
  MatrixX F = MatrixX::Zero(p.n(), p.n());
  const int n = p.policy.mean.parameter_count();
  std::vector<MatrixX> d;
  for (int k = 0; k < n; ++k) {
    const auto difference = [&](double h) -> MatrixX {
      const VectorX step = h * VectorX::Unit(p.n(), k);
      return (p.means(p.moved(step)) - p.means(p.moved(-step))) / (2.0 * h);
    };
    d.emplace_back((4.0 * difference(5e-4) - difference(1e-3)) / 3.0);
  }
  const VectorX precision = (-2.0 * p.policy.log_std).array().exp();
  for (int k = 0; k < n; ++k) {
    for (int l = 0; l < n; ++l) {
      const auto a = d[static_cast<std::size_t>(k)];
      const auto b = d[static_cast<std::size_t>(l)];
      F(k, l) = (precision.asDiagonal() * a).cwiseProduct(b).sum() / p.points();
    }
  }
  for (int i = 0; i < kOutputs; ++i) F(n + i, n + i) = 2.0;
  return F;
}

MatrixX fisher_by_products(TrustRegion& region, const Problem& p) {
  region.begin(p.policy, p.batch);
  MatrixX F(p.n(), p.n());
  VectorX column(p.n());
  for (int k = 0; k < p.n(); ++k) {
    region.fisher_product(VectorX::Unit(p.n(), k), column);
    F.col(k) = column;
  }
  return F;
}

TEST(TrustRegion, FisherProductsAreThoseOfTheExplicitMatrix) {
  for (const std::uint64_t seed : {1U, 2U}) {
    const Problem p(seed);
    TrustRegion region({.fisher_stride = 1});
    const MatrixX F = fisher_by_products(region, p);
    const MatrixX expected = explicit_fisher(p);
    EXPECT_LE((F - expected).norm(), 1e-8 * expected.norm());
    EXPECT_LE((F - F.transpose()).norm(), 1e-14 * F.norm());
  }
}

// Along random lines, by symmetric differences extrapolated twice.
TEST(TrustRegion, FisherIsTheSecondDerivativeOfTheDivergence) {
  const Problem p(3);
  TrustRegion region({.fisher_stride = 1});
  region.begin(p.policy, p.batch);
  test::Random random(4);
  for (int trial = 0; trial < 5; ++trial) {
    const VectorX v = random.vector(p.n()).normalized();
    const auto second = [&](double h) {
      return (region.measure(p.moved(h * v)).kl + region.measure(p.moved(-h * v)).kl) / (h * h);
    };
    const double a = second(4e-2);
    const double b = second(2e-2);
    const double c = second(1e-2);
    const double finer = (4.0 * c - b) / 3.0;
    const double extrapolated = finer + (finer - (4.0 * b - a) / 3.0) / 15.0;
    VectorX Fv(p.n());
    region.fisher_product(v, Fv);
    EXPECT_NEAR(v.dot(Fv) / extrapolated, 1.0, 1e-7);
  }
}

TEST(TrustRegion, AStrideTakesEverySoManiethPoint) {
  Problem p(5, 8);
  TrustRegion region({.fisher_stride = 3});
  const MatrixX F = fisher_by_products(region, p);
  Problem few(5, 8);
  few.batch.z.resize(kInputs, 3);
  for (int j = 0; j < 3; ++j) few.batch.z.col(j) = p.batch.z.col(3 * j);
  EXPECT_LE((F - explicit_fisher(few)).norm(), 1e-8 * F.norm());
}

TEST(TrustRegion, MeasuresSurrogateAndDivergenceByTheirDefinitions) {
  const Problem p(6);
  TrustRegion region;
  region.begin(p.policy, p.batch);
  test::Random random(7);
  for (const double size : {0.0, 0.01, 0.3}) {
    const DiagonalGaussian other = p.moved(size * random.vector(p.n()));
    const auto found = region.measure(other);
    const auto expected = by_definition(p, other);
    EXPECT_NEAR(found.improvement, expected.improvement, 1e-13);
    EXPECT_NEAR(found.kl, expected.kl, 1e-13);
  }
}

TEST(TrustRegion, GradientIsThatOfTheSurrogate) {
  const Problem p(8);
  TrustRegion region;
  region.begin(p.policy, p.batch);
  VectorX g(p.n());
  region.gradient(g);
  for (int k = 0; k < p.n(); ++k) {
    const auto difference = [&](double h) {
      const VectorX step = h * VectorX::Unit(p.n(), k);
      return (by_definition(p, p.moved(step)).improvement -
              by_definition(p, p.moved(-step)).improvement) /
             (2.0 * h);
    };
    EXPECT_NEAR(g(k), (4.0 * difference(5e-4) - difference(1e-3)) / 3.0, 1e-9) << k;
  }
}

// With as many iterations as the residual asks for the step is a positive multiple of
// (F + damping)^-1 g, of the length that the quadratic model of the divergence allows.
TEST(TrustRegion, TheStepIsTheNaturalGradient) {
  const Problem p(9);
  const TrustRegionOptions options{
      .kl_step = 1e-7, .damping = 0.05, .cg_iterations = 200, .fisher_stride = 1};
  TrustRegion region(options);
  DiagonalGaussian policy = p.policy;
  const TrustRegionReport report = region.step(policy, p.batch);
  ASSERT_TRUE(report.ok());
  ASSERT_TRUE(report.moved);
  EXPECT_EQ(report.backtracks, 0);
  EXPECT_LE(report.residual, 1e-9);
  VectorX g(p.n());
  region.begin(p.policy, p.batch);
  region.gradient(g);
  MatrixX F = explicit_fisher(p);
  F.diagonal().array() += options.damping;
  const VectorX s = F.llt().solve(g);
  const VectorX expected = std::sqrt(2.0 * options.kl_step / s.dot(F * s)) * s;
  VectorX taken(p.n());
  taken << policy.mean.parameters() - p.policy.mean.parameters(), policy.log_std - p.policy.log_std;
  EXPECT_LE((taken - expected).norm(), 1e-7 * expected.norm());
}

// Without damping, and on all points: the divergence is the allowed one to first order, and each
// shortening takes the square of its factor.
TEST(TrustRegion, ASmallStepUsesTheAllowedDivergence) {
  const Problem p(10, 200);
  const TrustRegionOptions options{.kl_step = 1e-6, .damping = 0.0, .fisher_stride = 1};
  TrustRegion region(options);
  DiagonalGaussian policy = p.policy;
  const TrustRegionReport report = region.step(policy, p.batch);
  ASSERT_TRUE(report.moved);
  const double expected = options.kl_step * std::pow(options.shrink, 2 * report.backtracks);
  EXPECT_NEAR(report.kl, expected, 0.01 * expected);
}

// Whatever is asked: within the bound and better by the definitions, or bit by bit as before.
TEST(TrustRegion, NeverLeavesTheBoundNorAcceptsAWorseSurrogate) {
  int moved = 0;
  int refused = 0;
  int shortened = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Problem p(seed, 4 + static_cast<int>(seed % 5));
    for (const double kl_step : {1e-4, 0.05, 3.0}) {
      TrustRegion region({.kl_step = kl_step,
                          .damping = 1e-3,
                          .backtracks = static_cast<int>(seed % 4),
                          .shrink = 0.5,
                          .fisher_stride = 2});
      DiagonalGaussian policy = p.policy;
      const TrustRegionReport report = region.step(policy, p.batch);
      ASSERT_TRUE(report.ok());
      const auto now = by_definition(p, policy);
      if (report.moved) {
        EXPECT_LE(now.kl, kl_step * (1.0 + 1e-9));
        EXPECT_GT(now.improvement, 0.0);
        EXPECT_NEAR(now.kl, report.kl, 1e-10);
        EXPECT_NEAR(now.improvement, report.improvement, 1e-10);
      } else {
        EXPECT_EQ(policy, p.policy);
      }
      moved += report.moved ? 1 : 0;
      refused += report.moved ? 0 : 1;
      shortened += report.moved && report.backtracks > 0 ? 1 : 0;
    }
  }
  EXPECT_GE(moved, 20);
  EXPECT_GE(refused, 5);
  EXPECT_GE(shortened, 5);
}

TEST(TrustRegion, KeepsTheLeastDeviation) {
  Problem p(11);
  p.policy.log_std.setConstant(std::log(0.2));
  // Controls at the mean are the best: less deviation is better.
  p.batch.u = p.means(p.policy);
  p.batch.u.col(0).array() += 0.5;
  p.batch.advantage.setOnes();
  p.batch.advantage(0) = -6.0;
  TrustRegion region({.kl_step = 0.5, .least_std = 0.19});
  DiagonalGaussian policy = p.policy;
  ASSERT_TRUE(region.step(policy, p.batch).moved);
  EXPECT_EQ(policy.log_std.minCoeff(), std::log(0.19));
}

TEST(TrustRegion, WithoutAdvantagesNothingMoves) {
  Problem p(12);
  p.batch.advantage.setZero();
  DiagonalGaussian policy = p.policy;
  const TrustRegionReport report = TrustRegion().step(policy, p.batch);
  EXPECT_TRUE(report.ok());
  EXPECT_FALSE(report.moved);
  EXPECT_EQ(policy, p.policy);
}

TEST(TrustRegion, ANaNIsAFailureAndLeavesThePolicy) {
  Problem p(13);
  p.batch.advantage(2) = std::nan("");
  DiagonalGaussian policy = p.policy;
  EXPECT_EQ(TrustRegion().step(policy, p.batch).failure.kind, FailureKind::non_finite_update);
  EXPECT_EQ(policy, p.policy);
}

TEST(TrustRegion, RefusesOptionsAndSizes) {
  EXPECT_THROW(TrustRegion({.kl_step = 0.0}), InvalidArgument);
  EXPECT_THROW(TrustRegion({.damping = -1.0}), InvalidArgument);
  EXPECT_THROW(TrustRegion({.cg_iterations = 0}), InvalidArgument);
  EXPECT_THROW(TrustRegion({.shrink = 1.0}), InvalidArgument);
  EXPECT_THROW(TrustRegion({.least_std = std::nan("")}), InvalidArgument);
  EXPECT_THROW(TrustRegion({.fisher_stride = 0}), InvalidArgument);
  Problem p(14);
  p.batch.advantage.conservativeResize(3);
  EXPECT_THROW(TrustRegion().begin(p.policy, p.batch), InvalidArgument);
  VectorX g(p.n());
  EXPECT_THROW(TrustRegion().gradient(g), InvalidArgument);
  EXPECT_THROW(TrustRegion().fisher_product(g, g), InvalidArgument);
  EXPECT_THROW(TrustRegion().measure(p.policy), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
