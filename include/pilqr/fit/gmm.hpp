#pragma once
/// Mixture of Gaussians by expectation maximisation. Points stand in columns, D x P.

#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/panel.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/fit/gmm_statistics.hpp"

namespace pilqr {

/// How a mixture is fitted.
struct GmmOptions {
  int max_iterations = 100;  ///< >= 0
  /// Stop when |new - old| <= tolerance |new|, of the log-likelihood of all points.
  double tolerance = 1e-4;
  /// Added to every variance in each M-step, in the points' units squared: a cluster with fewer
  /// points than dimensions has a singular covariance. At least 1e-10 of the variance itself, so
  /// that points of any scale can be factorised. The likelihood can fall by what this costs.
  double ridge = 1e-6;
  /// A cluster whose weight is below this share of 1 / clusters is empty and is re-seeded.
  double empty_share = 1e-4;
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const GmmOptions& options);

/// True if the log-likelihood moved by at most `tolerance` of its new magnitude.
bool likelihood_converged(double previous, double current, double tolerance);

/// All that a mixture of K clusters consists of, bit for bit: what a checkpoint has to hold.
struct GmmParameters {
  VectorX log_weights;                     ///< K; the weights sum to 1
  MatrixX means;                           ///< D x K
  Sequence<Dynamic, Dynamic> covariances;  ///< K of D x D
  int points = 0;                          ///< how many points it was fitted to
};

/// How a fit ended.
enum class GmmStatus { converged, max_iterations, failed };

/// What `Gmm::fit` did.
struct GmmFit {
  GmmStatus status = GmmStatus::failed;   ///< how it ended
  int iterations = 0;                     ///< EM steps done
  bool warm_started = false;              ///< began at the parameters that the mixture had
  int reseeded = 0;                       ///< clusters that were empty and got a new place
  std::vector<double> log_likelihoods{};  ///< of all points: at the start, after each iteration
  Failure failure{};                      ///< what ended it
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// What one EM step did. On failure the mixture is unchanged.
struct EmStep {
  double log_likelihood = 0.0;  ///< of the points of its E-step, BEFORE the step
  int reseeded = 0;             ///< clusters that were empty and got a new place
  Failure failure{};            ///< what stopped it
};

/// Buffers of EM; sized at their first use, then reused.
struct GmmWorkspace {
  MatrixX responsibilities;  ///< P x K; log-densities before the E-step normalises them
  VectorX log_likelihoods;   ///< of each point, P
  GmmStatistics statistics;  ///< of the points of the step
  Panel<> points;            ///< a block of points by rows, B x D
  Panel<> centred;           ///< the same minus the mean of a cluster
  Panel<> whitened;          ///< B x a group of entries
  Panel<> distances;         ///< squared, in units of each cluster, B x K
  Panel<> weighted;          ///< D x points of one cluster
  Panel<> covariance;        ///< of one cluster, lower triangle, D x D
};

/// A mixture of K Gaussians over points of D entries; a value.
class Gmm {
 public:
  Gmm() = default;
  /// Throws InvalidArgument unless shapes agree, entries are finite and each covariance is positive
  /// definite.
  explicit Gmm(GmmParameters parameters);

  /// Means and covariances (divided by the number of points of the cluster; plus ridge) of a given
  /// assignment of each point to a cluster 0..clusters-1, none of them empty; equal weights.
  static Gmm from_assignment(const ConstMatrixRef& points, const std::vector<int>& assignment,
                             int clusters, double ridge);

  /// No clusters: nothing has been fitted.
  [[nodiscard]] bool empty() const { return clusters() == 0; }
  /// Entries of a point, D; number of clusters, K; number of points it was fitted to.
  ///@{
  [[nodiscard]] int dim() const { return rows(parameters_.means); }
  [[nodiscard]] int clusters() const { return cols(parameters_.means); }
  [[nodiscard]] int points() const { return parameters_.points; }
  ///@}
  /// All that can be saved; see restore().
  [[nodiscard]] const GmmParameters& parameters() const { return parameters_; }
  /// Lower Cholesky factor of a covariance in the lower triangle.
  [[nodiscard]] auto factor(int k) const {
    return factors_.matrix().middleCols(Eigen::Index{k} * dim(), dim());
  }

  /// EM until convergence, from the present parameters if they have this dimension and number of
  /// clusters, otherwise from k-means++ centres drawn from the stream. Fewer distinct points than
  /// `clusters` give that many clusters. On failure (a point that is NaN or infinite, a covariance
  /// that cannot be factorised: the failure names the cluster and its smallest variance) the
  /// mixture is left as it was.
  GmmFit fit(const ConstMatrixRef& points, int clusters, const GmmOptions& options,
             RandomStream& stream);

  /// One E-step and one M-step. An empty cluster moves to one of the worst explained points, with
  /// the covariance of the points.
  EmStep em_step(const ConstMatrixRef& points, const GmmOptions& options, RandomStream& stream,
                 GmmWorkspace& workspace);

  /// The same with an M-step from other points as well, whose responsibilities stay as they are in
  /// `others` (of no points: the step above): an incremental step (Neal & Hinton 1998), which does
  /// not lower the free energy of all points. The points' own statistics are then in the workspace.
  EmStep em_step(const ConstMatrixRef& points, const GmmStatistics& others,
                 const GmmOptions& options, RandomStream& stream, GmmWorkspace& workspace);

  /// The statistics of points under their responsibilities, those below 4e-31 as zero.
  [[nodiscard]] GmmStatistics statistics(const ConstMatrixRef& points) const;

  /// log(weight_k) + log N(z_j; mean_k, covariance_k), K x P.
  [[nodiscard]] MatrixX log_densities(const ConstMatrixRef& points) const;
  /// Log-likelihood of each point, P. -infinity for a point too far away for its distance to be
  /// represented.
  [[nodiscard]] VectorX log_likelihoods(const ConstMatrixRef& points) const;
  /// Log-likelihood of all points.
  [[nodiscard]] double log_likelihood(const ConstMatrixRef& points) const;
  /// Probability of each cluster given each point, K x P; columns sum to 1.
  [[nodiscard]] MatrixX responsibilities(const ConstMatrixRef& points) const;
  /// The average of the points' responsibilities, K; those below 1e-30 may count as zero.
  [[nodiscard]] VectorX average_responsibilities(const ConstMatrixRef& points) const;

  /// The Gaussian with the mean and covariance of the mixture under the given cluster weights (K,
  /// summing to 1), as a prior worth m = 1 point with n0 = (P - 2 - D) / P, P the number of points
  /// that the mixture was fitted to; n0 = 0 if P <= D + 2, which only widens the posterior.
  [[nodiscard]] NormalInverseWishart moment_matched(const VectorX& weights) const;

 private:
  void resize(int dim, int clusters);
  void resize_factors();
  [[nodiscard]] bool factorize(int k);
  [[nodiscard]] bool add_ridge_and_factorize(int k, double ridge);
  [[nodiscard]] Failure singular_cluster(int k) const;
  [[nodiscard]] Failure assign(const ConstMatrixRef& points, const std::vector<int>& assignment,
                               int clusters, double ridge);
  [[nodiscard]] Failure initialize(const ConstMatrixRef& points, int clusters, double ridge,
                                   RandomStream& stream);
  [[nodiscard]] double log_scale(int k) const;
  void centre(int k, int g, int end, int n, GmmWorkspace& workspace) const;
  int add_distances(int k, int g, int n, GmmWorkspace& workspace) const;
  void block_distances(double cutoff, int n, GmmWorkspace& workspace) const;
  void log_densities(const ConstMatrixRef& points, double cutoff, GmmWorkspace& workspace) const;
  double e_step(const ConstMatrixRef& points, double cutoff, GmmWorkspace& workspace) const;
  void gather(const ConstMatrixRef& points, GmmWorkspace& workspace) const;
  Failure m_step(const GmmStatistics& statistics, const GmmOptions& options);
  Failure reseed(const ConstMatrixRef& points, const std::vector<int>& empty,
                 const GmmOptions& options, RandomStream& stream, const GmmWorkspace& workspace);

  void require_points(const ConstMatrixRef& points) const;

  /// Responsibilities below exp of its negative, 4e-31, change no sum of a fit: they count as zero.
  static constexpr double negligible_log_ratio = 70.0;

  GmmParameters parameters_;
  Panel<> factors_;    // K of D x D side by side, lower triangle
  Panel<> whitening_;  // K of D x D side by side: inverse factors, zeros above the diagonal
  VectorX log_norms_;  // K: -(D log 2 pi + log det covariance) / 2
};

}  // namespace pilqr
