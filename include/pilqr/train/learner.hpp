#pragma once
/// What a run trains, chosen at run time.

#include <limits>
#include <optional>
#include <variant>
#include <vector>

#include "pilqr/train/mdgps.hpp"
#include "pilqr/train/settings.hpp"

namespace pilqr {

/// Guided policy search with sizes known at run time and a network as its global policy.
using AnyMdgps = Mdgps<AnyOptimizer, NetworkPolicy>;

/// TRPO or DDPG, with what the network sees in each condition.
struct AnyBaseline {
  std::variant<Trpo, Ddpg> learner;       ///< as it is trained
  std::vector<Observation> observations;  ///< of the conditions

  /// The present policy.
  [[nodiscard]] NetworkPolicy policy() const {
    return std::visit([](const auto& l) { return l.policy(); }, learner);
  }
};

/// One trajectory optimiser per condition of the settings, guided policy search over them, or a
/// network alone.
using Learner = std::variant<std::vector<AnyOptimizer>, AnyMdgps, AnyBaseline>;

/// The network whose rollouts had the least mean cost over the conditions; what BestPolicy says of
/// that cost holds here.
struct BestNetwork {
  NetworkPolicy policy;                                   ///< that made the rollouts
  double cost = std::numeric_limits<double>::infinity();  ///< see keep_best_network()
  int iteration = -1;                                     ///< whose rollouts they were

  /// Equal in all parts.
  friend bool operator==(const BestNetwork&, const BestNetwork&) = default;
};

/// Remembers the network that an iteration sampled if its cost is less than that of all before. A
/// condition without a good rollout counts like the dearest of the others, so that it does not make
/// the mean look better; if there is no cost at all, nothing is remembered.
/// @param sampled the network that made the rollouts. @param conditions the iteration's records.
void keep_best_network(const NetworkPolicy& sampled, const std::vector<IterationRecord>& conditions,
                       int iteration, std::optional<BestNetwork>& best);

/// A learner that has not begun, with the task's first policies. Throws InvalidArgument if a
/// setting is invalid.
Learner make_learner(const Settings& settings, const Task& task);

/// The trajectory optimisers; none where a network learns alone.
const std::vector<AnyOptimizer>& locals_of(const Learner& learner);

/// The network, if there is one.
std::optional<NetworkPolicy> network_of(const Learner& learner);

}  // namespace pilqr
