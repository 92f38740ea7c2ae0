#include "pilqr/model/global_policy.hpp"

namespace pilqr {

void require_valid(const PolicyTargets& targets) {
  const int P = cols(targets.x);
  const int nu = rows(targets.u);
  require(rows(targets.x) >= 1 && nu >= 1 && P >= 1, "policy targets: nx = {}, nu = {}, {} points",
          rows(targets.x), nu, P);
  require(cols(targets.u) == P && static_cast<int>(targets.group.size()) == P,
          "policy targets: {} states, {} controls, {} groups", P, cols(targets.u),
          targets.group.size());
  require(targets.precision.rows() == nu && targets.precision.cols() == nu,
          "policy targets: precisions are {}x{}, expected {}x{}", targets.precision.rows(),
          targets.precision.cols(), nu, nu);
  for (int j = 0; j < P; ++j) {
    const int group = targets.group[static_cast<std::size_t>(j)];
    require(group >= 0 && group < targets.precision.steps(),
            "policy targets: point {} has group {} of {}", j, group, targets.precision.steps());
    require(targets.x.col(j).allFinite() && targets.u.col(j).allFinite(),
            "policy targets: point {} is NaN or infinite", j);
  }
  for (int g = 0; g < targets.precision.steps(); ++g) {
    require(targets.precision[g].allFinite(), "policy targets: precision {} is NaN or infinite", g);
  }
}

}  // namespace pilqr
