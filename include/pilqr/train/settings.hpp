#pragma once
/// Everything that determines a training run, and the optimiser that it asks for.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pilqr/baselines/ddpg.hpp"
#include "pilqr/baselines/trpo.hpp"
#include "pilqr/lqr_flm.hpp"
#include "pilqr/nn/network_policy.hpp"
#include "pilqr/pi2.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/systems/task.hpp"
#include "pilqr/train/mdgps_options.hpp"
#include "pilqr/train/trainer.hpp"

namespace pilqr {

/// The algorithms that the command can choose from. Those of guided policy search (train/mdgps.hpp)
/// are named after their C-step; the last two learn a network alone (train/baselines.hpp).
enum class Algorithm { pilqr, lqr_flm, pi2, mdgps_pilqr, mdgps_lqr_flm, mdgps_pi2, trpo, ddpg };

/// The name that stands in files and on the command line.
const char* name(Algorithm algorithm);
/// Whether it trains a neural network beside the trajectory policies.
bool is_guided(Algorithm algorithm);
/// Whether it trains a neural network and nothing else.
bool is_baseline(Algorithm algorithm);
/// The trajectory optimiser: of guided policy search that of its C-step.
Algorithm local_algorithm(Algorithm algorithm);

/// The global policy of guided policy search; hidden layers and activation are those of TRPO's and
/// DDPG's networks too, value function and critics among them.
struct NetworkSettings {
  std::vector<int> hidden{64, 64};           ///< units of each hidden layer
  Activation activation = Activation::tanh;  ///< of hidden units
  NetworkTraining training{};                ///< in the S-step
};

/// One run's settings; what an algorithm does not use is ignored by it.
struct Settings {
  std::string task;                                     ///< its name
  Algorithm algorithm = Algorithm::pilqr;               ///< how it learns
  std::uint64_t seed = 0;                               ///< everything random follows from it
  int samples = 20;                                     ///< rollouts per iteration and condition
  int iterations = 20;                                  ///< of the training
  std::vector<int> conditions{0};                       ///< their ids
  NoiseOptions noise{};                                 ///< of the exploration
  FaultOptions faults{};                                ///< rollouts that fail
  StopOptions stop{};                                   ///< when a training ends early
  ExplorationOptions exploration{};                     ///< its floor
  ModelOptions model{};                                 ///< with a model only
  ReplayOptions replay{};                               ///< with a model only
  KlStepOptions kl_step{};                              ///< with a model only
  KlRule kl_rule = KlRule::improvement;                 ///< with a model only
  LqrFlmOptions lqr_flm{};                              ///< with a model only
  TemperatureOptions temperature{};                     ///< of the model-free step
  double dual_floor = 0.01;                             ///< pilqr only, like the next three
  CostSource temperature_source = CostSource::sampled;  ///< see PilqrOptions
  CostSource weight_source = CostSource::sampled;       ///< see PilqrOptions
  SampleControls controls = SampleControls::taken;      ///< see PilqrOptions
  Pi2Options pi2{};                                     ///< of the model-free step
  MdgpsOptions mdgps{};                                 ///< guided policy search only
  NetworkSettings network{};                            ///< of what trains a network
  TrpoOptions trpo{};  ///< without its networks' shapes and the scale of the controls
  DdpgOptions ddpg{};  ///< the same; without `twin` it is DdpgOptions::plain()'s algorithm
};

/// The defaults for a task and algorithm, under which training learns the task.
Settings default_settings(const Task& task, Algorithm algorithm);

/// The published method's settings (PilqrOptions::paper, no antithetic noise) over the given ones:
/// `preset = "paper"`.
void apply_paper_preset(Settings& settings);

/// Throws InvalidArgument naming the setting and its value.
void require_valid(const Settings& settings, const Task& task);

/// One of the three optimisers, with sizes known at run time.
class AnyOptimizer {
 public:
  /// Throws InvalidArgument if the policy or a setting is invalid.
  AnyOptimizer(const Settings& settings, LinearGaussianPolicy<> initial);

  /// The last good policy.
  [[nodiscard]] const LinearGaussianPolicy<>& policy() const {
    return std::visit([](const auto& o) -> const LinearGaussianPolicy<>& { return o.policy(); },
                      optimizer_);
  }
  /// One iteration; see Pilqr::update.
  UpdateReport update(const Rollouts<>& rollouts, const AnyCost& cost, const RandomStream& stream);

  /// See Pilqr::set_policy.
  void set_policy(LinearGaussianPolicy<> reference) {
    std::visit([&](auto& o) { o.set_policy(std::move(reference)); }, optimizer_);
  }

  /// What a checkpoint needs besides the policy; empty for PI2.
  [[nodiscard]] const ModelBasedState* state() const;
  /// Goes on from a checkpoint; `state` is ignored by PI2 and needed by the others.
  void restore(LinearGaussianPolicy<> policy, const ModelBasedState* state);

 private:
  std::variant<Pilqr<>, LqrFlm<>, Pi2<>> optimizer_;
};

}  // namespace pilqr
