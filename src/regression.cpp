#include "pilqr/fit/regression.hpp"

#include <algorithm>
#include <cmath>

#include "pilqr/core/check.hpp"
#include "pilqr/core/linalg.hpp"

namespace pilqr {
namespace {

constexpr double least_pivot = 1e-13;

/// Subtracts the mean of the n x N points, which it returns in `mean`, and divides by sqrt(N).
void centre(int n, int N, tile::Output z, tile::Output mean) {
  for (int i = 0; i < tile::padded(n); ++i) mean.data[i] = 0.0;
  for (int s = 0; s < N; ++s) tile::add_scaled(n, mean.data, 1.0 / N, z.at(0, s).data);
  const double root = 1.0 / std::sqrt(static_cast<double>(N));
  for (int s = 0; s < N; ++s) {
    double* point = z.at(0, s).data;
    for (int i = 0; i < tile::padded(n); ++i) point[i] = (point[i] - mean.data[i]) * root;
  }
}

}  // namespace

Regression::Regression(int n1, int n2, int samples)
    : z1(n1, samples),
      z2(n2, samples),
      Ft(n1, n2),
      f(n2, 1),
      W(n2, n2),
      n1_(n1),
      n2_(n2),
      samples_(samples),
      mu1_(n1, 1),
      mu2_(n2, 1),
      S11_(n1, n1),
      S21_(n2, n1),
      z1t_(by_points() ? samples : 0, n1),
      G_(by_points() ? samples : 0, by_points() ? samples : 0) {
  require(n1 >= 1 && n2 >= 1 && samples >= 1, "regression of {} on {} entries with {} points", n2,
          n1, samples);
}

void Regression::centre() {
  pilqr::centre(n1_, samples_, z1, mu1_);
  pilqr::centre(n2_, samples_, z2, mu2_);
}

bool Regression::solve(double ridge) {
  centre();
  if (by_points() && ridge > 0.0) {
    if (!solve_by_points(ridge)) return false;
  } else {
    covariances();
    if (!solve_by_covariance(ridge)) return false;
  }
  return finish();
}

bool Regression::solve(double ridge, const NormalInverseWishart& prior) {
  const int D = n1_ + n2_;
  require_valid(prior, D);
  const double N = samples_;
  centre();
  covariances();
  // The posterior of every block of S, lower triangles.
  const double scale = 1.0 / (N + prior.n0);
  const double shift = N * prior.m / (N + prior.m);
  const auto deviation = [&](int i) { return (i < n1_ ? mu1_(i) : mu2_(i - n1_)) - prior.mu0(i); };
  for (int j = 0; j < D; ++j) {
    const double dj = shift * deviation(j);
    const double* Phi = prior.Phi.col(j).data();
    const auto update = [&](double& S, int i) { S = scale * (N * S + Phi[i] + dj * deviation(i)); };
    for (int i = j; i < n1_; ++i) update(S11_(i, j), i);
    for (int i = j < n1_ ? 0 : j - n1_; i < n2_; ++i) {
      update(j < n1_ ? S21_(i, j) : W(i, j - n1_), n1_ + i);
    }
  }
  return solve_by_covariance(ridge) && finish();
}

bool Regression::solve(double ridge, const Moments& moments) {
  const double scale = 1.0 / moments.points;
  const double* column = moments.scatter;  // from its diagonal entry on
  for (int j = 0; j < n1_; ++j) {
    double* own = &S11_(j, j);
    for (int i = 0; i < n1_ - j; ++i) own[i] = scale * column[i];
    column += n1_ - j;
    double* cross = &S21_(0, j);
    for (int i = 0; i < n2_; ++i) cross[i] = scale * column[i];
    column += n2_;
  }
  for (int j = 0; j < n2_; ++j) {
    double* own = &W(j, j);
    for (int i = 0; i < n2_ - j; ++i) own[i] = scale * column[i];
    column += n2_ - j;
  }
  std::copy_n(moments.mean, n1_, mu1_.data());
  std::copy_n(moments.mean + n1_, n2_, mu2_.data());
  return solve_by_covariance(ridge) && finish();
}

/// F, f and W are there: f, and whether all of them are finite.
bool Regression::finish() {
  double sum = 0.0;  // finite if all of them are: every number of W and F contributes
  for (int i = 0; i < n2_; ++i) {
    f(i) = mu2_(i) - tile::dot(n1_, Ft.at(0, i).data, mu1_.data());
    sum += std::abs(f(i)) + Ft.matrix().col(i).cwiseAbs().sum() +
           W.matrix().col(i).tail(n2_ - i).cwiseAbs().sum();
  }
  return std::isfinite(sum);
}

bool Regression::solve_by_points(double ridge) {
  for (int s = 0; s < samples_; ++s) {
    for (int i = 0; i < n1_; ++i) z1t_(s, i) = z1(i, s);
  }
  tile::lower<Dynamic>(samples_, G_, tile::zero, tile::times(z1t_, z1, n1_));
  for (int s = 0; s < samples_; ++s) G_(s, s) += ridge;
  if (!cholesky_in_place(samples_, G_, least_pivot)) return false;
  solve_transposed_from_right(n1_, samples_, z1, G_);
  solve_transposed_from_right(n2_, samples_, z2, G_);
  tile::full<Dynamic, Dynamic>(n1_, n2_, Ft, tile::zero, tile::times_transposed(z1, z2, samples_));
  tile::lower<Dynamic>(n2_, W, tile::zero, tile::times_transposed(z2, z2, samples_));
  W.matrix() *= ridge;
  return true;
}

/// S11, S21 and, in W, S22 of the centred points.
void Regression::covariances() {
  tile::lower<Dynamic>(n1_, S11_, tile::zero, tile::times_transposed(z1, z1, samples_));
  tile::full<Dynamic, Dynamic>(n2_, n1_, S21_, tile::zero,
                               tile::times_transposed(z2, z1, samples_));
  tile::lower<Dynamic>(n2_, W, tile::zero, tile::times_transposed(z2, z2, samples_));
}

bool Regression::solve_by_covariance(double ridge) {
  for (int i = 0; i < n1_; ++i) S11_(i, i) += ridge;
  if (!cholesky_in_place(n1_, S11_, least_pivot)) return false;
  solve_transposed_from_right(n2_, n1_, S21_, S11_);  // G = S21 L'^-1: W = S22 - G G', F = G L^-1
  tile::lower<Dynamic>(n2_, W, W, tile::minus_times_transposed(S21_, S21_, n1_));
  solve_from_right(n2_, n1_, S21_, S11_);
  Ft.matrix() = S21_.matrix().transpose();
  return true;
}

}  // namespace pilqr
