#pragma once
/// Linear regression with a ridge or a normal-inverse-Wishart prior, and where the prior comes
/// from.

#include <concepts>

#include "pilqr/core/gaussian.hpp"
#include "pilqr/core/panel.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// Anything that gives a normal-inverse-Wishart prior over the points z of step t, given these
/// points, D x N.
template <class P>
concept RegressionPrior = requires(const P& prior, int t, const MatrixX& z) {
  { prior.at(t, z) } -> std::convertible_to<NormalInverseWishart>;
};

/// No prior: ridge alone.
struct NoPrior {};

/// Mean and scatter of weighted points z of D entries, to read.
struct Moments {
  const double* mean = nullptr;     ///< D
  const double* scatter = nullptr;  ///< lower triangle, packed by columns: D, D-1, .. 1 entries
  double points = 0.0;              ///< sum of the weights, > 0
};

/// A prior that has already taken in the points of step t < steps(): the moments are those of the
/// posterior, of dim() entries. Without steps and without failure it has no say.
template <class P>
concept PosteriorMoments = requires(const P& prior, int t) {
  { prior.moments(t) } -> std::same_as<Moments>;
  { prior.steps() } -> std::same_as<int>;
  { prior.dim() } -> std::same_as<int>;
  { prior.failure() } -> std::convertible_to<Failure>;
};

/// The same prior at every step.
struct FixedPrior {
  NormalInverseWishart prior;  ///< over z
  /// The prior.
  [[nodiscard]] const NormalInverseWishart& at(int, const MatrixX&) const { return prior; }
};

/// Regression of z2 (n2) on z1 (n1) over N points z = [z1; z2], which stand in the columns of z1
/// and z2. With means mu and covariances S of the points (divided by N) and a ridge on the diagonal
/// of S11 (LA14 section 3; LFDA16 A.3):
///   F = S21 S11^-1,  f = mu2 - F mu1,  W = S22 - F S11 F'.
/// With a prior over z, S is its posterior (N S + Phi + N m/(N+m) (mu-mu0)(mu-mu0)') / (N + n0).
/// Without one, with no more points than n1 and with a ridge > 0, the same numbers come from the
/// N x N system of the points, Z1 and Z2 centred and divided by sqrt(N): G = Z1'Z1 + ridge I, F =
/// Z2 G^-1 Z1', W = ridge Z2 G^-1 Z2'. Sized once; solve() does not allocate.
class Regression {
 public:
  /// Sizes the buffers; the points are unset.
  Regression(int n1, int n2, int samples);

  Panel<> z1;  ///< n1 x N, filled by the caller, overwritten by solve()
  Panel<> z2;  ///< n2 x N, the same

  Panel<> Ft;  ///< F', n1 x n2
  Panel<> f;   ///< n2
  Panel<> W;   ///< n2 x n2, lower triangle

  /// False, with F, f and W unspecified, if S11 is singular to working precision (a pivot of its
  /// Cholesky factorisation, or of G's, is below 1e-13 of its entry) or an entry is NaN or
  /// infinite.
  [[nodiscard]] bool solve(double ridge);
  /// The same with a prior. Throws InvalidArgument if it is not one over n1 + n2 entries.
  [[nodiscard]] bool solve(double ridge, const NormalInverseWishart& prior);
  /// The same with mu and S = scatter / points as they are given, over n1 + n2 entries; z1 and z2
  /// have no say.
  [[nodiscard]] bool solve(double ridge, const Moments& moments);

 private:
  /// Whether the system of the points is the smaller one.
  [[nodiscard]] bool by_points() const { return samples_ <= n1_; }
  void centre();
  void covariances();
  [[nodiscard]] bool solve_by_points(double ridge);
  [[nodiscard]] bool solve_by_covariance(double ridge);
  [[nodiscard]] bool finish();

  int n1_, n2_, samples_;
  Panel<> mu1_;  // n1
  Panel<> mu2_;  // n2
  Panel<> S11_;  // n1 x n1, lower triangle
  Panel<> S21_;  // n2 x n1, later F
  Panel<> z1t_;  // N x n1, by points only
  Panel<> G_;    // N x N, the same
};

}  // namespace pilqr
