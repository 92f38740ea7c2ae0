// Systems that threads would break: run by one thread, and it is said.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "train/moody_reacher.hpp"

#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr {
namespace {

using test::MoodyReacher;

/// A simulator with global state: rollouts that overlap or leave the first thread are counted.
struct Global {
  static constexpr int Nx = 8;
  static constexpr int Nu = 2;
  static constexpr bool serial = true;
  inline static std::atomic<int> inside = 0;
  inline static std::atomic<int> mistakes = 0;
  inline static std::thread::id home{};

  void reset(int condition, RandomStream& stream, Vector<8>& x) const {
    const bool alone = inside++ == 0;
    if (!alone || std::this_thread::get_id() != home) ++mistakes;
    systems::Reacher{}.reset(condition, stream, x);
    --inside;
  }
  void step(int t, const Vector<8>& x, const Vector<2>& u, RandomStream& stream,
            Vector<8>& next) const {
    const bool alone = inside++ == 0;
    if (!alone || std::this_thread::get_id() != home) ++mistakes;
    systems::Reacher{}.step(t, x, u, stream, next);
    --inside;
  }
};

/// A robot: it cannot be copied.
struct Robot : MoodyReacher {
  std::unique_ptr<int> handle{};
};

struct SaysNo : MoodyReacher {
  static constexpr bool serial = false;
};

struct SaysNoByAFunction : MoodyReacher {
  static constexpr bool serial() { return false; }
};

struct SaysYesByAFunction : MoodyReacher {
  [[nodiscard]] constexpr bool serial() const { return true; }
};

struct SaysYesByAMember : MoodyReacher {
  bool serial = true;
};

/// Devices with a serial number.
struct Numbered : MoodyReacher {
  int serial = 4711;
};
struct NumberedByAFunction : MoodyReacher {
  [[nodiscard]] constexpr int serial() const { return 4711; }
};

static_assert(is_serial(Global{}));
static_assert(!is_serial(SaysNoByAFunction{}));
static_assert(is_serial(SaysYesByAFunction{}));
static_assert(is_serial(SaysYesByAMember{}));
static_assert(!is_serial(Numbered{}));
static_assert(!is_serial(NumberedByAFunction{}));
static_assert(!is_serial(SaysNo{}));
static_assert(!is_serial(MoodyReacher{}));

TEST(SerialSystem, IsKnownByItsTypeOrAtRunTime) {
  EXPECT_TRUE(is_serial(Robot{}));
  EXPECT_TRUE(is_serial(AnySystem{Global{}}));
  EXPECT_FALSE(is_serial(AnySystem{SaysNo{}}));
  EXPECT_FALSE(is_serial(AnySystem{SaysNoByAFunction{}}));
  EXPECT_TRUE(is_serial(AnySystem{SaysYesByAMember{}}));
  EXPECT_FALSE(is_serial(AnySystem{systems::Reacher{}}));
  AnySystem any{systems::Reacher{}};
  any = AnySystem{Global{}};
  EXPECT_TRUE(is_serial(AnySystem{any}));
}

/// An executor that, unlike SerialExecutor, makes a worker, and so a copy, for every piece.
struct WorkerPerPiece {
  int runs = 0;
  template <class MakeWorker>
  void run(int count, MakeWorker&& make_worker) {
    ++runs;
    for (int i = 0; i < count; ++i) make_worker()(i);
  }
};

template <class S>
Rollouts<8, 2> rollouts_of(S& system, WorkerPerPiece& executor) {
  return sample(system, systems::Reacher::cost(0), systems::Reacher::initial_policy(),
                {.samples = 3}, executor)
      .rollouts;
}

TEST(SerialSystem, IsSampledItselfAndLikeAnyOther) {
  WorkerPerPiece executor;
  MoodyReacher copied;
  const auto expected = rollouts_of(copied, executor);
  EXPECT_EQ(executor.runs, 1);
  Robot robot;
  EXPECT_EQ(rollouts_of(robot, executor).x, expected.x);
  Global::home = std::this_thread::get_id();
  Global global;
  EXPECT_EQ(rollouts_of(global, executor).x, expected.x);
  EXPECT_EQ(executor.runs, 1) << "a serial system needs no executor";
}

#if defined(PILQR_HAS_TBB)
TEST(SerialSystem, TrainsOnOneThreadWithManyUpdatesAtOnce) {
  Global::home = std::this_thread::get_id();
  Global::mistakes = 0;
  test::RecordedRun expected(Algorithm::pilqr, false);
  SerialExecutor serial;
  AnySystem reacher{systems::Reacher{}};
  expected.options.iterations = 2;
  ASSERT_FALSE(train(reacher, expected.costs, expected.optimizers, expected.options,
                     expected.callbacks(), serial)
                   .serial);
  test::RecordedRun run(Algorithm::pilqr, false);
  AnySystem global{Global{}};
  TbbExecutor executor(8);
  run.options.iterations = 2;
  const TrainResult result =
      train(global, run.costs, run.optimizers, run.options, run.callbacks(), executor);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result.serial);
  EXPECT_EQ(Global::mistakes, 0);
  EXPECT_EQ(run.states(), expected.states());
}
#endif

}  // namespace
}  // namespace pilqr
