// Incremental EM of the mixture prior: what a warm update may change, and what it may not lose.
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <numbers>

#include "pilqr/fit/gmm_prior.hpp"
#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

bool same(const Gmm& a, const Gmm& b) {
  return a.parameters().means == b.parameters().means &&
         a.parameters().log_weights == b.parameters().log_weights &&
         a.parameters().covariances == b.parameters().covariances && a.points() == b.points();
}

/// Around three centres that move.
MatrixX batch(Random& random, int D, int P, double moved) {
  MatrixX points = random.matrix(D, P);
  for (int j = 0; j < P; ++j) points.col(j).array() += 3.0 * (j % 3) + moved * (1 + j % 2);
  return points;
}

/// F(q, theta) = sum_jk r_jk (log w_k + log N(z_j; mean_k, covariance_k) - log r_jk)
/// (Neal & Hinton 1998, eq. 7), point by point.
double free_energy(const MatrixX& points, const MatrixX& responsibilities, const Gmm& mixture) {
  const GmmParameters& p = mixture.parameters();
  long double sum = 0.0;
  for (int k = 0; k < mixture.clusters(); ++k) {
    const Eigen::LLT<MatrixX> llt(p.covariances[k]);
    const MatrixX L = llt.matrixL();
    for (int j = 0; j < cols(points); ++j) {
      const double r = responsibilities(k, j);
      if (r == 0.0) continue;
      const VectorX white = llt.matrixL().solve(points.col(j) - p.means.col(k));
      sum += r * (p.log_weights(k) - 0.5 * white.squaredNorm() - L.diagonal().array().log().sum() -
                  0.5 * mixture.dim() * std::log(2.0 * std::numbers::pi) - std::log(r));
    }
  }
  return static_cast<double>(sum);
}

GmmPriorOptions of_clusters(int clusters, int max_points, int warm_iterations) {
  return {.max_clusters = clusters,
          .max_points = max_points,
          .warm_iterations = warm_iterations,
          .em = {.ridge = 1e-14}};
}

TEST(GmmIncremental, FreeEnergyNeverFalls) {
  Random random(1);
  constexpr int most = 5;
  int risen = 0;
  for (int trial = 0; trial < 8; ++trial) {
    const int D = 1 + trial % 4;
    const double offset = trial % 3 == 0 ? 1e4 : 0.0;
    const auto next = [&](double moved) {
      return MatrixX(batch(random, D, 200, moved).array() + offset);
    };
    RandomStream stream({.seed = 2, .sample = static_cast<std::uint32_t>(trial)});
    // Three batches; each keeps the responsibilities of its last E-step.
    GmmPrior prior(of_clusters(5, 600, 1));
    ASSERT_TRUE(prior.update(next(0.0), stream).ok());
    std::deque<MatrixX> q = {prior.mixture().responsibilities(prior.history()[0])};
    for (int i = 1; i < 6; ++i) {
      const Gmm start = prior.mixture();
      const MatrixX newest = next(0.4 * i);
      bool reseeded = false;  // a cluster that moves may lower it
      const auto updated = [&](int iterations) {
        GmmPrior copy(of_clusters(5, 600, iterations));
        copy.restore(prior.history(), prior.mixture(), prior.statistics());
        const GmmFit fit = copy.update(newest, stream);
        EXPECT_TRUE(fit.ok() && fit.warm_started);
        reseeded = fit.reseeded > 0;
        EXPECT_EQ(fit.iterations, iterations);
        return copy;
      };
      if (q.size() == 3) q.pop_front();
      double before = 0.0;
      Gmm theta = start;
      for (int n = 0; n <= most; ++n) {  // theta: after n steps
        const MatrixX own = theta.responsibilities(newest);
        const GmmPrior after = updated(n + 1);
        if (reseeded) break;
        const auto total = [&](const Gmm& mixture) {
          double F = free_energy(newest, own, mixture);
          for (std::size_t b = 0; b < q.size(); ++b) {
            F += free_energy(after.history()[b], q[b], mixture);
          }
          return F;
        };
        const double tolerance = 1e-9 * std::abs(total(theta));
        if (n > 0) {
          EXPECT_GE(total(theta), before - tolerance);  // the E-step
        }
        before = total(after.mixture());
        EXPECT_GE(before, total(theta) - tolerance);  // the M-step
        if (before > total(theta) + 1e3 * tolerance) ++risen;
        theta = after.mixture();
      }
      q.push_back(start.responsibilities(newest));
      ASSERT_TRUE(prior.update(newest, stream).ok());
      ASSERT_EQ(prior.history().size(), q.size());
    }
  }
  EXPECT_GE(risen, 100);
}

TEST(GmmIncremental, OfOneBatchIsEm) {
  Random random(2);
  for (const int iterations : {1, 2, 7}) {
    GmmPrior prior(of_clusters(4, 300, iterations));
    RandomStream stream({.seed = 1});
    ASSERT_TRUE(prior.update(batch(random, 3, 300, 0.0), stream).ok());
    Gmm expected = prior.mixture();
    const MatrixX next = batch(random, 3, 300, 1.0);
    RandomStream copy = stream;
    GmmWorkspace workspace;
    std::vector<double> log_likelihoods;
    for (int i = 0; i < iterations; ++i) {
      const EmStep step = expected.em_step(next, prior.options().em, copy, workspace);
      ASSERT_TRUE(step.failure.ok());
      log_likelihoods.push_back(step.log_likelihood);
    }
    const GmmFit fit = prior.update(next, stream);
    ASSERT_TRUE(fit.ok());
    EXPECT_EQ(prior.history().size(), 1U);
    EXPECT_TRUE(same(prior.mixture(), expected));
    EXPECT_EQ(fit.log_likelihoods, log_likelihoods);
  }
}

// A cluster whose points have all been dropped.
TEST(GmmIncremental, AnEmptyClusterMovesAsInEm) {
  Random random(3);
  GmmPrior prior(of_clusters(2, 200, 1));
  RandomStream stream({.seed = 1});
  MatrixX apart = random.matrix(2, 200);
  apart.rightCols(100).array() += 500.0;
  ASSERT_TRUE(prior.update(apart, stream).ok());
  Gmm expected = prior.mixture();
  const MatrixX near = random.matrix(2, 200);
  RandomStream copy = stream;
  GmmWorkspace workspace;
  EXPECT_EQ(expected.em_step(near, prior.options().em, copy, workspace).reseeded, 1);
  const GmmFit fit = prior.update(near, stream);
  EXPECT_EQ(fit.reseeded, 1);
  EXPECT_TRUE(same(prior.mixture(), expected));
  EXPECT_LT(prior.mixture().parameters().means.maxCoeff(), 100.0);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(prior.update(random.matrix(2, 200), stream).ok());
    EXPECT_GT(prior.mixture().parameters().log_weights.minCoeff(), std::log(1e-3));
  }
}

// Whatever was dropped: the mixture is the M-step of what is there.
TEST(GmmIncremental, TheMixtureIsTheMStepOfAllStatistics) {
  Random random(4);
  GmmPrior prior(of_clusters(3, 500, 2));
  RandomStream stream({.seed = 1});
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(prior.update(batch(random, 3, i == 4 ? 210 : 150, 0.2 * i), stream).ok());
    ASSERT_EQ(prior.statistics().size(), prior.history().size());
    GmmStatistics all;
    for (std::size_t b = 0; b < prior.history().size(); ++b) {
      EXPECT_EQ(prior.statistics()[b].points, cols(prior.history()[b]));
      all.add(prior.statistics()[b]);
    }
    EXPECT_EQ(all.points, prior.mixture().points());
    if (i == 0) continue;  // a fit from nothing: statistics one E-step ahead
    const GmmParameters& p = prior.mixture().parameters();
    const VectorX weights = p.log_weights.array().exp();
    EXPECT_TRUE(golden::close(weights, all.counts / all.points, 1e-12));
    EXPECT_TRUE(golden::close(p.means, all.means, 1e-12));
    for (int k = 0; k < 3; ++k) {
      for (int j = 0, entry = 0; j < 3; ++j) {
        for (int m = j; m < 3; ++m, ++entry) {
          EXPECT_NEAR(p.covariances[k](m, j), all.covariances(entry, k), 1e-9);
        }
      }
    }
  }
}

// The published way: EM over the history, from the mixture that was there.
TEST(GmmIncremental, WithoutWarmIterationsItRefits) {
  Random random(5);
  GmmPrior prior({.max_clusters = 3, .max_points = 400, .warm_iterations = 0});
  Gmm expected;
  RandomStream stream({.seed = 1});
  RandomStream copy = stream;
  for (int i = 0; i < 5; ++i) {
    const GmmFit fit = prior.update(batch(random, 3, 150, 0.5 * i), stream);
    MatrixX all(3, 0);
    for (const MatrixX& points : prior.history()) {
      all.conservativeResize(3, all.cols() + points.cols());
      all.rightCols(points.cols()) = points;
    }
    const GmmFit refit = expected.fit(all, 3, {}, copy);
    EXPECT_EQ(fit.warm_started, i > 0);
    EXPECT_EQ(fit.log_likelihoods, refit.log_likelihoods);
    EXPECT_TRUE(same(prior.mixture(), expected));
    EXPECT_TRUE(prior.statistics().empty());
  }
}

TEST(GmmIncremental, FailureChangesNothingAndRestoreChecks) {
  Random random(6);
  GmmPrior prior(of_clusters(3, 500, 2));
  RandomStream stream({});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(prior.update(batch(random, 2, 150, i), stream).ok());
  const Gmm mixture = prior.mixture();
  const std::deque<GmmStatistics> statistics = prior.statistics();
  MatrixX broken = batch(random, 2, 200, 0.0);
  broken(1, 7) = std::nan("");
  EXPECT_EQ(prior.update(broken, stream).failure.kind, FailureKind::non_finite_state);
  EXPECT_EQ(prior.update(1e200 * batch(random, 2, 200, 0.0), stream).failure.kind,
            FailureKind::singular_fit);
  EXPECT_TRUE(same(prior.mixture(), mixture));
  EXPECT_EQ(prior.statistics(), statistics);
  EXPECT_EQ(prior.history().size(), 3U);

  const auto refused = [&](auto change) {
    std::deque<GmmStatistics> bad = statistics;
    change(bad);
    EXPECT_THROW(prior.restore(prior.history(), mixture, bad), InvalidArgument);
    EXPECT_EQ(prior.statistics(), statistics);
  };
  refused([](auto& all) { all.clear(); });
  refused([](auto& all) { all.pop_front(); });
  refused([](auto& all) { all.front().points = 149; });
  refused([](auto& all) { all.back().counts(0) += 1.0; });
  GmmPrior whole(of_clusters(3, 500, 0));
  EXPECT_THROW(whole.restore(prior.history(), mixture, statistics), InvalidArgument);
  EXPECT_NO_THROW(whole.restore(prior.history(), mixture, {}));
  EXPECT_THROW(GmmPrior({.warm_iterations = -1}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
