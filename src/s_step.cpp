#include "pilqr/mdgps/s_step.hpp"

#include <Eigen/Cholesky>
#include <cmath>

#include "pilqr/core/linalg.hpp"

namespace pilqr {
namespace {

void require_same_sizes(const std::vector<Lesson>& lessons) {
  require(!lessons.empty(), "policy targets of no lesson");
  for (const Lesson& lesson : lessons) {
    const PolicyView& policy = lesson.policy;
    const RolloutsView& rollouts = lesson.rollouts;
    require_valid(rollouts);
    require(
        policy.steps() == rollouts.steps() && policy.nx() == rollouts.nx() &&
            policy.nu() == rollouts.nu(),
        "policy targets: a policy with {} steps, nx = {}, nu = {}, and rollouts with {}, {}, {}",
        policy.steps(), policy.nx(), policy.nu(), rollouts.steps(), rollouts.nx(), rollouts.nu());
    const PolicyView& first = lessons.front().policy;
    require(policy.nx() == first.nx() && policy.nu() == first.nu(),
            "policy targets: lessons with nx = {}, nu = {} and {}, {}", first.nx(), first.nu(),
            policy.nx(), policy.nu());
    require_valid(lesson.observation, policy.nx());
    require(lesson.observation.extra() == lessons.front().observation.extra(),
            "policy targets: observations with {} and {} entries besides the state",
            lessons.front().observation.extra(), lesson.observation.extra());
  }
}

Failure failed(FailureKind kind, int lesson, int step, double value, const char* detail) {
  return {.kind = kind, .condition = lesson, .step = step, .value = value, .detail = detail};
}

}  // namespace

TargetsResult policy_targets(const std::vector<Lesson>& lessons,
                             const SupervisionOptions& options) {
  require_valid(options);
  require_same_sizes(lessons);
  const int nu = lessons.front().policy.nu();
  int points = 0;
  int groups = 0;
  VectorX variance = VectorX::Zero(nu);  // mean over the groups
  for (const Lesson& lesson : lessons) {
    const int T = lesson.policy.steps();
    points += T * lesson.rollouts.samples();
    groups += T;
    for (int t = 0; t < T; ++t) variance += lesson.policy.L[t].rowwise().squaredNorm();
  }
  variance /= groups;

  TargetsResult result;
  PolicyTargets& out = result.targets;
  const int nx = lessons.front().policy.nx();
  out.x.resize(nx + lessons.front().observation.extra(), points);
  out.u.resize(nu, points);
  out.precision.resize(groups, nu, nu);
  out.group.reserve(static_cast<std::size_t>(points));
  MatrixX L(nu, nu);
  int group = 0;
  int point = 0;
  for (std::size_t m = 0; m < lessons.size(); ++m) {
    const auto& [policy, rollouts, observation] = lessons[m];
    const int lesson = static_cast<int>(m);
    const int N = rollouts.samples();
    for (int t = 0; t < policy.steps(); ++t, ++group, point += N) {
      auto seen = out.x.middleCols(point, N);
      auto u = out.u.middleCols(point, N);
      observation.see(rollouts.x[t], seen);
      u.noalias() = policy.K[t] * rollouts.x[t];
      u.colwise() += policy.k[t].col(0);
      L.noalias() = policy.L[t] * policy.L[t].transpose();
      L.diagonal() += options.variance_floor * variance;
      const double smallest = L.diagonal().minCoeff();
      if (!cholesky_in_place(L)) {
        result.failure = failed(FailureKind::singular_covariance, lesson, t, smallest,
                                "covariance of a target is not positive definite");
        return result;
      }
      // P = L^-T L^-1
      MatrixX inverse = MatrixX::Identity(nu, nu);
      L.triangularView<Eigen::Lower>().solveInPlace(inverse);
      out.precision[group].noalias() = inverse.transpose() * inverse;
      if (!seen.allFinite() || !u.allFinite() || !out.precision[group].allFinite()) {
        result.failure = failed(FailureKind::non_finite_update, lesson, t,
                                u.sum() + out.precision[group].sum(), "target of supervision");
        return result;
      }
      out.group.insert(out.group.end(), static_cast<std::size_t>(N), group);
    }
  }
  return result;
}

TargetError target_error(const PolicyTargets& targets, const MatrixX& mean) {
  const int P = cols(targets.u);
  require(rows(mean) == rows(targets.u) && cols(mean) == P && P >= 1,
          "the mean at {} targets of {} entries is {}x{}", P, rows(targets.u), rows(mean),
          cols(mean));
  double loss = 0.0;
  VectorX d(mean.rows());
  VectorX weighted(mean.rows());
  for (int j = 0; j < P; ++j) {
    d = mean.col(j) - targets.u.col(j);
    weighted.noalias() = targets.precision[targets.group[static_cast<std::size_t>(j)]] * d;
    loss += 0.5 * d.dot(weighted);
  }
  return {loss / P, std::sqrt((mean - targets.u).array().square().mean())};
}

}  // namespace pilqr
