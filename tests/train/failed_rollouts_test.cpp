/// Failed rollouts are told of at once, on every rank, and by the sample's number.

#include <gtest/gtest.h>

#include "pilqr/train/faults.hpp"
#include "support/thread_team.hpp"
#include "train/faulty.hpp"
#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr {
namespace {

using test::Counted;
using test::Faulty;
using test::RecordedRun;
using test::settings_for;
using test::train_with_system;

// So that nothing of them is lost if the program is killed.
TEST(Faults, AreToldOfBeforeTheNextRolloutBegins) {
  RecordedRun run(settings_for("reacher", Algorithm::pi2));
  run.options.iterations = 1;
  int begun = 0;
  std::vector<int> told;
  SerialExecutor serial;
  const TrainResult result =
      train_with_system(Counted(begun, {3, 7, 20}), run,
                        {.on_failed_rollout =
                             [&](const FailedRollout<>& f) {
                               told.push_back(begun);
                               EXPECT_EQ(f.failure.step, Counted::when);
                               EXPECT_EQ(f.rollout.steps(), Counted::when + 1);
                             }},
                        serial, SingleRank{});
  EXPECT_TRUE(result.ok());
  // 20 samples; the second attempt of sample 3 is rollout 20 and fails as well.
  EXPECT_EQ(told, (std::vector<int>{4, 8, 21}));
}

TEST(Faults, AreToldOfOnceOnEveryRankAndOneAtATime) {
  const Task& task = find_task("reacher");
  using Places = std::multiset<std::pair<int, int>>;
  const auto check = [&](auto&& executor, auto&& team) {
    Settings settings = settings_for("reacher", Algorithm::pi2);
    RecordedRun run(settings);
    run.options.iterations = 1;
    run.options.faults.least_share = 0.1;
    Places told;
    std::atomic<int> inside = 0;
    TrainCallbacks<> callbacks = run.callbacks();
    callbacks.reject = [](int, int i, const Rollouts<>&) {
      return std::string(i % 5 == 0 ? "no" : "");
    };
    callbacks.on_failed_rollout = [&](const FailedRollout<>& f) {
      EXPECT_EQ(++inside, 1);
      told.insert({f.failure.sample, f.failure.attempt});
      --inside;
    };
    ASSERT_TRUE(train_with_system(Faulty(task, 0.3), run, callbacks, executor, team).ok());
    Places listed;
    for (const Failure& fault : run.log[0].faults) listed.insert({fault.sample, fault.attempt});
    EXPECT_GT(listed.size(), 8U);
    EXPECT_EQ(told, listed);
  };
  check(SerialExecutor{}, SingleRank{});
#if defined(PILQR_HAS_TBB)
  check(TbbExecutor(4), SingleRank{});
#endif
  test::on_ranks(3, [&](test::ThreadTeam& team) { check(SerialExecutor{}, team); });
}

// What cannot be written ends the training.
TEST(Faults, AnErrorOfTheCallbackIsPassedOn) {
  const Task& task = find_task("reacher");
  const auto check = [&](auto&& executor) {
    RecordedRun run(settings_for("reacher", Algorithm::pi2));
    const TrainCallbacks<> callbacks{
        .on_failed_rollout = [](const FailedRollout<>&) { throw std::logic_error("disk full"); }};
    EXPECT_THROW((void)train_with_system(Faulty(task, 0.5), run, callbacks, executor, SingleRank{}),
                 std::logic_error);
  };
  check(SerialExecutor{});
#if defined(PILQR_HAS_TBB)
  check(TbbExecutor(2));
#endif
}

/// Single costs that are finite, and a sum that is not, for rollouts that began far away.
struct Overflowing {
  double operator()(int /*t*/, const ConstVectorRef& x, const ConstVectorRef& u) const {
    return std::abs(x(0)) > 0.5 * Counted::far ? 1e308 : u.squaredNorm();
  }
  void expand(int /*t*/, const ConstVectorRef& /*x*/, const ConstVectorRef& /*u*/,
              double /*weight*/, CostExpansion& /*out*/) const {}
};

// An update does not see the rollouts that failed, but those who look for the sample do.
TEST(Faults, AFailedUpdateNamesTheSampleAsItWasDrawn) {
  struct Case {
    int retries;
    std::set<int> throwing, far_away;
    int sample, attempt;
  };
  for (const Case& c : {Case{0, {}, {6}, 6, 0}, Case{0, {2, 4}, {6}, 6, 0},
                        Case{1, {2, 4}, {6}, 6, 0}, Case{1, {2, 4}, {21}, 4, 1}}) {
    RecordedRun run(settings_for("reacher", Algorithm::pi2));
    run.costs = {AnyCost(Overflowing{})};
    run.options.iterations = 1;
    run.options.faults.retries = c.retries;
    int begun = 0;
    SerialExecutor serial;
    const TrainResult result =
        train_with_system(Counted(begun, c.throwing, c.far_away), run, {}, serial, SingleRank{});
    EXPECT_EQ(result.failure.kind, FailureKind::non_finite_cost);
    EXPECT_EQ(result.failure.sample, c.sample);
    EXPECT_EQ(result.failure.attempt, c.attempt);
  }
}

}  // namespace
}  // namespace pilqr
