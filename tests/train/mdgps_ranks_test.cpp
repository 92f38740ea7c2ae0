// What threads and ranks must not show in guided policy search.

#include <gtest/gtest.h>

#include "pilqr/io/file_error.hpp"
#include "pilqr/train/mdgps.hpp"
#include "support/thread_team.hpp"
#include "train/mdgps_support.hpp"

#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr {
namespace {

using test::guided;
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
