// What threads and ranks must not show in guided policy search.

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "pilqr/io/file_error.hpp"
#include "pilqr/nn/network_policy.hpp"
#include "pilqr/train/mdgps.hpp"
#include "support/thread_team.hpp"
#include "train/mdgps_support.hpp"
#include "train/moody_optimizer.hpp"

#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr {
namespace {

using test::guided;
using test::kNu;
using test::kNx;
using test::LinearGlobalPolicy;
using test::regulator_cost;
using test::Starts;

constexpr int T = 6;

/// All that an object carries and the last report said, without times.
template <class M>
std::string everything(const M& mdgps, const MdgpsResult& result) {
  MessageWriter out;
  for (const auto& local : mdgps.locals()) out.put(encode_optimizer(state_of(local)));
  for (const auto& mixture : mdgps.priors()) {
    if (mixture) out.put(encode_mixture(*mixture));
  }
  const MatrixX covariance = mdgps.global().covariance();
  for (const MatrixX& part : {MatrixX(mdgps.global().A), MatrixX(mdgps.global().b), covariance}) {
    for (const double value : part.reshaped()) out.put(value);
  }
  for (IterationRecord record : result.last.conditions) {
    record.seconds_rollout = record.seconds_update = 0.0;
    put(record, out);
  }
  for (const SupervisionReport& s : {result.last.initial, result.last.supervision}) {
    out.put(s.points);
    out.put(s.loss_before);
    out.put(s.loss);
    out.put(s.error);
  }
  return out.bytes();
}

template <class Optimizer>
void expect_the_same_everywhere(const MdgpsOptions& mdgps_options) {
  const TrainOptions options{.iterations = 3, .samples = 5, .seed = 9};
  const auto run = [&](auto&& executor, auto&& team) {
    auto mdgps = guided<Optimizer>(T, mdgps_options);
    Starts system;
    const auto result =
        train(system, std::vector{regulator_cost()}, mdgps, options, {}, executor, team);
    EXPECT_TRUE(result.ok()) << result.failure.message();
    EXPECT_EQ(result.iterations, 3);
    return everything(mdgps, result);
  };
  const std::string expected = run(SerialExecutor{}, SingleRank{});
#if defined(PILQR_HAS_TBB)
  for (const int threads : {1, 2, 8}) {
    EXPECT_EQ(run(TbbExecutor(threads), SingleRank{}), expected) << threads << " threads";
  }
#endif
  for (const int ranks : {2, 4}) {
    test::on_ranks(ranks, [&](test::ThreadTeam& team) {
      EXPECT_EQ(run(SerialExecutor{}, team), expected) << "rank " << team.rank() << " of " << ranks;
    });
  }
}

TEST(MdgpsRanks, AndExecutorsDoNotShow) {
  expect_the_same_everywhere<Pilqr<>>({.sample_with = SampleWith::local_policy});
  MdgpsOptions options;
  options.linearize.gmm = GmmPriorOptions{.max_clusters = 3, .min_points_per_cluster = 10};
  expect_the_same_everywhere<LqrFlm<>>(options);
  expect_the_same_everywhere<Pi2<>>({});
}

// What a rank that makes no update of a condition would write into a checkpoint.
TEST(MdgpsRanks, AllHaveTheMixturesOfGoodConditions) {
  MdgpsOptions mdgps_options;
  mdgps_options.linearize.gmm = GmmPriorOptions{.max_clusters = 3, .min_points_per_cluster = 10};
  const auto run = [&](auto&& team) {
    auto mdgps = guided<LqrFlm<>>(T, mdgps_options);
    Starts system;
    system.bad_condition = 1;
    SerialExecutor serial;
    const TrainOptions options{.samples = 5, .seed = 9};
    for (int iteration = 0; iteration < 2; ++iteration) {
      const MdgpsReport report =
          mdgps.iterate(system, std::vector{regulator_cost()}, options, iteration, serial, team);
      EXPECT_FALSE(report.conditions[1].report.ok());
    }
    std::vector<std::string> mixtures;
    for (const auto& mixture : mdgps.priors()) mixtures.push_back(encode_mixture(*mixture));
    EXPECT_TRUE(mdgps.priors()[1]->history().empty()) << "its rollouts have failed";
    EXPECT_EQ(mdgps.priors()[2]->history().size(), 2U);
    return mixtures;
  };
  const auto expected = run(SingleRank{});
  for (const int ranks : {2, 4}) {
    test::on_ranks(ranks, [&](test::ThreadTeam& team) { EXPECT_EQ(run(team), expected); });
  }
}

// A C-step that fails, on the one rank that makes it: no rank has the mixture that it learnt from.
TEST(MdgpsRanks, AFailedUpdateLeavesItsMixtureOnAll) {
  MdgpsOptions mdgps_options;
  mdgps_options.linearize.gmm = GmmPriorOptions{.max_clusters = 3, .min_points_per_cluster = 10};
  const auto run = [&](auto&& team) {
    std::vector<test::MoodyOptimizer> locals;
    for (std::uint64_t m = 0; m < 3; ++m) {
      locals.emplace_back(test::Random(50 + m).policy<Dynamic, Dynamic>(T, kNx, kNu, 0.1),
                          m == 1 ? std::set{1} : std::set<int>{});
    }
    Mdgps mdgps(std::move(locals), LinearGlobalPolicy(kNx, kNu), {}, mdgps_options);
    Starts system;
    SerialExecutor serial;
    std::vector<std::string> states;
    for (int iteration = 0; iteration < 3; ++iteration) {
      const std::string before = encode_mixture(*mdgps.priors()[1]);
      MdgpsResult result;
      result.last = mdgps.iterate(system, std::vector{regulator_cost()}, {.samples = 5, .seed = 9},
                                  iteration, serial, team);
      const UpdateReport& report = result.last.conditions[1].report;
      EXPECT_EQ(report.ok(), iteration != 1);
      EXPECT_TRUE(std::isfinite(report.cost_mean));
      EXPECT_EQ(encode_mixture(*mdgps.priors()[1]) == before, iteration == 1);
      states.push_back(everything(mdgps, result));
    }
    return states;
  };
  const auto expected = run(SingleRank{});
  for (const int ranks : {2, 4}) {
    test::on_ranks(ranks, [&](test::ThreadTeam& team) { EXPECT_EQ(run(team), expected); });
  }
}

// A linearisation that fails: at one start without spread, where there is no ridge either.
TEST(MdgpsRanks, AFailedLinearisationIsToldWithItsCosts) {
  MdgpsOptions mdgps_options;
  mdgps_options.linearize = {.fit = {.ridge = 0.0, .ridge_first_step = 0.0}, .neighbours = {}};
  const auto run = [&](auto&& team) {
    auto mdgps = guided<Pi2<>>(T, mdgps_options);
    Starts system;
    system.exact_condition = 1;
    SerialExecutor serial;
    MdgpsResult result;
    result.last = mdgps.iterate(system, std::vector{regulator_cost()}, {.samples = 8, .seed = 9}, 0,
                                serial, team);
    const IterationRecord& record = result.last.conditions[1];
    EXPECT_EQ(record.report.failure.kind, FailureKind::singular_fit);
    EXPECT_EQ(record.report.failure.condition, 1);
    const VectorX total = mdgps.rollouts()[1].total_cost();
    EXPECT_EQ(record.report.cost_mean, total.mean());
    EXPECT_EQ(record.report.cost_min, total.minCoeff());
    EXPECT_TRUE(result.last.conditions[0].report.ok() && result.last.conditions[2].report.ok());
    return everything(mdgps, result);
  };
  const auto expected = run(SingleRank{});
  for (const int ranks : {2, 4}) {
    test::on_ranks(ranks, [&](test::ThreadTeam& team) { EXPECT_EQ(run(team), expected); });
  }
}

/// What the second of two ranks is given other than the first: refused on both, before anything is
/// sampled.
template <class M, class Change>
void expect_refused(const M& fresh, const Change& change) {
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    M mdgps = fresh;
    TrainOptions options{.iterations = 1, .samples = 5, .seed = 9};
    MdgpsCallbacks<> callbacks;
    int failed_updates = 0;
    if (team.rank() == 1) change(mdgps, options, callbacks, failed_updates);
    Starts system;
    SerialExecutor serial;
    EXPECT_THROW((void)train(system, std::vector{regulator_cost()}, mdgps, options, callbacks,
                             serial, team, failed_updates),
                 InvalidArgument);
    EXPECT_EQ(team.exchanges, 1);
  });
}

TEST(MdgpsRanks, AreGivenTheSame) {
  MdgpsOptions mdgps_options;
  mdgps_options.linearize.gmm = GmmPriorOptions{.max_clusters = 3, .min_points_per_cluster = 10};
  const auto fresh = guided<LqrFlm<>>(T, mdgps_options);
  using M = std::remove_const_t<decltype(fresh)>;
  expect_refused(fresh, [](M&, TrainOptions& options, auto&, int&) { options.seed = 8; });
  expect_refused(fresh, [](M&, TrainOptions&, auto& callbacks, int&) {
    callbacks.reject = [](int, int, const Rollouts<>&) { return std::string(); };
  });
  expect_refused(fresh, [](M&, TrainOptions&, auto&, int& failed) { failed = 1; });
  const auto with = [&](LinearGlobalPolicy global, bool trained) {
    return M(fresh.locals(), std::move(global), {}, mdgps_options, trained);
  };
  expect_refused(fresh, [&](M& m, TrainOptions&, auto&, int&) { m = with(m.global(), true); });
  for (const bool gain : {true, false}) {
    expect_refused(fresh, [&](M& m, TrainOptions&, auto&, int&) {
      LinearGlobalPolicy other = m.global();
      (gain ? other.A(1, 2) : other.b(0)) = 1e-9;
      m = with(other, false);
    });
  }
  expect_refused(fresh, [](M& m, TrainOptions&, auto&, int&) {
    auto mixtures = m.priors();
    RandomStream stream({.seed = 1});
    ASSERT_TRUE(mixtures[2]->update(test::Random(1).matrix(kNx + kNu, 40), stream).ok());
    m.set_priors(std::move(mixtures));
  });
}

// A network in all that it acts by.
TEST(MdgpsRanks, CompareTheNetworks) {
  RandomStream stream({.seed = 1});
  const Mdgps fresh(guided<Pi2<>>(T).locals(),
                    NetworkPolicy({kNx, {3}, kNu, Activation::tanh}, stream));
  using M = std::remove_const_t<decltype(fresh)>;
  const auto expect = [&](const auto& change) {
    expect_refused(fresh, [&](M& m, TrainOptions&, auto&, int&) {
      NetworkPolicy other = m.global();
      change(other);
      m = M(m.locals(), std::move(other));
    });
  };
  expect([](NetworkPolicy& p) {
    Mlp network = p.network();
    network.parameters()(0) += 1e-9;
    p = NetworkPolicy(std::move(network));
  });
  expect([](NetworkPolicy& p) { p.set_limits(-VectorX::Ones(kNu), VectorX::Ones(kNu)); });
  expect([](NetworkPolicy& p) { p.set_covariance_factor(2.0 * MatrixX::Identity(kNu, kNu)); });
  expect([](NetworkPolicy& p) { p.set_normalisation(no_normalisation(kNx)); });
}

TEST(MdgpsRanks, AMixtureOfOtherPointsIsRefused) {
  const GmmPrior fresh(GmmPriorOptions{.max_clusters = 3, .min_points_per_cluster = 10});
  EXPECT_THROW((void)decode_mixture("x", fresh, 3), FileError);
  GmmPrior learnt = fresh;
  RandomStream stream({.seed = 1});
  ASSERT_TRUE(learnt.update(test::Random(1).matrix(3, 40), stream).ok());
  const std::string bytes = encode_mixture(learnt);
  EXPECT_EQ(encode_mixture(decode_mixture(bytes, fresh, 3)), bytes);
  EXPECT_THROW((void)decode_mixture(bytes, fresh, 4), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
