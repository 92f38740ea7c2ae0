#include "settings_table.hpp"

#include <algorithm>
#include <array>

namespace pilqr::command {

bool uses(Algorithm algorithm, std::string_view key) {
  const std::string_view section = key.substr(0, key.find('.'));
  if (section == "trpo" || section == "ddpg") return section == name(algorithm);
  if (key == "network.hidden" || key == "network.activation") {
    return is_guided(algorithm) || is_baseline(algorithm);
  }
  if (section == "mdgps" || section == "network") return is_guided(algorithm);
  if (is_baseline(algorithm)) {
    const std::array others{"exploration", "fit",     "neighbours",  "gmm", "replay",
                            "kl_step",     "lqr_flm", "temperature", "pi2"};
    return std::count(others.begin(), others.end(), section) == 0;
  }
  if (section == "exploration") return !is_guided(algorithm);
  if (is_guided(algorithm) && (section == "neighbours" || section == "gmm")) return true;
  algorithm = local_algorithm(algorithm);
  if (key == "lqr_flm.dual_floor" || key == "temperature.source" || key == "pi2.source" ||
      key == "pi2.controls") {
    return algorithm == Algorithm::pilqr;
  }
  if (section == "temperature" || section == "pi2") return algorithm != Algorithm::lqr_flm;
  const std::array model{"fit", "neighbours", "gmm", "replay", "kl_step", "lqr_flm"};
  return algorithm != Algorithm::pi2 || std::count(model.begin(), model.end(), section) == 0;
}

}  // namespace pilqr::command
