/// Those who look on while rollouts are made are told of each, whole, before an update uses it.

#include "pilqr/train/rollout_events.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <mutex>

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
TEST(RolloutEvents, TellOfAGoodRolloutBeforeTheNextBegins) {
  RecordedRun run(settings_for("reacher", Algorithm::pi2));
  run.options.iterations = 1;
  int begun = 0;
  std::vector<int> told;
  std::vector<int> began;
  std::vector<int> ended;
  run.options.events = {.begins = [&](const RolloutId&) { began.push_back(begun); },
                        .ends = [&](const RolloutId&) { ended.push_back(begun); },
                        .good =
                            [&](const RolloutId& id, const RolloutsView& batch) {
                              told.push_back(begun);
                              EXPECT_TRUE(batch.cost.row(id.sample).allFinite());
                            }};
  SerialExecutor serial;
  ASSERT_TRUE(train_with_system(Counted(begun, {3, 7, 20}), run, {}, serial, SingleRank{}).ok());
  std::vector<int> expected;
  std::vector<int> all;
  for (int n = 1; n <= 22; ++n) {  // 20 samples, of which two are made again; the third fails twice
    all.push_back(n);
    if (n != 4 && n != 8 && n != 21) expected.push_back(n);
  }
  EXPECT_EQ(told, expected);
  EXPECT_EQ(ended, all);
  for (int& n : began) ++n;
  EXPECT_EQ(began, all);
}

// What is told is what the update then sees, on every rank and with any number of threads.
TEST(RolloutEvents, TellOfWhatTheUpdateUses) {
  const Task& task = find_task("reacher");
  const auto check = [&](auto&& executor, auto&& team) {
    Settings settings = settings_for("reacher", Algorithm::pi2);
    settings.conditions = {3, 0};
    RecordedRun run(settings);
    run.options.iterations = 2;
    run.options.faults.least_share = 0.1;
    using Place = std::array<int, 3>;           // iteration, condition, sample
    std::map<Place, std::vector<double>> told;  // the last state and the costs
    std::mutex mutex;
    int inside = 0;
    int open = 0;
    run.options.events = {.begins =
                              [&](const RolloutId&) {
                                const std::lock_guard<std::mutex> lock(mutex);
                                ++open;
                              },
                          .ends =
                              [&](const RolloutId&) {
                                const std::lock_guard<std::mutex> lock(mutex);
                                --open;
                              },
                          .good =
                              [&](const RolloutId& id, const RolloutsView& batch) {
                                EXPECT_EQ(++inside, 1);
                                auto& numbers = told[{id.iteration, id.condition, id.sample}];
                                EXPECT_TRUE(numbers.empty()) << "told of twice";
                                EXPECT_TRUE(id.attempt == 0 || id.attempt == 1);
                                for (int t = 0; t < batch.steps(); ++t)
                                  numbers.push_back(batch.cost(id.sample, t));
                                const VectorX last = batch.x[batch.steps() - 1].col(id.sample);
                                numbers.insert(numbers.end(), last.begin(), last.end());
                                --inside;
                              }};
    TrainCallbacks<> callbacks;
    std::size_t used = 0;
    callbacks.on_update = [&](const IterationRecord& record, const Rollouts<>& rollouts) {
      int i = 0;
      for (const auto& [place, numbers] : told) {
        if (place[0] != record.iteration || place[1] != record.condition) continue;
        ASSERT_LT(i, rollouts.samples());
        for (int t = 0; t < rollouts.steps(); ++t) {
          ASSERT_EQ(numbers[static_cast<std::size_t>(t)], rollouts.cost(i, t));
        }
        const VectorX last = rollouts.x[rollouts.steps() - 1].col(i);
        EXPECT_TRUE(std::equal(last.begin(), last.end(), numbers.end() - last.size()));
        ++i;
      }
      EXPECT_EQ(i, rollouts.samples());
      used += static_cast<std::size_t>(i);
    };
    ASSERT_TRUE(train_with_system(Faulty(task, 0.3), run, callbacks, executor, team).ok());
    EXPECT_EQ(told.size(), used);
    EXPECT_GT(used, 60U);
    EXPECT_LT(used, 80U) << "some fail twice";
    EXPECT_EQ(open, 0);
  };
  check(SerialExecutor{}, SingleRank{});
#if defined(PILQR_HAS_TBB)
  check(TbbExecutor(4), SingleRank{});
#endif
  test::on_ranks(3, [&](test::ThreadTeam& team) { check(SerialExecutor{}, team); });
}

// Looking on is a matter of each rank alone.
TEST(RolloutEvents, MayBeThereOnOneRankOnly) {
  test::on_ranks(2, [&](test::ThreadTeam& team) {
    RecordedRun run(settings_for("reacher", Algorithm::pi2));
    run.options.iterations = 1;
    int told = 0;
    if (team.rank() == 0) {
      run.options.events.good = [&](const RolloutId&, const RolloutsView&) { ++told; };
    }
    SerialExecutor serial;
    const Task& task = find_task("reacher");
    EXPECT_TRUE(train_with_system(Faulty(task, 0.0), run, {}, serial, team).ok());
    EXPECT_EQ(told, team.rank() == 0 ? 20 : 0);
  });
}

// What cannot be written ends the training before the update.
TEST(RolloutEvents, AnErrorIsPassedOn) {
  const auto check = [&](auto&& executor) {
    RecordedRun run(settings_for("reacher", Algorithm::pi2));
    run.options.events.good = [](const RolloutId&, const RolloutsView&) {
      throw std::logic_error("disk full");
    };
    const Task& task = find_task("reacher");
    EXPECT_THROW(
        (void)train_with_system(Faulty(task, 0.0), run, run.callbacks(), executor, SingleRank{}),
        std::logic_error);
    EXPECT_TRUE(run.log.empty());
  };
  check(SerialExecutor{});
#if defined(PILQR_HAS_TBB)
  check(TbbExecutor(2));
#endif
}

}  // namespace
}  // namespace pilqr
