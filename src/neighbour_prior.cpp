#include "pilqr/fit/neighbour_prior.hpp"

#include <algorithm>
#include <cmath>

#include "pilqr/core/panel.hpp"
#include "pilqr/core/tile.hpp"

namespace pilqr {
namespace {

/// A step's transitions and their moments; sized once.
struct Scatter {
  const RolloutsView& rollouts;
  int D;
  Panel<> z;      // D x N
  Panel<> lower;  // D x D, lower triangle
  VectorX mean;   // D

  explicit Scatter(const RolloutsView& r)
      : rollouts(r),
        D(2 * r.nx() + r.nu()),
        z(D, r.samples()),
        lower(D, D),
        mean(VectorX::Zero(D)) {}

  /// Of the points [x; u; x'] of step t about their mean.
  void compute(int t) {
    const int N = rollouts.samples();
    auto points = z.matrix();
    points.topRows(rollouts.nx()) = rollouts.x[t];
    points.middleRows(rollouts.nx(), rollouts.nu()) = rollouts.u[t];
    points.bottomRows(rollouts.nx()) = rollouts.x[t + 1];
    mean = points.rowwise().mean();
    points.colwise() -= mean;
    tile::lower<Dynamic>(D, lower, tile::zero, tile::times_transposed(z, z, N));
  }
};

/// The sum of all entries times zero: 0, or NaN.
double finite(const ConstVectorRef& x) {
  return (x * 0.0).sum();
}

}  // namespace

Failure NeighbourPrior::update(const RolloutsView& rollouts, const NeighbourPriorOptions& options) {
  require_valid(options);
  require_valid(rollouts);
  const int N = rollouts.samples();
  const int D = 2 * rollouts.nx() + rollouts.nu();
  decay_ = options.decay(rollouts.nx() + rollouts.nu(), N);
  failure_ = {};
  const int transitions = decay_ > 0.0 ? std::max(rollouts.steps() - 1, 0) : 0;
  const Eigen::Index packed = Eigen::Index{D} * (D + 1) / 2;
  mean_.resize(D, transitions);
  scatter_.resize(packed, transitions);
  points_.resize(transitions);
  const auto fail = [&](int t) {
    failure_ = {.kind = FailureKind::singular_fit,
                .step = t,
                .value = scatter_.col(t).sum(),
                .detail = "scatter of [x; u; x'] is not finite"};
    points_.resize(0);
    return failure_;
  };
  if (transitions == 0) return {};

  // Each step's own, in the memory of the result.
  Scatter own(rollouts);
  for (int t = 0; t < transitions; ++t) {
    own.compute(t);
    mean_.col(t) = own.mean;
    double* out = scatter_.col(t).data();
    for (int j = 0; j < D; ++j) out = std::copy_n(&own.lower(j, j), D - j, out);
    if (finite(scatter_.col(t)) != 0.0) return fail(t);
  }
  // What lies behind a step, as running sums: A_t = own_t + lambda A_{t+1}. Then what lies before
  // it: own_t = A_t - lambda A_{t+1} once more, B_t = own_t + lambda B_{t-1}, and A_t + lambda
  // B_{t-1} is the sum of all.
  points_(transitions - 1) = N;
  for (int t = transitions - 2; t >= 0; --t) {
    scatter_.col(t) += decay_ * scatter_.col(t + 1);
    points_(t) = N + decay_ * points_(t + 1);
  }
  VectorX before = VectorX::Zero(packed);  // lambda B_{t-1}
  double points = 0.0;
  for (int t = 0; t < transitions; ++t) {
    double* sum = scatter_.col(t).data();
    const double* next = t + 1 < transitions ? scatter_.col(t + 1).data() : nullptr;
    for (Eigen::Index k = 0; k < packed; ++k) {
      const double behind = next == nullptr ? 0.0 : decay_ * next[k];
      const double all = sum[k] + before(k);
      before(k) = decay_ * (all - behind);
      sum[k] = all;
    }
    points_(t) += points;
    points = decay_ * (points + N);
    if (finite(scatter_.col(t)) != 0.0) return fail(t);
  }
  return {};
}

}  // namespace pilqr
