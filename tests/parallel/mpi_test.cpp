// Started by mpirun: every rank is this program and runs all tests in step with the others.

#include "pilqr/parallel/mpi.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>

#include "train/moody_reacher.hpp"
#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr {
namespace {

using test::MoodyReacher;
using test::RecordedRun;

MpiTeam* team = nullptr;

/// Bytes that depend on the rank, `size` of them.
std::string bytes_of(int rank, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((i * 7 + static_cast<std::size_t>(rank) * 31) % 251);
  }
  return bytes;
}

void expect_exchanged(MpiTeam& of, const std::function<std::size_t(int rank)>& size) {
  const auto all = of.exchange(bytes_of(of.rank(), size(of.rank())));
  ASSERT_EQ(static_cast<int>(all.size()), of.size());
  for (int rank = 0; rank < of.size(); ++rank) {
    EXPECT_TRUE(all[static_cast<std::size_t>(rank)] == bytes_of(rank, size(rank))) << rank;
  }
}

TEST(MpiTeam, ExchangesMessagesOfAnyLength) {
  EXPECT_EQ(team->size(), std::atoi(std::getenv("PILQR_TEST_RANKS")));
  for (const std::size_t size : {0U, 1U, 1000U, 3'000'000U}) {
    expect_exchanged(*team, [&](int) { return size; });
  }
  expect_exchanged(*team, [](int rank) { return rank == 1 ? std::size_t{100'000} : 0U; });
  expect_exchanged(*team, [](int rank) { return static_cast<std::size_t>(rank * rank); });
}

// As messages above 2 GiB would be, in parts of a few bytes.
TEST(MpiTeam, ExchangesInParts) {
  for (const int part : {team->size(), 64, 4096}) {
    MpiTeam small(part);
    for (const int rank : {0, 1}) EXPECT_EQ(small.rank() == rank, team->rank() == rank);
    for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 1000U}) {
      expect_exchanged(small, [&](int rank) { return size * static_cast<std::size_t>(rank + 1); });
    }
  }
  EXPECT_THROW(MpiTeam(team->size() - 1), InvalidArgument);
  EXPECT_THROW(MpiTeam(0), InvalidArgument);
}

// All ranks refuse what one of them was given, so that none waits for the others.
TEST(MpiTeam, TheSmallestPartsCountOnAllRanks) {
  EXPECT_THROW(MpiTeam(team->rank() == 1 ? 1 : 4096), InvalidArgument);
  MpiTeam uneven(team->rank() == 1 ? 16 : 4096);
  expect_exchanged(uneven,
                   [](int rank) { return std::size_t{1000} + 100U * static_cast<unsigned>(rank); });
}

// Two teams are used in turn, and one of them ends before the other.
TEST(MpiTeam, SeveralAtOnceDoNotMeet) {
  MpiTeam first;
  {
    MpiTeam second;
    for (const std::size_t size : {3U, 0U, 100U}) {
      expect_exchanged(first, [&](int) { return size; });
      expect_exchanged(second, [&](int) { return size + 1; });
    }
  }
  expect_exchanged(first, [](int) { return std::size_t{7}; });
}

template <class E, class R>
TrainResult train_with(RecordedRun& run, const MoodyReacher& reacher, E&& executor, R&& ranks) {
  AnySystem system{reacher};
  run.options.iterations = 3;
  return train(system, run.costs, run.optimizers, run.options, run.callbacks(), executor, ranks);
}

class MpiTraining : public ::testing::TestWithParam<std::pair<Algorithm, std::vector<int>>> {};

TEST_P(MpiTraining, IsThatOfOneProcess) {
  for (const bool gmm : {false, true}) {
    if (gmm && GetParam().first != Algorithm::pilqr) continue;
    Settings settings = test::reacher_settings(GetParam().first, gmm);
    settings.conditions = GetParam().second;
    RecordedRun expected(settings);
    ASSERT_TRUE(train_with(expected, {}, SerialExecutor{}, SingleRank{}).ok());
    const auto check = [&](auto&& executor) {
      RecordedRun run(settings);
      const TrainResult result = train_with(run, {}, executor, *team);
      EXPECT_TRUE(result.ok()) << result.failure.message();
      EXPECT_TRUE(run.states() == expected.states());
      EXPECT_TRUE(run.reports() == expected.reports());
      EXPECT_TRUE(run.seen == expected.seen);
      EXPECT_EQ(run.ended, expected.ended);
    };
    check(SerialExecutor{});
#if defined(PILQR_HAS_TBB)
    check(TbbExecutor(2));
#endif
  }
}

// More conditions than ranks, as many, and fewer.
INSTANTIATE_TEST_SUITE_P(All, MpiTraining,
                         ::testing::Values(std::pair{Algorithm::pilqr, std::vector{2, 0, 1, 3}},
                                           std::pair{Algorithm::pilqr, std::vector{3}},
                                           std::pair{Algorithm::lqr_flm, std::vector{1, 0}},
                                           std::pair{Algorithm::pi2, std::vector{0, 1, 2}}),
                         [](const auto& of) {
                           return fmt::format("{}_{}_conditions", name(of.param.first),
                                              of.param.second.size());
                         });

// One rollout fails on the rank that makes it; all ranks leave together and can go on together.
TEST(MpiFailure, IsKnownToAllRanks) {
  for (const bool gives_nan : {false, true}) {
    for (const int sample : {0, 3}) {
      const MoodyReacher moody{
          .condition = 1, .iteration = 1, .sample = sample, .gives_nan = gives_nan};
      RecordedRun expected(Algorithm::pilqr, false);
      const Failure alone = train_with(expected, moody, SerialExecutor{}, SingleRank{}).failure;
      ASSERT_EQ(alone.kind, gives_nan ? FailureKind::non_finite_state : FailureKind::system_error);
      RecordedRun run(Algorithm::pilqr, false);
      const TrainResult result = train_with(run, moody, SerialExecutor{}, *team);
      EXPECT_EQ(result.failure.rank, (4 + sample) % team->size());
      Failure without_rank = result.failure;
      without_rank.rank = -1;
      EXPECT_EQ(without_rank.message(), alone.message());
      EXPECT_EQ(result.iterations, 1);
      EXPECT_TRUE(run.states() == expected.states()) << "the last good policies";
      EXPECT_EQ(run.log.size(), expected.log.size());
    }
  }
  expect_exchanged(*team, [](int) { return std::size_t{5}; });
}

// Only one rank's system is broken.
TEST(MpiFailure, OfOneRankOnly) {
  const int last = team->size() - 1;
  MoodyReacher system;
  if (team->rank() == last) system = {.condition = 0, .iteration = 0, .sample = last % 4};
  Settings settings = test::reacher_settings(Algorithm::pi2, false);
  settings.conditions = {0};
  RecordedRun run(settings);
  const auto before = run.states();
  const TrainResult result = train_with(run, system, SerialExecutor{}, *team);
  EXPECT_EQ(result.failure.kind, FailureKind::system_error);
  EXPECT_EQ(result.failure.rank, last);
  EXPECT_EQ(result.failure.step, MoodyReacher::when);
  EXPECT_TRUE(run.states() == before);
}

TEST(MpiInterrupt, OfOneRankStopsAllAfterTheSameIteration) {
  RecordedRun run(Algorithm::pi2, false);
  AnySystem system{MoodyReacher{}};
  auto callbacks = run.callbacks();
  callbacks.on_iteration = [&](int iteration) { return team->rank() != 1 || iteration < 1; };
  SerialExecutor executor;
  run.options.iterations = 9;
  const TrainResult result =
      train(system, run.costs, run.optimizers, run.options, callbacks, executor, *team);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.iterations, 2);
}

/// Rank 1 leaves in the middle; the others wait for it. The job must end.
int leave(bool by_an_exception) {
  MpiTeam own;
  (void)own.exchange("all are there");
  if (own.rank() == 1) {
    if (by_an_exception) throw std::runtime_error("a fault of the program");
    return 0;
  }
  (void)own.exchange("waiting for rank 1");
  return 0;
}

}  // namespace
}  // namespace pilqr

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  if (how == "--leave" || how == "--return") {
    try {
      return pilqr::leave(how == "--leave");
    } catch (const std::exception&) {
      return 0;  // too late: the team's scope has been left
    }
  }
  ::testing::InitGoogleTest(&argc, argv);
  pilqr::MpiTeam team;
  pilqr::team = &team;
  if (team.rank() != 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    if (std::getenv("PILQR_TEST_ALL_RANKS") == nullptr) {
      delete listeners.Release(listeners.default_result_printer());
    }
  }
  const int failed = RUN_ALL_TESTS();
  // A failure on any rank is one of the whole program, also when that rank prints nothing.
  int any = 0;
  for (const std::string& status : team.exchange(failed == 0 ? "" : "x")) {
    any += static_cast<int>(status.size());
  }
  if (failed != 0) fmt::print(stderr, "rank {} of {}: failed\n", team.rank(), team.size());
  return any == 0 ? 0 : 1;
}
