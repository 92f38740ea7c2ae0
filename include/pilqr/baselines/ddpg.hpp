#pragma once
/// Deep deterministic policy gradient (Lillicrap et al., ICLR 2016; below: DDPG) and its twin
/// delayed variant (Fujimoto, van Hoof, Meger, ICML 2018; below: TD3).

#include <array>
#include <vector>

#include "pilqr/baselines/network_actor.hpp"
#include "pilqr/baselines/replay.hpp"
#include "pilqr/baselines/running_moments.hpp"
#include "pilqr/nn/adam.hpp"

namespace pilqr {

/// Rewards are negative costs, brought to mean 0 and deviation 1 over the first data, and kept so.
/// The defaults are TD3, with numbers that were found on the reacher; DdpgOptions::plain() is DDPG.
struct DdpgOptions {
  std::vector<int> actor_hidden{64, 64};     ///< units of each hidden layer
  std::vector<int> critic_hidden{64, 64};    ///< the same
  Activation activation = Activation::tanh;  ///< of all hidden units
  /// nu; controls are limited to +- this, in the policy and in the learning. Empty: ones.
  VectorX action_scale{};
  double std = 0.2;               ///< of the exploration, in shares of action_scale, > 0
  double initial_std = 0.5;       ///< the same until learning begins
  int start_steps = 1000;         ///< control steps before learning begins, >= 1
  double updates_per_step = 1.0;  ///< critic updates for each control step made, > 0
  int batch = 128;                ///< transitions per update
  int capacity = 100'000;         ///< transitions that are remembered
  double discount = 0.95;         ///< gamma, in [0, 1]
  double target_rate = 0.01;      ///< tau of the target networks, in (0, 1]
  AdamOptions actor_adam{.learning_rate = 3e-4};   ///< of the actor
  AdamOptions critic_adam{.learning_rate = 1e-3};  ///< of both critics
  bool twin = true;              ///< TD3: a second critic, and the lesser value of the two
  int policy_delay = 2;          ///< TD3: critic updates for one of the actor and the targets
  double smoothing_std = 0.05;   ///< TD3: noise on the target's control, in shares; 0: none
  double smoothing_limit = 0.1;  ///< and its limit, > 0
  NormalisationOptions normalisation{};  ///< of the states, by the moments of all so far

  /// DDPG: one critic, no delay, no noise on the target.
  static DdpgOptions plain() {
    DdpgOptions options;
    options.twin = false;
    options.policy_delay = 1;
    options.smoothing_std = 0.0;
    return options;
  }
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const DdpgOptions& options);

/// One update() on new rollouts.
struct DdpgReport {
  int updates = 0;           ///< of the critic, in this call; 0 before learning begins
  double critic_loss = 0.0;  ///< mean of 1/2 (Q - target)^2 over them, in scaled rewards; or 0
  double value_mean = 0.0;   ///< mean of Q over them and their transitions, the same
  long samples = 0;          ///< rollouts of all updates so far
  long steps = 0;            ///< their control steps
  Failure failure{};         ///< if not ok, all is as before the update
  [[nodiscard]] bool ok() const { return failure.ok(); }  ///< no failure
};

/// The networks and their optimisers. Critics take [normalised state; time feature; control in
/// shares of action_scale]. The second critic is there without `twin` as well, and then idle.
struct DdpgNetworks {
  /// The network that learns, and the one that follows it slowly and gives the targets.
  ///@{
  Mlp actor, target_actor;
  std::array<Mlp, 2> critic, target_critic;
  ///@}
  AdamState actor_adam;                  ///< of the actor
  std::array<AdamState, 2> critic_adam;  ///< of the critics

  /// Equal in all parts.
  friend bool operator==(const DdpgNetworks&, const DdpgNetworks&) = default;
};

/// All that decides the future of a run, besides the options.
struct DdpgState {
  DdpgNetworks networks;     ///< as they are trained
  Replay replay;             ///< what they are trained on
  RunningMoments states;     ///< of the states, as the actor acts by
  bool scaled = false;       ///< whether the two below have been found
  double cost_mean = 0.0;    ///< reward = -(cost - cost_mean) / cost_scale
  double cost_scale = 1.0;   ///< > 0
  double updates_due = 0.0;  ///< less than 1: what updates_per_step has left over
  long updates = 0;          ///< of the critic
  long samples = 0;          ///< rollouts of all updates so far
  long steps = 0;            ///< their control steps

  /// Equal in all parts.
  friend bool operator==(const DdpgState&, const DdpgState&) = default;
};

/// target <- target + rate (source - target), DDPG algorithm 1. Throws InvalidArgument on networks
/// of different shapes.
void follow(const Mlp& source, double rate, Mlp& target);

/// One policy for all conditions and steps. The critic, which only training needs, knows the time
/// (time_feature): the last step has no successor, so its target is the reward alone, and nothing
/// is bootstrapped beyond the horizon (Pardo, Tavakoli, Levdik, Kormushev: Time Limits in
/// Reinforcement Learning, ICML 2018). The actor's gradient is inverted towards the limits of the
/// controls (Hausknecht, Stone, ICLR 2016, eq. 11), so that its outputs stay within them and it is
/// a NetworkPolicy, without a squashing function. A value.
class Ddpg {
 public:
  /// @param steps the horizon. @param stream draws the networks.
  /// Throws InvalidArgument on invalid options or sizes.
  Ddpg(int nx, int nu, int steps, const DdpgOptions& options, RandomStream& stream);

  [[nodiscard]] const DdpgOptions& options() const { return options_; }  ///< as they were given
  [[nodiscard]] int steps() const { return steps_; }                     ///< the horizon

  /// The present policy, with its exploration as covariance and the limits of the controls.
  [[nodiscard]] NetworkPolicy policy() const;

  /// Takes in rollouts, one batch per condition, and makes the updates that they allow. Reports
  /// non_finite_update if the networks, or a sum over states or costs, overflow, as finite numbers
  /// may; the rollouts are then forgotten. Throws InvalidArgument on rollouts of other sizes.
  /// @param stream for the transitions that are learnt from and the targets' noise.
  DdpgReport update(const std::vector<RolloutsView>& batches, RandomStream stream);

  /// What a checkpoint has to hold.
  [[nodiscard]] const DdpgState& state() const { return state_; }
  /// Throws InvalidArgument unless the sizes are the same and all is finite, the policy's numbers
  /// in the unit of the controls too.
  void restore(DdpgState state);

 private:
  [[nodiscard]] NetworkPolicy policy_of(const DdpgState& state) const;
  void require_fits(const std::vector<RolloutsView>& batches) const;
  void remember(const std::vector<RolloutsView>& batches);
  Failure scale_rewards(const std::vector<RolloutsView>& batches);
  void draw(RandomStream& stream, const Normalisation& normalisation);
  void set_targets(const DdpgNetworks& networks, RandomStream& stream);
  Failure improve_critics(DdpgNetworks& networks, DdpgReport& sums);
  Failure improve_actor(DdpgNetworks& networks);
  Failure learn(double due, RandomStream& stream, DdpgReport& report);
  Failure make_updates(int updates, RandomStream& stream, DdpgNetworks& networks,
                       DdpgReport& report);

  DdpgOptions options_;
  int steps_;
  VectorX scale_;  // nu, of the controls
  DdpgState state_;

  // Of update(), for a batch of B transitions.
  MlpWorkspace actor_ws_, critic_ws_;
  MatrixX z_, z_after_;         // nx x B
  MatrixX inputs_, after_;      // of the critic x B: [z; time; control]
  MatrixX u_, d_u_;             // nu x B, in shares
  MatrixX d_inputs_;            // of the critic x B
  MatrixX q_, other_q_;         // 1 x B
  VectorX reward_, target_;     // B
  VectorX d_actor_, d_critic_;  // parameters
};

}  // namespace pilqr
