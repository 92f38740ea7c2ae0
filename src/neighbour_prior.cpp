#include "pilqr/fit/neighbour_prior.hpp"

#include <algorithm>

#include "pilqr/core/panel.hpp"
#include "pilqr/core/tile.hpp"

namespace pilqr {
namespace {

/// Scatter of the points [x; u; x'] of step t about their mean, symmetric.
void scatter(const RolloutsView& r, int t, Panel<>& z, Panel<>& lower, MatrixX& out) {
  const int nx = r.nx();
  const int nu = r.nu();
  const int D = 2 * nx + nu;
  auto points = z.matrix();
  points.topRows(nx) = r.x[t];
  points.middleRows(nx, nu) = r.u[t];
  points.bottomRows(nx) = r.x[t + 1];
  const VectorX mean = points.rowwise().mean();
  points.colwise() -= mean;
  tile::lower<Dynamic>(D, lower, tile::zero, tile::times_transposed(z, z, r.samples()));
  for (int j = 0; j < D; ++j) {
    for (int i = j; i < D; ++i) out(i, j) = out(j, i) = lower(i, j);
  }
}

}  // namespace

NeighbourPrior::NeighbourPrior(const RolloutsView& rollouts, const NeighbourPriorOptions& options) {
  require_valid(options);
  require_valid(rollouts);
  const int N = rollouts.samples();
  const int D = 2 * rollouts.nx() + rollouts.nu();
  const int transitions = std::max(rollouts.steps() - 1, 0);
  const double steps = options.points_per_input * (rollouts.nx() + rollouts.nu()) / N;
  none_ = {.mu0 = VectorX::Zero(D), .Phi = MatrixX::Zero(D, D), .m = 0.0, .n0 = 0.0};
  if (!(steps > 1.0)) return;
  decay_ = (steps - 1.0) / (steps + 1.0);
  const auto overflow = [&](int t, const MatrixX& S) {
    failure_ = {.kind = FailureKind::singular_fit,
                .step = t,
                .value = S.sum(),
                .detail = "scatter of [x; u; x'] is not finite"};
    prior_.clear();
  };

  std::vector<MatrixX> own(static_cast<std::size_t>(transitions), MatrixX(D, D));
  Panel<> z(D, N);
  Panel<> lower(D, D);
  for (int t = 0; t < transitions; ++t) {
    MatrixX& S = own[static_cast<std::size_t>(t)];
    scatter(rollouts, t, z, lower, S);
    if (!S.allFinite()) {
      overflow(t, S);
      return;
    }
  }

  // What lies before a step and what lies behind it: running sums.
  MatrixX sum = MatrixX::Zero(D, D);
  double points = 0.0;
  prior_.assign(static_cast<std::size_t>(transitions), none_);
  const auto pass = [&](int t) {
    const auto at = static_cast<std::size_t>(t);
    prior_[at].Phi += sum;
    prior_[at].n0 += points;
    sum = decay_ * (sum + own[at]);
    points = decay_ * (points + N);
  };
  for (int t = 0; t < transitions; ++t) pass(t);
  sum.setZero();
  points = 0.0;
  for (int t = transitions - 1; t >= 0; --t) pass(t);
  for (int t = 0; t < transitions; ++t) {
    const MatrixX& Phi = prior_[static_cast<std::size_t>(t)].Phi;
    if (!Phi.allFinite()) {
      overflow(t, Phi);
      return;
    }
  }
}

}  // namespace pilqr
