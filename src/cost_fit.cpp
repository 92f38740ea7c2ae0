#include "pilqr/fit/cost_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pilqr/core/panel.hpp"

namespace pilqr {
namespace detail {

ExpansionSum::ExpansionSum(int nx, int nu)
    : expansion_(nx, nu), y_(nx + nu), next_(nx + nu), c_(nx + nu) {}

void ExpansionSum::start(const ConstVectorRef& x, const ConstVectorRef& u) {
  expansion_.value = 0.0;
  expansion_.gradient.setZero();
  expansion_.hessian.setZero();
  y_ << x, u;
  c_.setZero();
  c0_ = 0.0;
}

bool ExpansionSum::add(const ConstVectorRef& x, const ConstVectorRef& u) {
  next_ << x, u;
  return add_product();
}

bool ExpansionSum::finish(double share, MatrixRef C, VectorRef c, double& c0) {
  next_.setZero();
  if (!add_product()) return false;
  C = share * expansion_.hessian;
  c = share * c_;
  c0 = share * c0_;
  return true;
}

bool ExpansionSum::add_product() {
  VectorX& g = expansion_.gradient;
  c0_ += expansion_.value - g.dot(y_);
  c_ += g;
  // g <- R (next - y): c takes it in, and so does c0 with next + y, half of it.
  const MatrixX& R = expansion_.hessian;
  const Eigen::Index ny = y_.size();
  g.setZero();
  Eigen::Index j = 0;
  for (; j + 4 <= ny; j += 4) {  // at once: one look at g
    g += R.col(j) * (next_(j) - y_(j)) + R.col(j + 1) * (next_(j + 1) - y_(j + 1)) +
         R.col(j + 2) * (next_(j + 2) - y_(j + 2)) + R.col(j + 3) * (next_(j + 3) - y_(j + 3));
  }
  for (; j < ny; ++j) g += R.col(j) * (next_(j) - y_(j));
  c_ += g;
  c0_ -= 0.5 * (g.dot(y_) + g.dot(next_));
  expansion_.value = 0.0;
  g.setZero();
  // A next sample that is not finite has its own turn.
  const bool finite = std::isfinite(c0_) && std::isfinite(c_.sum());
  const bool to_blame = finite || !y_.allFinite() || next_.allFinite();
  y_.swap(next_);
  return finite || !to_blame;
}

}  // namespace detail

namespace {

/// Whether all entries are finite: 0 x is NaN otherwise. In vectors, unlike allFinite().
bool all_finite(const Eigen::Map<const VectorX>& x) {
  return (x * 0.0).sum() == 0.0;
}

/// The range that replayed states must stay in.
struct Range {
  VectorX low, high;  // nx

  Range(const SequenceView<>& x, double half_widths) {
    low = high = x[0].col(0);
    for (int t = 0; t < x.steps(); ++t) {
      for (int i = 0; i < x.cols(); ++i) {
        low = low.cwiseMin(x[t].col(i));
        high = high.cwiseMax(x[t].col(i));
      }
    }
    // A dimension that never moves gets the rounding of its size.
    const VectorX slack = (0.5 * half_widths * (high - low))
                              .cwiseMax(1e-6 * low.cwiseAbs().cwiseMax(high.cwiseAbs())) +
                          VectorX::Constant(low.size(), 1e-9);
    constexpr double largest = std::numeric_limits<double>::max();
    low = (low - slack).cwiseMax(-largest);
    high = (high + slack).cwiseMin(largest);
  }

  /// Of N states in the rows of the panel's first columns.
  [[nodiscard]] bool holds(int N, const Panel<>& states) const {
    int outside = 0;
    for (int j = 0; j < low.size(); ++j) {
      const double* state = states.at(0, j).data;
      const double least = low(j);
      const double most = high(j);
      for (int i = 0; i < N; ++i) {
        outside += state[i] >= least && state[i] <= most ? 0 : 1;  // NaN is outside
      }
    }
    return outside == 0;
  }
};

}  // namespace

PredictedCosts predict_costs(const DynamicsView& dynamics, const CostModelView& cost,
                             const PolicyView& policy, const RolloutsView& rollouts,
                             const ReplayOptions& options) {
  require_valid(options);
  require_valid(rollouts);
  const int T = rollouts.steps();
  const int N = rollouts.samples();
  const int nx = rollouts.nx();
  const int nu = rollouts.nu();
  const int ny = nx + nu;
  require(policy.steps() == T && dynamics.steps() == T && cost.steps() == T,
          "replay: rollouts have {} steps, the policy {}, dynamics {}, cost {}", T, policy.steps(),
          dynamics.steps(), cost.steps());
  require(policy.nx() == nx && policy.nu() == nu && cost.nx() == nx && cost.nu() == nu,
          "replay: rollouts have nx = {}, nu = {}, the policy {}, {}, cost {}, {}", nx, nu,
          policy.nx(), policy.nu(), cost.nx(), cost.nu());
  require(T == 1 || (dynamics.nx() == nx && dynamics.nu() == nu),
          "replay: rollouts have nx = {}, nu = {}, dynamics {}, {}", nx, nu, dynamics.nx(),
          dynamics.nu());
  require(all_finite(rollouts.x.flat()) && all_finite(rollouts.xi.flat()),
          "replay: states or noise of the rollouts have a NaN or infinite entry");

  const Range range(rollouts.x, options.range);
  PredictedCosts predicted{MatrixX::Zero(N, T), T};
  // Samples stand in rows: one tile has all of them.
  Panel<> y(N, ny);   // [x' u']
  Panel<> xi(N, nu);  // noise
  Panel<> Cy(N, ny);
  Panel<> next(N, nx);
  y.matrix().leftCols(nx) = rollouts.x[0].transpose();
  const auto fill = [N](double* column, double value) { std::fill_n(column, N, value); };
  for (int t = 0; t < T; ++t) {
    if (!range.holds(N, y)) {
      predicted.first_diverged_step = t;
      break;
    }
    const auto noise = rollouts.xi[t];
    for (int i = 0; i < N; ++i) {
      for (int j = 0; j < nu; ++j) xi(i, j) = noise(j, i);
    }
    for (int j = 0; j < nu; ++j) fill(&y(0, nx + j), policy.k[t](j));
    tile::full<Dynamic, Dynamic>(N, nu, tile::Output(y).at(0, nx), y.at(0, nx),
                                 tile::times_transposed(y, tile::input(policy.K[t]), nx),
                                 tile::times_transposed(xi, tile::input(policy.L[t]), nu));
    tile::full<Dynamic, Dynamic>(N, ny, Cy, tile::zero, tile::times(y, tile::input(cost.C[t]), ny));
    auto sums = predicted.cost.col(t);
    sums.setConstant(cost.c0(t));
    for (int j = 0; j < ny; ++j) {
      const double cj = cost.c[t](j);
      for (int i = 0; i < N; ++i) sums(i) += (0.5 * Cy(i, j) + cj) * y(i, j);
    }
    if (!sums.allFinite()) {
      sums.setZero();
      predicted.first_diverged_step = t;
      break;
    }
    if (t + 1 == T) break;
    for (int j = 0; j < nx; ++j) fill(&next(0, j), dynamics.f[t](j));
    tile::full<Dynamic, Dynamic>(N, nx, next, next,
                                 tile::times(y, tile::input_transposed(dynamics.F[t]), ny));
    y.matrix().leftCols(nx) = next.matrix();
  }
  return predicted;
}

}  // namespace pilqr
