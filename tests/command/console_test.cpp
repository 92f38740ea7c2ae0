#include "console.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace pilqr::command {
namespace {

// What a processor gives for inf - inf may have its sign bit set.
TEST(Console, NanHasNoSign) {
  for (const double nan : {std::nan(""), -std::nan("")}) {
    EXPECT_EQ(short_number(nan), "-");
    EXPECT_EQ(percent(nan), "-");
  }
}

}  // namespace
}  // namespace pilqr::command
