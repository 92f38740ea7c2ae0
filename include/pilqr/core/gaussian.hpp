#pragma once
/// Gaussians: moments of points, the normal-inverse-Wishart posterior, conditioning and KL
/// divergence. Points stand in columns. Functions that write into their arguments do not allocate
/// when these have their sizes already.

#include <Eigen/Cholesky>
#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/linalg.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// Normal-inverse-Wishart prior over the mean and the covariance of a point z of D entries (LA14
/// section 3; LFDA16 appendix A.3). Phi is a scatter, that is, a covariance times a number of
/// points; m and n0 say how many points the prior's mean and its covariance are worth.
struct NormalInverseWishart {
  VectorX mu0;      ///< mean, D
  MatrixX Phi;      ///< scatter, D x D, symmetric positive semidefinite
  double m = 0.0;   ///< strength of the mean, points, >= 0
  double n0 = 0.0;  ///< strength of the covariance, points, >= 0
};

/// Throws InvalidArgument unless the prior is one over points of `dim` entries.
inline void require_valid(const NormalInverseWishart& prior, int dim) {
  require(rows(prior.mu0) == dim && rows(prior.Phi) == dim && cols(prior.Phi) == dim,
          "prior: mu0 has {} entries and Phi is {}x{}, expected {}", rows(prior.mu0),
          rows(prior.Phi), cols(prior.Phi), dim);
  require(std::isfinite(prior.m) && prior.m >= 0.0 && std::isfinite(prior.n0) && prior.n0 >= 0.0,
          "prior: m = {}, n0 = {}, expected finite numbers >= 0", prior.m, prior.n0);
  require(prior.mu0.allFinite() && prior.Phi.allFinite(),
          "prior: mu0 or Phi has a NaN or infinite entry");
}

/// Replaces the lower triangle of the symmetric A by that of its Cholesky factor, A = L L'; neither
/// reads nor writes above the diagonal. Blocked: for orders where cholesky_in_place is slow. False
/// if A is not positive definite to working precision or its lower triangle holds NaN or infinity.
template <class MatrixA>
[[nodiscard]] bool blocked_cholesky_in_place(MatrixA&& A) {
  MatrixRef view(A);
  const Eigen::LLT<MatrixRef, Eigen::Lower> llt(view);
  // Eigen's pivot test lets NaN pass; a NaN or infinity always reaches the diagonal of its row.
  return llt.info() == Eigen::Success && view.diagonal().allFinite();
}

/// Copies the strict lower triangle of A to the upper one.
template <class MatrixA>
void mirror_lower(MatrixA&& A) {
  for (Eigen::Index j = 1; j < A.cols(); ++j) A.col(j).head(j) = A.row(j).head(j).transpose();
}

/// Mean (D) and covariance (D x D, divided by N) of N points, D x N. `centred` is a work space of
/// the points' shape; it ends as the points minus their mean.
template <class Points, class Mean, class Covariance, class Work>
void moments(const Eigen::MatrixBase<Points>& points, Mean&& mean, Covariance&& covariance,
             Work&& centred) {
  const int D = rows(points);
  const int N = cols(points);
  require(N >= 1, "moments of {} points", N);
  mean.resize(D, 1);
  covariance.resize(D, D);
  centred.resize(D, N);
  mean = points.rowwise().sum();
  mean /= N;
  centred = points.colwise() - mean;
  covariance.setZero();
  covariance.template selfadjointView<Eigen::Lower>().rankUpdate(centred, 1.0 / N);
  mirror_lower(covariance);
}

/// The same with weights, N of them, >= 0 and not all zero; they are normalised to sum to 1.
/// `centred` ends as the centred points times the roots of their normalised weights.
template <class Points, class Weights, class Mean, class Covariance, class Work>
void weighted_moments(const Eigen::MatrixBase<Points>& points,
                      const Eigen::MatrixBase<Weights>& weights, Mean&& mean,
                      Covariance&& covariance, Work&& centred) {
  const int D = rows(points);
  const int N = cols(points);
  require(rows(weights) == N, "{} weights for {} points", rows(weights), N);
  const double total = weights.sum();
  require(std::isfinite(total) && total > 0.0 && weights.minCoeff() >= 0.0,
          "weights of points sum to {}, expected weights >= 0 with a positive sum", total);
  mean.resize(D, 1);
  covariance.resize(D, D);
  centred.resize(D, N);
  mean.setZero();
  for (int i = 0; i < N; ++i) mean += (weights(i) / total) * points.col(i);
  for (int i = 0; i < N; ++i) {
    centred.col(i) = std::sqrt(weights(i) / total) * (points.col(i) - mean);
  }
  covariance.setZero();
  covariance.template selfadjointView<Eigen::Lower>().rankUpdate(centred);
  mirror_lower(covariance);
}

/// Replaces the covariance of N points with mean `mean` by its posterior under the prior,
/// (N S + Phi + N m / (N + m) (mean - mu0)(mean - mu0)') / (N + n0)  (LFDA16 appendix A.3).
template <class Mean, class Covariance>
void posterior_covariance_in_place(const NormalInverseWishart& prior, double N,
                                   const Eigen::MatrixBase<Mean>& mean, Covariance&& covariance) {
  const int D = rows(mean);
  require(rows(prior.mu0) == D && rows(prior.Phi) == D && cols(prior.Phi) == D,
          "prior: mu0 has {} entries and Phi is {}x{}, expected {}", rows(prior.mu0),
          rows(prior.Phi), cols(prior.Phi), D);
  require(rows(covariance) == D && cols(covariance) == D, "covariance is {}x{}, expected {}x{}",
          rows(covariance), cols(covariance), D, D);
  require(N > 0.0 && prior.m >= 0.0 && N + prior.n0 > 0.0, "posterior of N = {}, m = {}, n0 = {}",
          N, prior.m, prior.n0);
  const double shift = N * prior.m / (N + prior.m);
  const double scale = 1.0 / (N + prior.n0);
  for (int j = 0; j < D; ++j) {
    const double dj = shift * (mean(j) - prior.mu0(j));
    covariance.col(j) =
        scale * (N * covariance.col(j) + prior.Phi.col(j) + dj * (mean - prior.mu0));
  }
}

/// The posterior mean (m mu0 + N mean) / (m + N), D.
inline VectorX posterior_mean(const NormalInverseWishart& prior, double N, const VectorX& mean) {
  require(rows(prior.mu0) == rows(mean) && N > 0.0 && prior.m >= 0.0,
          "posterior mean of {} entries with a prior of {}, N = {}, m = {}", rows(mean),
          rows(prior.mu0), N, prior.m);
  return (prior.m * prior.mu0 + N * mean) / (prior.m + N);
}

/// Regression of the last n2 entries of a Gaussian on its first n1,
///   z2 | z1 ~ N(F z1 + f, W),  F = S21 S11^-1,  f = mu2 - F mu1,  W = S22 - F S11 F',
/// with F n2 x n1, f n2, W n2 x n2 (symmetric; positive semidefinite up to rounding). Reads the
/// lower triangle of the covariance and overwrites it. False, with F, f and W unspecified, if S11
/// is not positive definite or an entry that matters is NaN or infinite.
template <class Mean, class Covariance, class Gain, class Offset, class Conditional>
[[nodiscard]] bool condition_in_place(const Eigen::MatrixBase<Mean>& mean, Covariance&& covariance,
                                      int n1, Gain&& F, Offset&& f, Conditional&& W) {
  const int n2 = rows(mean) - n1;
  require(n1 >= 1 && n2 >= 1 && rows(covariance) == n1 + n2 && cols(covariance) == n1 + n2,
          "conditioning a Gaussian of {} entries with a covariance {}x{} on its first {}",
          rows(mean), rows(covariance), cols(covariance), n1);
  F.resize(n2, n1);
  f.resize(n2, 1);
  W.resize(n2, n2);
  auto S11 = covariance.topLeftCorner(n1, n1);
  auto S21 = covariance.bottomLeftCorner(n2, n1);
  if (!blocked_cholesky_in_place(S11)) return false;
  // With S11 = L L' and G = S21 L'^-1: F = G L^-1 and W = S22 - G G'.
  S11.transpose().template triangularView<Eigen::Upper>().template solveInPlace<Eigen::OnTheRight>(
      S21);
  F = S21;
  S11.template triangularView<Eigen::Lower>().template solveInPlace<Eigen::OnTheRight>(F);
  W = covariance.bottomRightCorner(n2, n2);
  W.template selfadjointView<Eigen::Lower>().rankUpdate(S21, -1.0);
  mirror_lower(W);
  f = mean.tail(n2);
  f.noalias() -= F * mean.head(n1);
  return F.allFinite() && f.allFinite() && W.allFinite();
}

/// The same on a copy of the covariance.
template <class Mean, class Covariance, class Gain, class Offset, class Conditional>
[[nodiscard]] bool condition(const Eigen::MatrixBase<Mean>& mean,
                             const Eigen::MatrixBase<Covariance>& covariance, int n1, Gain&& F,
                             Offset&& f, Conditional&& W) {
  typename Covariance::PlainObject work = covariance;
  return condition_in_place(mean, work, n1, F, f, W);
}

/// KL(p || q) of two Gaussians of D entries from their means and the lower Cholesky factors of
/// their covariances, nats. A sum of terms >= 0, so accurate also where p and q are close.
inline double kl_divergence(const ConstVectorRef& mean_p, const ConstMatrixRef& L_p,
                            const ConstVectorRef& mean_q, const ConstMatrixRef& L_q) {
  const int D = rows(mean_p);
  require(rows(mean_q) == D && rows(L_p) == D && cols(L_p) == D && rows(L_q) == D && cols(L_q) == D,
          "KL divergence of Gaussians: means of {} and {}, factors {}x{} and {}x{}", D,
          rows(mean_q), rows(L_p), cols(L_p), rows(L_q), cols(L_q));
  MatrixX ratio = L_p.triangularView<Eigen::Lower>();
  VectorX shift = mean_p - mean_q;
  L_q.triangularView<Eigen::Lower>().solveInPlace(ratio);
  L_q.triangularView<Eigen::Lower>().solveInPlace(shift);
  double twice = shift.squaredNorm();
  for (int j = 0; j < D; ++j) {
    // r^2 - 1 - log r^2 with r = 1 + e, without the cancellation at r = 1.
    const double e = (L_p(j, j) - L_q(j, j)) / L_q(j, j);
    twice += e * e + 2.0 * (e - std::log1p(e)) + ratio.col(j).tail(D - j - 1).squaredNorm();
  }
  return 0.5 * twice;
}

}  // namespace pilqr
