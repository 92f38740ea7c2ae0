#pragma once
/// One policy for all conditions and time steps, learnt by supervision.

#include <concepts>
#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// What a global policy is to do: at state x.col(j) the control u.col(j). A deviation d from it
/// costs 1/2 d' P d with P = precision[group[j]] (ML16 section 4.1; LFDA16 eq. 3).
struct PolicyTargets {
  MatrixX x;                             ///< nx x P, what the policy sees, see Observation
  MatrixX u;                             ///< nu x P
  Sequence<Dynamic, Dynamic> precision;  ///< nu x nu per group, symmetric positive definite
  std::vector<int> group;                ///< P, each an index into the precisions
};

/// Throws InvalidArgument unless the shapes agree, there is a point, and all entries are finite.
void require_valid(const PolicyTargets& targets);

/// What a global policy sees in a condition: o = [x; H x + h]. The entries after the state tell the
/// conditions apart where the state does not, for example the way from the end effector to the
/// target, or the target itself.
struct Observation {
  MatrixX H{};  ///< ne x nx; empty: zero
  VectorX h{};  ///< ne; empty where the state says everything

  /// Entries after the state.
  [[nodiscard]] int extra() const { return rows(h); }
  /// o at every column of x (nx x P) into out, (nx + ne) x P. Does not allocate.
  void see(const ConstMatrixRef& x, MatrixRef out) const {
    out.topRows(x.rows()) = x;
    out.bottomRows(h.size()).colwise() = h;
    if (H.size() > 0) out.bottomRows(h.size()).noalias() += H * x;
  }
};

/// Throws InvalidArgument unless H is empty or ne x nx, and all entries are finite.
inline void require_valid(const Observation& o, int nx) {
  require(o.H.size() == 0 || (rows(o.H) == o.extra() && cols(o.H) == nx),
          "observation: H is {}x{}, expected {}x{}", rows(o.H), cols(o.H), o.extra(), nx);
  require(o.H.allFinite() && o.h.allFinite(), "observation: H or h is not finite");
}

/// A Gaussian policy u ~ N(mean(x), covariance()) that learns from targets; a neural network, for
/// example (nn/network_policy.hpp), or anything else that a user brings.
///
/// Laws (x is what the policy sees, see Observation, and nx its length):
/// - mean(x, out) writes the mean at every column of x (nx x P) into out, resized to nu x P; it may
///   be called concurrently on a const object.
/// - covariance() is nu x nu, positive definite, the same at every state.
/// - train(targets, stream) changes both to suit the targets: the mean by least squares weighted
///   with the precisions, the covariance to the inverse of the mean precision over the points. All
///   randomness comes from the stream. On failure the policy is as it was.
/// - Copies are independent.
template <class G>
concept GlobalPolicy = std::copyable<G> &&
    requires(const G& policy, G& learner, const ConstMatrixRef& x, MatrixX& out,
             const PolicyTargets& targets, RandomStream& stream) {
  { policy.nx() } -> std::convertible_to<int>;
  { policy.nu() } -> std::convertible_to<int>;
  policy.mean(x, out);
  { policy.covariance() } -> std::convertible_to<MatrixX>;
  { learner.train(targets, stream) } -> std::same_as<Failure>;
};

}  // namespace pilqr
