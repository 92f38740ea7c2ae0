#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "compare.hpp"
#include "io/io_support.hpp"
#include "samples.hpp"
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

SettingsRequest short_run(int iterations, const std::string& keep) {
  SettingsRequest request{.task = "point_mass"};
  for (const std::string& text : {std::string("samples=4"), "keep_samples=" + keep,
                                  "iterations=" + std::to_string(iterations)}) {
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
      return train_command(
          {.settings = short_run(iterations, "none"), .out = folder / out, .quiet = true}, alone);
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
      return compare_command({.settings = short_run(iterations, "last"),
                              .algorithms = {"pi2"},
                              .seeds = seeds,
                              .out = folder / out,
                              .threads = 1,
                              .quiet = true});
    });
  };
  // Config, metrics, policy, best, two checkpoints, two files of samples and their directories.
  constexpr int per_run = 8 * 2;
  constexpr int summary = 2;
  EXPECT_EQ(compare(2, 1, "a"), per_run + summary);
  EXPECT_EQ(compare(5, 1, "b"), per_run + summary);
  EXPECT_EQ(compare(2, 3, "c"), 3 * per_run + summary);
}

// A trial of a robot is on the disk before the next begins; a simulation does not wait for each.
TEST(Sync, ASampleWaitsForTheDiskOnceInASecond) {
  const test::TemporaryDirectory folder;
  const Settings settings = resolve({.task = "point_mass"}).settings;
  const Rollouts<> batch(5, 3, 4, 2);
  for (const Sync sync : {Sync::now, Sync::later}) {
    SampleWriter samples({folder.path()}, settings, KeepSamples::all, sync);
    const int before = syncs;
    samples.add({.sample = 0}, batch);
    EXPECT_EQ(syncs, before);
    std::this_thread::sleep_for(std::chrono::milliseconds(1010));
    samples.add({.sample = 1}, batch);
    const int expected = before + (sync == Sync::now ? 2 : 0);  // the file and its directory
    EXPECT_EQ(syncs, expected);
    samples.add({.sample = 2}, batch);
    EXPECT_EQ(syncs, expected);
  }
}

}  // namespace
}  // namespace pilqr::command
