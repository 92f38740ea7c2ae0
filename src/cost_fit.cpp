#include "pilqr/fit/cost_fit.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "pilqr/core/panel.hpp"

namespace pilqr {
namespace {

/// Whether all bits are: minus zero is not.
bool all_zero(const double* entries, Eigen::Index size) {
  constexpr Eigen::Index lanes = 8;  // sums that do not wait for each other
  std::uint64_t bits[lanes] = {};
  Eigen::Index k = 0;
  for (; k + lanes <= size; k += lanes) {
    for (Eigen::Index q = 0; q < lanes; ++q)
      bits[q] |= std::bit_cast<std::uint64_t>(entries[k + q]);
  }
  for (; k < size; ++k) bits[0] |= std::bit_cast<std::uint64_t>(entries[k]);
  for (Eigen::Index q = 1; q < lanes; ++q) bits[0] |= bits[q];
  return bits[0] == 0;
}

}  // namespace

bool detail::add_expansion(double share, const ConstVectorRef& y, CostExpansion& expansion,
                           MatrixRef C, VectorRef c, double& c0) {
  const Eigen::Index ny = y.size();
  VectorX& g = expansion.gradient;
  const double slope = g.dot(y);
  constexpr Eigen::Index group = 4;  // columns that are looked at together
  for (Eigen::Index first = 0; first < ny; first += group) {
    const Eigen::Index end = std::min(first + group, ny);
    if (all_zero(expansion.hessian.col(first).data(), (end - first) * ny)) continue;
    auto H = expansion.hessian.middleCols(first, end - first);
    if (end - first == group) {  // at once: one look at g
      g -= H.col(0) * y(first) + H.col(1) * y(first + 1) + H.col(2) * y(first + 2) +
           H.col(3) * y(first + 3);
    } else {
      for (Eigen::Index j = first; j < end; ++j) g -= expansion.hessian.col(j) * y(j);
    }
    for (Eigen::Index j = first; j < end; ++j) C.col(j) += share * expansion.hessian.col(j);
    H.setZero();
  }
  // g is the gradient less H y by now, and l - g'y + 1/2 y'Hy the value less half of both slopes.
  c += share * g;
  const double constant = expansion.value - 0.5 * (slope + g.dot(y));
  c0 += share * constant;
  const bool finite = std::isfinite(constant) && std::isfinite(g.sum());
  expansion.value = 0.0;
  g.setZero();
  return finite;
}

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
