#pragma once
/// The mixture as a prior for regression at each time step (LA14 section 3; LFDA16 appendix A.3).

#include <algorithm>
#include <deque>
#include <limits>

#include "pilqr/core/check.hpp"
#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/fit/gmm.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// How the prior is built.
struct GmmPriorOptions {
  int max_clusters = 20;            ///< at least 2
  int min_points_per_cluster = 40;  ///< clusters = points / this, from 2 to max_clusters
  int max_points = 10000;           ///< bound of the history
  double strength = 1.0;            ///< factor on the number of points that the prior is worth
  /// Incremental EM steps of an update in which the number of clusters stays. Each renews the
  /// responsibilities of the newest batch; those of the older ones stay, as their statistics, K (D
  /// + 1) (D + 2) / 2 numbers a batch. 0: the published way, EM over the whole history every time.
  int warm_iterations = 1;
  GmmOptions em{};  ///< how the mixture is fitted
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const GmmPriorOptions& options);

/// The transitions z = [x; u; x'] of a batch, (2 nx + nu) x P, in the order of steps and, within a
/// step, samples: all (T - 1) N of them or, if these are more than `most`, that many, to which
/// every step and every sample contributes as often as any other, give or take one.
template <int Nx, int Nu>
MatrixX transitions(const Rollouts<Nx, Nu>& rollouts, int most = std::numeric_limits<int>::max()) {
  const int T = rollouts.steps();
  const int N = rollouts.samples();
  const int nx = rollouts.nx();
  const int nu = rollouts.nu();
  require(T >= 2 && N >= 1, "transitions of {} rollouts of {} steps", N, T);
  require(most >= 1, "at most {} transitions", most);
  const Eigen::Index total = Eigen::Index{T - 1} * N;
  const Eigen::Index kept = std::min<Eigen::Index>(total, most);
  MatrixX points(2 * nx + nu, kept);
  for (Eigen::Index p = 0; p < kept; ++p) {
    const auto t = static_cast<int>(p * (T - 1) / kept);
    const Eigen::Index i = p % N;
    points.col(p).head(nx) = rollouts.x[t].col(i);
    points.col(p).segment(nx, nu) = rollouts.u[t].col(i);
    points.col(p).tail(nx) = rollouts.x[t + 1].col(i);
  }
  return points;
}

/// A mixture over the points of the last iterations, one batch per iteration, and the prior that it
/// gives for the points of one step. A value.
class GmmPrior {
 public:
  /// No mixture yet: `update` before `at`. Throws InvalidArgument for an option out of range.
  explicit GmmPrior(const GmmPriorOptions& options = {});

  /// Adds a batch of points (D x P, P >= 1), drops the oldest batches until at most `max_points`
  /// remain (the newest is always kept, whole) and refits the mixture. Where the number of clusters
  /// is unchanged it goes on from its present parameters: `warm_iterations` incremental steps, with
  /// the log-likelihoods of the newest batch before each, or EM over the whole history. Otherwise
  /// EM begins anew, over the whole history. On failure nothing changes.
  GmmFit update(const ConstMatrixRef& points, RandomStream& stream);

  /// The same with the transitions of rollouts, at most `max_points` of them.
  template <int Nx, int Nu>
  GmmFit update(const Rollouts<Nx, Nu>& rollouts, RandomStream& stream) {
    return update(transitions(rollouts, options_.max_points), stream);
  }

  /// The mixture's moments under the average responsibilities of the given points (D x N, N >= 1),
  /// typically those of one step; m and n0 times the strength, Phi times m.
  [[nodiscard]] NormalInverseWishart at(const ConstMatrixRef& points) const;

  /// As given to the constructor.
  [[nodiscard]] const GmmPriorOptions& options() const { return options_; }
  /// The mixture of the last update; empty before the first.
  [[nodiscard]] const Gmm& mixture() const { return mixture_; }
  /// The batches of points, oldest first.
  [[nodiscard]] const std::deque<MatrixX>& history() const { return history_; }
  /// Of each batch under the responsibilities that it got last; none if `warm_iterations` is 0.
  [[nodiscard]] const std::deque<GmmStatistics>& statistics() const { return statistics_; }

  /// Puts back what `mixture`, `history` and `statistics` gave; throws InvalidArgument if they do
  /// not agree.
  void restore(std::deque<MatrixX> history, Gmm mixture, std::deque<GmmStatistics> statistics);

 private:
  GmmFit refit(std::size_t dropped, const ConstMatrixRef& points, int clusters,
               RandomStream& stream);
  GmmFit advance(std::size_t dropped, const ConstMatrixRef& points, RandomStream& stream);

  GmmPriorOptions options_;
  Gmm mixture_;
  std::deque<MatrixX> history_;
  std::deque<GmmStatistics> statistics_;
};

}  // namespace pilqr
