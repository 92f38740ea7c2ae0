#include "console.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "threads.hpp"

namespace pilqr::command {
namespace {

// What a processor gives for inf - inf may have its sign bit set.
TEST(Console, NanHasNoSign) {
  for (const double nan : {std::nan(""), -std::nan("")}) {
    EXPECT_EQ(short_number(nan), "-");
    EXPECT_EQ(percent(nan), "-");
  }
}

TEST(Console, TellsOfSerialSystemsOnlyWhereThreadsWereAskedFor) {
  const auto told = [](bool serial, int threads) {
    ::testing::internal::CaptureStderr();
    tell_if_serial("robot", serial, threads);
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(told(true, 4),
            "pilqr: --threads 4: rollouts of robot run on one thread, its system is serial\n");
  EXPECT_EQ(told(true, 1), "");
  EXPECT_EQ(told(false, 4), "");
}

}  // namespace
}  // namespace pilqr::command
