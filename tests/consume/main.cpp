/// A program of a user: header-only parts, the compiled part, and Eigen objects that cross between.
#include <cmath>
#include <cstdio>

#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/noise.hpp"

namespace {

/// The first control of u = [-1 -2] x + 0.5 + 0.1 xi at x = [1; 2], xi = 1.
template <int Nx, int Nu>
double first_control() {
  pilqr::LinearGaussianPolicy<Nx, Nu> policy(3, 2, 1);
  policy.K.set_zero();
  policy.k.set_zero();
  policy.L.set_zero();
  policy.K[0] << -1.0, -2.0;
  policy.k[0] << 0.5;
  policy.L[0] << 0.1;
  pilqr::Vector<Nu> u(1);
  policy.act(0, pilqr::Vector<2>(1.0, 2.0), pilqr::Vector<1>(1.0), u);
  return u(0);
}

bool check(const char* what, double actual, double expected) {
  const bool ok = std::abs(actual - expected) < 1e-12;
  if (!ok) std::printf("%s is %.17g, expected %.17g\n", what, actual, expected);
  return ok;
}

}  // namespace

int main() {
  bool ok = check("fixed-size control", first_control<2, 1>(), -4.4);
  ok &= check("dynamic-size control", first_control<pilqr::Dynamic, pilqr::Dynamic>(), -4.4);

  const pilqr::NoiseOptions options{.width = 2.0, .antithetic = true};
  const pilqr::MatrixX even = pilqr::draw_noise(options, {.seed = 7}, 0, 50, 3);
  const pilqr::MatrixX odd = pilqr::draw_noise(options, {.seed = 7}, 1, 50, 3);
  ok &= check("sum of an antithetic pair", (even + odd).norm(), 0.0);
  const double mean = even.row(2).mean();
  ok &= check("noise variance", (even.row(2).array() - mean).square().mean(), 1.0);
  return ok ? 0 : 1;
}
