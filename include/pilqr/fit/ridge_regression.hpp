#pragma once
/// Linear regression with a ridge on register tiles.

#include "pilqr/core/panel.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// Regression of z2 (n2) on z1 (n1) over N points, which stand in the columns of z1 and z2. With
/// means mu and covariances S of the points (divided by N) and a ridge on the diagonal of S11 (LA14
/// section 3; LFDA16 A.3):
///   F = S21 S11^-1,  f = mu2 - F mu1,  W = S22 - F S11 F'.
/// With no more points than n1 the same numbers come from the N x N system of the points, Z1 and Z2
/// centred and divided by sqrt(N): G = Z1'Z1 + ridge I, F = Z2 G^-1 Z1', W = ridge Z2 G^-1 Z2'.
/// Sized once; solve() does not allocate.
class RidgeRegression {
 public:
  RidgeRegression(int n1, int n2, int samples);

  Panel<> z1;  ///< n1 x N, filled by the caller, overwritten by solve()
  Panel<> z2;  ///< n2 x N, the same

  Panel<> Ft;  ///< F', n1 x n2
  Panel<> f;   ///< n2
  Panel<> W;   ///< n2 x n2, lower triangle

  /// False, with F, f and W unspecified, if S11 is singular to working precision (a pivot of its
  /// Cholesky factorisation, or of G's, is below 1e-13 of its entry) or an entry is NaN or
  /// infinite.
  [[nodiscard]] bool solve(double ridge);

 private:
  [[nodiscard]] bool solve_by_covariance(double ridge);
  [[nodiscard]] bool solve_by_points(double ridge);

  int n1_, n2_, samples_;
  Panel<> mu1_;  // n1
  Panel<> mu2_;  // n2
  Panel<> S11_;  // n1 x n1
  Panel<> S21_;  // n2 x n1, later F
  Panel<> z1t_;  // N x n1
  Panel<> G_;    // N x N
};

}  // namespace pilqr
