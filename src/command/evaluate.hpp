#pragma once
/// pilqr evaluate.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>

#include "pilqr/train/settings.hpp"

namespace pilqr::command {

/// How a policy does in one condition. Costs and distances are those of whole rollouts.
struct Evaluation {
  int condition = 0;
  double cost_mean = std::numeric_limits<double>::quiet_NaN();
  double cost_std = std::numeric_limits<double>::quiet_NaN();  ///< population
  double distance_mean = std::numeric_limits<double>::quiet_NaN();
  double success_rate = std::numeric_limits<double>::quiet_NaN();
  int rollouts = 0;
  Failure failure{};  ///< of a rollout; the numbers are then NaN
};

struct EvaluationOptions {
  int rollouts = 20;
  std::uint64_t seed = 0;
  bool noise = false;  ///< explore as in training; otherwise the policy's mean
};

Evaluation evaluate_policy(const Task& task, const Settings& settings,
                           const LinearGaussianPolicy<>& policy, int condition,
                           const EvaluationOptions& options);
/// The same of a network; the condition may be a held-out one.
Evaluation evaluate_policy(const Task& task, const Settings& settings, const NetworkPolicy& policy,
                           int condition, const EvaluationOptions& options);

struct EvaluateArguments {
  std::filesystem::path folder{};
  int rollouts = 20;
  std::optional<std::uint64_t> seed{};  ///< the run's, if not given
  bool noise = false;
  bool best = false;  ///< the best policies instead of the last ones, see BestPolicy
  bool json = false;
};

/// Returns the exit status. Throws InvalidArgument or FileError for bad input.
int evaluate_command(const EvaluateArguments& arguments);

}  // namespace pilqr::command
