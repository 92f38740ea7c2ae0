#include "pilqr/fit/neighbouring_points.hpp"

#include <algorithm>

namespace pilqr {

NeighbouringPoints::NeighbouringPoints(const SequenceView<>& z, int inputs,
                                       const NeighbourPriorOptions& options) {
  require_valid(options);
  const int D = z.rows();
  const int N = z.cols();
  const int T = z.steps();
  require(N >= 1 && inputs >= 1 && inputs < D,
          "neighbouring points: {} points of {} entries, {} of them inputs", N, D, inputs);
  prior_.assign(static_cast<std::size_t>(T),
                {.mu0 = VectorX::Zero(D), .Phi = MatrixX::Zero(D, D), .m = 0.0, .n0 = 0.0});
  decay_ = options.decay(inputs, N);
  if (decay_ == 0.0) return;

  std::vector<MatrixX> own(static_cast<std::size_t>(T));
  VectorX mean;
  MatrixX centred;
  for (int t = 0; t < T; ++t) {
    MatrixX& S = own[static_cast<std::size_t>(t)];
    moments(z[t], mean, S, centred);
    S *= N;
    if (S.allFinite()) continue;
    failure_ = {.kind = FailureKind::singular_fit,
                .step = t,
                .value = S.sum(),
                .detail = "scatter of the points is not finite"};
    return;
  }

  // What lies before a step and what lies behind it: running sums.
  MatrixX sum = MatrixX::Zero(D, D);
  double points = 0.0;
  const auto pass = [&](int t) {
    const auto at = static_cast<std::size_t>(t);
    prior_[at].Phi += sum;
    prior_[at].n0 += points;
    sum = decay_ * (sum + own[at]);
    points = decay_ * (points + N);
  };
  for (int t = 0; t < T; ++t) pass(t);
  sum.setZero();
  points = 0.0;
  for (int t = T - 1; t >= 0; --t) pass(t);
}

}  // namespace pilqr
