#pragma once
/// Trained networks on disk, as safetensors files that other languages can read.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "pilqr/io/safetensors.hpp"
#include "pilqr/nn/network_policy.hpp"

namespace pilqr {

/// A network policy and where it comes from. In the file are the F64 tensors "layer_l/weight"
/// [outputs, inputs] and "layer_l/bias" [outputs] for l = 0..layers-1, "normalisation/mean" [nx],
/// "normalisation/scale" [nx], "covariance_factor" [nu, nu], lower triangular, "action_lower" [nu]
/// and "action_upper" [nu]: a_0 = (x - mean) / scale, a_l+1 = activation(W_l a_l + b_l), the last
/// layer without activation, and u = a_layers + L xi within the limits. x is what the network saw
/// in training, nx entries: [x; H x + h] where it had an Observation, whose H and h are not in the
/// file (of a task: Task::observation). The metadata are format "pilqr.network_policy",
/// format_version "1", layers, activation ("tanh" or "relu"), normalised
/// ("1", or "0" before the first training), nx, nu, the fields below under their own names and the
/// entries of `extra`.
struct NetworkFile {
  NetworkPolicy policy;                        ///< its training options are not in the file
  std::string task{};                          ///< it was trained on
  std::string algorithm{};                     ///< it was trained by
  double dt = 0.0;                             ///< time between steps, s
  std::uint64_t seed = 0;                      ///< of the training
  long samples_total = 0;                      ///< rollouts the policy was trained on
  int iteration = 0;                           ///< iterations done
  std::map<std::string, std::string> extra{};  ///< metadata of the caller

  /// Equal in all parts.
  friend bool operator==(const NetworkFile&, const NetworkFile&) = default;
};

/// Throws InvalidArgument unless dt is finite and positive, counts are not negative, all parameters
/// are finite, and `extra` uses none of the format's own keys.
void require_valid(const NetworkFile& file);

/// The tensors and metadata of the file. Throws InvalidArgument as require_valid does.
SafeTensors network_to_safetensors(const NetworkFile& file);

/// The inverse, with default training options. Throws FileError, beginning with `path`, if anything
/// is missing, unknown, of the wrong shape or not valid; what it returns satisfies require_valid.
NetworkFile network_from_safetensors(SafeTensors contents, const std::filesystem::path& path);

/// Writes the file atomically. Throws InvalidArgument for a policy that is not valid and FileError
/// if it cannot be written; the file that was there is then untouched.
void save_network(const std::filesystem::path& path, const NetworkFile& file,
                  Sync sync = Sync::now);

/// Reads and checks a file. Throws FileError.
NetworkFile load_network(const std::filesystem::path& path);

}  // namespace pilqr
