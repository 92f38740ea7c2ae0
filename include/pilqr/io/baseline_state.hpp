#pragma once
/// Interrupted runs of DDPG and TRPO: all that decides their future, as tensors, bit by bit.

#include <filesystem>

#include "pilqr/baselines/ddpg.hpp"
#include "pilqr/baselines/trpo.hpp"
#include "pilqr/io/safetensors.hpp"

namespace pilqr {

/// The tensors "policy" (parameters of the network [n]), "log_std" [nu], "value", "value_adam/m",
/// "value_adam/v" [n], "value_adam/step", "value_mean", "value_scale", "states/points",
/// "states/mean", "states/squares" [nx], "samples" and "steps"; the metadata format "pilqr.trpo"
/// and format_version "1".
[[nodiscard]] SafeTensors trpo_to_safetensors(const Trpo& trpo);

/// The inverse, into one that was made with the run's sizes and options. Throws FileError,
/// beginning with `path`, if anything is missing, unknown, not valid or of another size; `trpo` is
/// then as it was.
void trpo_from_safetensors(SafeTensors contents, const std::filesystem::path& path, Trpo& trpo);

/// The same with "actor", "target_actor", "critic_0", "critic_1", "target_critic_0" and _1 [n];
/// "actor_adam/..", "critic_adam_0/.." and _1; of the transitions there are "replay/x" [nx, size],
/// "replay/u" [nu, size], "replay/after" [nx, size], "replay/cost" and "replay/step" [size], and
/// "replay/next"; "states/..", "scaled", "cost_mean", "cost_scale", "updates_due", "updates",
/// "samples" and "steps"; the format "pilqr.ddpg".
[[nodiscard]] SafeTensors ddpg_to_safetensors(const Ddpg& ddpg);

/// The inverse, as trpo_from_safetensors.
void ddpg_from_safetensors(SafeTensors contents, const std::filesystem::path& path, Ddpg& ddpg);

}  // namespace pilqr
