#include "console.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace pilqr::command {
namespace {

// What a processor gives for inf - inf may have its sign bit set.
TEST(Console, NanHasNoSign) {
  for (const double nan : {std::nan(""), -std::nan("")}) {
    EXPECT_EQ(text_of({.kind = FailureKind::non_finite_cost, .step = 3, .value = nan}),
              "non_finite_cost: step 3: value nan");
    EXPECT_EQ(short_number(nan), "-");
    EXPECT_EQ(percent(nan), "-");
  }
  EXPECT_EQ(text_of({.kind = FailureKind::singular_fit, .value = -2.5}),
            "singular_fit: value -2.5");
}

}  // namespace
}  // namespace pilqr::command
