#pragma once
/// A linear-quadratic problem of several conditions for guided policy search.

#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "optimizers/linear_problem.hpp"
#include "pilqr/lqr_flm.hpp"
#include "pilqr/pi2.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/mdgps.hpp"
#include "support/eigen_lqr.hpp"
#include "support/linear_global_policy.hpp"

namespace pilqr::test {

/// One linear system, started around another point in every condition. On request every rollout of
/// one condition throws at step 2, and one starts at the point itself.
struct Starts {
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  Linear linear = stable_system();
  int bad_condition = -1;
  int exact_condition = -1;
  bool bad = false;

  static VectorX start(int condition) {
    return 3.0 * Random(100 + static_cast<std::uint64_t>(condition)).vector(kNx);
  }
  void reset(int condition, RandomStream& stream, VectorX& x) {
    bad = condition == bad_condition;
    x.resize(kNx);
    stream.fill_normal(x);
    x = ((condition == exact_condition ? 0.0 : 0.3) * x + start(condition)).eval();
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) const {
    if (bad && t == 2) throw std::runtime_error("bad condition");
    linear.step(t, x, u, stream, next);
  }
};

/// 1/2 (|x|^2 + 0.1 |u|^2): the origin is worth going to from everywhere.
inline Quadratic regulator_cost() {
  Quadratic cost{.C = MatrixX::Identity(kNx + kNu, kNx + kNu), .c = VectorX::Zero(kNx + kNu)};
  cost.C.bottomRightCorner(kNu, kNu) *= 0.1;
  return cost;
}

/// Three conditions.
template <class Optimizer>
Mdgps<Optimizer, LinearGlobalPolicy> guided(int T, const MdgpsOptions& options = {},
                                            const typename Optimizer::Options& local = {}) {
  std::vector<Optimizer> locals;
  for (std::uint64_t m = 0; m < 3; ++m) {
    locals.emplace_back(Random(50 + m).policy<Dynamic, Dynamic>(T, kNx, kNu, 0.1), local);
  }
  return {std::move(locals), LinearGlobalPolicy(kNx, kNu), {}, options};
}

/// Mean cost of the noiseless policy in a condition.
template <Actor P>
double mean_cost(const P& actor, const Quadratic& cost, int condition) {
  Starts system;
  const auto batch = sample(system, cost, actor,
                            {.samples = 5,
                             .condition = condition,
                             .noiseless = true,
                             .purpose = StreamPurpose::evaluation});
  EXPECT_TRUE(batch.ok()) << batch.failure.message();
  return batch.rollouts.total_cost().mean();
}

/// The best there is.
inline LinearGaussianPolicy<> optimal_policy(int T, const Linear& system, const Quadratic& cost) {
  LinearGaussianDynamics<> dynamics(T, kNx, kNu);
  QuadraticCost<> model(T, kNx, kNu);
  for (int t = 0; t < T; ++t) {
    model.C[t] = cost.C;
    model.c[t] = cost.c;
    if (t + 1 == T) break;
    dynamics.F[t] << system.A, system.B;
    dynamics.f[t] = system.a;
  }
  LinearGaussianPolicy<> best(T, kNx, kNu);
  EXPECT_TRUE((EigenLqr<Dynamic, Dynamic>(kNx, kNu).backward(dynamics, model, best)));
  return best;
}

}  // namespace pilqr::test
