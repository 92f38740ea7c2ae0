#pragma once
/// A global policy as the TVLG policy closest to it around sampled states (ML16; PILQR17 section
/// 5).

#include <algorithm>
#include <optional>
#include <utility>

#include "pilqr/core/check.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/fit/gmm_prior.hpp"
#include "pilqr/fit/neighbour_prior.hpp"
#include "pilqr/fit/neighbouring_points.hpp"
#include "pilqr/fit/policy_fit.hpp"
#include "pilqr/model/global_policy.hpp"

namespace pilqr {

/// How a global policy is linearised, compare ModelOptions.
struct LinearizeOptions {
  PolicyFitOptions fit{};  ///< of the regression
  /// Set: with the neighbouring steps as a prior.
  std::optional<NeighbourPriorOptions> neighbours = NeighbourPriorOptions{};
  /// Set: with a mixture over [x; mean(x)] of the last iterations as a prior (ML16), and without
  /// the neighbours.
  std::optional<GmmPriorOptions> gmm{};
};

/// Throws InvalidArgument, naming the option that is out of range.
inline void require_valid(const LinearizeOptions& o) {
  require_valid(o.fit);
  if (o.neighbours) require_valid(*o.neighbours);
  if (o.gmm) require_valid(*o.gmm);
}

/// The policy's mean at the sampled states, nu x N per step like the states, nx x N.
/// @param observation of the condition.
template <int Nx, int Nu, GlobalPolicy G>
[[nodiscard]] Sequence<Nu, Dynamic> means(const G& policy, const Sequence<Nx, Dynamic>& x,
                                          const Observation& observation) {
  require(policy.nx() == x.rows() + observation.extra(),
          "the global policy sees {} entries, state and observation have {} and {}", policy.nx(),
          x.rows(), observation.extra());
  const int points = x.steps() * x.cols();
  MatrixX all(policy.nu(), points);
  MatrixX seen(policy.nx(), points);
  observation.see(Eigen::Map<const MatrixX>(x.flat().data(), x.rows(), points), seen);
  policy.mean(seen, all);
  require(rows(all) == policy.nu() && cols(all) == points,
          "the global policy's mean of {} states is {}x{}, expected {}x{}", points, rows(all),
          cols(all), policy.nu(), points);
  Sequence<Nu, Dynamic> mean(x.steps(), policy.nu(), x.cols());
  mean.flat() = all.reshaped();
  return mean;
}

/// z = [x; u] per step, (nx + nu) x N.
template <int Nx, int Nu>
[[nodiscard]] Sequence<Dynamic, Dynamic> stacked(const Sequence<Nx, Dynamic>& x,
                                                 const Sequence<Nu, Dynamic>& u) {
  Sequence<Dynamic, Dynamic> z(x.steps(), x.rows() + u.rows(), x.cols());
  for (int t = 0; t < x.steps(); ++t) z[t] << x[t], u[t];
  return z;
}

/// The mixture as fit_policy wants it.
struct PolicyMixturePrior {
  const GmmPrior& gmm;  ///< of z = [x; mean(x)]
  /// The mixture's prior for these points.
  [[nodiscard]] NormalInverseWishart at(int, const MatrixX& z) const { return gmm.at(z); }
};

/// fit_policy of the global policy around the states of a batch; its failures, those of the mixture
/// and of the neighbours' scatter.
/// @param x sampled states, nx x N per step.
/// @param observation of the condition.
/// @param gmm the mixture of earlier iterations, which learns from the batch first; empty: none.
/// @param stream draws the mixture's seeds.
template <int Nx, int Nu, GlobalPolicy G>
[[nodiscard]] PolicyFit<Nx, Nu> linearize(const G& policy, const Sequence<Nx, Dynamic>& x,
                                          const Observation& observation,
                                          const LinearizeOptions& options,
                                          std::optional<GmmPrior>& gmm, RandomStream stream) {
  const auto mean = means<Nx, Nu>(policy, x, observation);
  const MatrixX own = policy.covariance();
  Sequence<Nu, Nu> covariance(x.steps(), rows(own), cols(own));
  for (int t = 0; t < x.steps(); ++t) covariance[t] = own;
  const auto fit = [&](const auto& prior) {
    return fit_policy(x, mean, covariance, options.fit, prior);
  };
  const auto failed = [](const Failure& failure) { return PolicyFit<Nx, Nu>{{}, failure}; };
  // What is not finite neither the mixture nor the neighbours can learn from: fit_policy says
  // where.
  if (!x.all_finite() || !mean.all_finite()) return fit(NoPrior{});

  if (gmm) {
    const auto z = stacked(x, mean);
    const int points = x.steps() * x.cols();
    const int kept = std::min(points, gmm->options().max_points);
    MatrixX batch(z.rows(), kept);
    for (int p = 0; p < kept; ++p) {  // from every step, the samples taking turns
      const auto t = static_cast<int>(Eigen::Index{p} * x.steps() / kept);
      batch.col(p) = z[t].col(p % x.cols());
    }
    const GmmFit mixture = gmm->update(batch, stream);
    if (!mixture.ok()) return failed(mixture.failure);
    return fit(PolicyMixturePrior{*gmm});
  }
  if (options.neighbours) {
    const NeighbouringPoints neighbours(stacked(x, mean), x.rows(), *options.neighbours);
    if (!neighbours.failure().ok()) return failed(neighbours.failure());
    if (neighbours.decay() > 0.0) return fit(neighbours);
  }
  return fit(NoPrior{});
}

}  // namespace pilqr
