#pragma once
/// Trained policies on disk, as safetensors files that other languages can read.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pilqr/io/safetensors.hpp"
#include "pilqr/model/linear_gaussian.hpp"

namespace pilqr {

/// The policies of all conditions of a run and where they come from. In the file, condition m has
/// the tensors "condition_m/K" [T, nu, nx], "condition_m/k" [T, nu] and "condition_m/L" [T, nu,
/// nu], F64, with L the LOWER Cholesky factor of the covariance: u = K_t x + k_t + L_t xi. The
/// metadata are format "pilqr.tvlg_policy", format_version "1", nx, nu, steps, the fields below
/// under their own names (conditions as "0,1,2") and the entries of `extra`.
struct PolicyFile {
  std::string task{};                              ///< they were trained on
  std::string algorithm{};                         ///< they were trained by
  double dt = 0.0;                                 ///< time between steps, s
  std::uint64_t seed = 0;                          ///< of the training
  long samples_total = 0;                          ///< rollouts the policies were trained on
  int iteration = 0;                               ///< iterations done
  std::vector<int> conditions{};                   ///< distinct ids
  std::vector<LinearGaussianPolicy<>> policies{};  ///< one per condition, all of one shape
  std::map<std::string, std::string> extra{};      ///< metadata of the caller

  /// Equal in all parts.
  friend bool operator==(const PolicyFile&, const PolicyFile&) = default;
};

/// Throws InvalidArgument unless dt is finite and positive, counts and ids are not negative, there
/// is at least one condition, ids are distinct, there is a valid policy for each, all of one shape,
/// and `extra` uses none of the format's own keys.
void require_valid(const PolicyFile& file);

/// The tensors and metadata of the file. Throws InvalidArgument as require_valid does.
SafeTensors policy_to_safetensors(const PolicyFile& file);

/// The inverse. Throws FileError, beginning with `path`, if anything is missing, unknown, of the
/// wrong shape or not valid; what it returns satisfies require_valid.
PolicyFile policy_from_safetensors(SafeTensors contents, const std::filesystem::path& path);

/// Writes the file atomically. Throws InvalidArgument for a policy that is not valid and FileError
/// if it cannot be written; the file that was there is then untouched.
void save_policy(const std::filesystem::path& path, const PolicyFile& file, Sync sync = Sync::now);

/// Reads and checks a file. Throws FileError.
PolicyFile load_policy(const std::filesystem::path& path);

}  // namespace pilqr
