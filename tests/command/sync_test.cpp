#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "compare.hpp"
#include "io/io_support.hpp"
#include "train.hpp"

namespace {
std::atomic<int> syncs{0};
}  // namespace

/// Takes the place of the C library's in this program.
extern "C" int fsync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace pilqr::command {
namespace {

SettingsRequest short_run(int iterations) {
  SettingsRequest request{.task = "point_mass"};
  for (const std::string& text :
       {std::string("samples=4"), "iterations=" + std::to_string(iterations)}) {
    request.assignments.push_back(parse_set(text));
  }
  return request;
}

/// How often a program waits for the disk.
template <class Action>
int syncs_of(Action&& action) {
  const int before = syncs;
  EXPECT_EQ(action(), 0);
  return syncs - before;
}

TEST(Sync, TrainWaitsForTheDiskInEveryIteration) {
  const test::TemporaryDirectory folder;
  const auto train = [&](int iterations, const char* out) {
    return syncs_of([&] {
      Ranks alone;
      return train_command({.settings = short_run(iterations), .out = folder / out, .quiet = true},
                           alone);
    });
  };
  const int few = train(2, "a");
  constexpr int per_iteration =
      1 + 3 * 2;  // metrics; policy, best, checkpoint and their directories
  EXPECT_GT(few, 2 * per_iteration);
  EXPECT_EQ(train(5, "b"), few + 3 * per_iteration);
}

TEST(Sync, CompareWaitsForTheDiskOnceInARun) {
  const test::TemporaryDirectory folder;
  const auto compare = [&](int iterations, int seeds, const char* out) {
    return syncs_of([&] {
      return compare_command({.settings = short_run(iterations),
                              .algorithms = {"pi2"},
                              .seeds = seeds,
                              .out = folder / out,
                              .threads = 1,
                              .quiet = true});
    });
  };
  constexpr int per_run =
      6 * 2;  // config, metrics, policy, best, two checkpoints and their directories
  constexpr int summary = 2;
  EXPECT_EQ(compare(2, 1, "a"), per_run + summary);
  EXPECT_EQ(compare(5, 1, "b"), per_run + summary);
  EXPECT_EQ(compare(2, 3, "c"), 3 * per_run + summary);
}

}  // namespace
}  // namespace pilqr::command
