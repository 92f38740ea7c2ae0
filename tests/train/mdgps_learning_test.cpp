// Guided policy search learns linear-quadratic problems.

#include <gtest/gtest.h>

#include "train/mdgps_support.hpp"

namespace pilqr {
namespace {

using test::guided;
using test::kNu;
using test::kNx;
using test::LinearGlobalPolicy;
using test::mean_cost;
using test::regulator_cost;
using test::Starts;

constexpr int horizon = 10;

/// The share of the way from the mean cost of the initial local policies to the best cost that the
/// GLOBAL policy has covered after 15 iterations. It is one linear policy for all steps, so 1 is
/// out of reach.
template <class M>
double covered(M mdgps, const std::vector<test::Quadratic>& costs, std::uint64_t seed) {
  const std::size_t conditions = mdgps.locals().size();
  double first = 0.0;
  double best = 0.0;
  for (std::size_t m = 0; m < conditions; ++m) {
    const int id = static_cast<int>(m);
    first += mean_cost(mdgps.locals()[m].policy(), costs[m], id);
    best += mean_cost(test::optimal_policy(horizon, Starts{}.linear, costs[m]), costs[m], id);
  }
  Starts system;
  SerialExecutor serial;
  const auto result =
      train(system, costs, mdgps, {.iterations = 15, .samples = 20, .seed = seed}, {}, serial);
  EXPECT_TRUE(result.ok()) << result.failure.message();
  double last = 0.0;
  for (std::size_t m = 0; m < conditions; ++m) {
    last += mean_cost(GlobalController(mdgps.global(), horizon, mdgps.observations()[m]), costs[m],
                      static_cast<int>(m));
  }
  return (first - last) / (first - best);
}

TEST(Mdgps, TheGlobalPolicyLearnsALinearQuadraticProblem) {
  const std::vector costs(3, regulator_cost());
  for (const SampleWith who : {SampleWith::local_policy, SampleWith::global_policy}) {
    const MdgpsOptions options{.sample_with = who};
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      EXPECT_GT(covered(guided<Pilqr<>>(horizon, options), costs, seed), 0.99) << seed;
      EXPECT_GT(covered(guided<LqrFlm<>>(horizon, options), costs, seed), 0.99) << seed;
      EXPECT_GT(covered(guided<Pi2<>>(horizon, options), costs, seed), 0.97) << seed;
    }
  }
}

// Every condition has a goal of its own, which the state does not tell.
TEST(Mdgps, TheObservationTellsTheConditionsApart) {
  std::vector<test::Quadratic> costs;
  std::vector<Observation> goals;
  for (int m = 0; m < 3; ++m) {
    const VectorX goal = 4.0 * VectorX::Unit(kNx, m);
    costs.push_back(regulator_cost());
    costs.back().c.head(kNx) = -goal;  // 1/2 |x - goal|^2 without its constant
    goals.push_back({.H = MatrixX::Identity(2, kNx), .h = -goal.head(2)});
  }
  const auto locals = guided<LqrFlm<>>(horizon).locals();
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Mdgps blind(locals, LinearGlobalPolicy(kNx, kNu));
    const Mdgps seeing(locals, LinearGlobalPolicy(kNx + 2, kNu), goals);
    EXPECT_LT(covered(blind, costs, seed), 0.9) << seed;
    EXPECT_GT(covered(seeing, costs, seed), 0.95) << seed;
  }
}

}  // namespace
}  // namespace pilqr
