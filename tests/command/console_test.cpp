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

TEST(Console, ControlCharactersAreShown) {
  EXPECT_EQ(printable("a\x1b[2Jb\n\x7f\xc3\xa9"), "a\\x1b[2Jb\\x0a\\x7f\xc3\xa9");
  ::testing::internal::CaptureStderr();
  print_error("one\rtwo");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "pilqr: one\\x0dtwo\n");
}

TEST(Console, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc..");
  const std::string two_bytes =
      "a\xc3\xa9"
      "b";
  EXPECT_EQ(shortened(two_bytes, 2), "a..");
  EXPECT_EQ(shortened(two_bytes, 3), "a\xc3\xa9..");
  EXPECT_EQ(shortened("\xa9\xa9\xa9", 2), "..") << "what is no UTF-8";
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
