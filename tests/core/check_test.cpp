#include "pilqr/core/check.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace pilqr {
namespace {

// What a processor gives for inf - inf may have its sign bit set.
TEST(Failure, NanHasNoSignInTheMessage) {
  for (const double nan : {std::nan(""), -std::nan("")}) {
    const Failure failure{.kind = FailureKind::non_finite_cost, .step = 3, .value = nan};
    EXPECT_EQ(failure.message(), "non_finite_cost: step 3: value nan");
  }
  const Failure negative{.kind = FailureKind::singular_fit, .value = -2.5, .detail = "fit"};
  EXPECT_EQ(negative.message(), "singular_fit: value -2.5 (fit)");
}

TEST(Require, FormatsTheValuesAndNanWithoutItsSign) {
  EXPECT_NO_THROW(require(true, "never {}", 1));
  const std::string name = "width";
  const double nan = -std::nan("");
  try {
    require(false, "{} is {} or {}, not {:.1f} of {}", name, nan, -std::nanf(""), -0.25, 3);
    FAIL() << "no exception";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "width is nan or nan, not -0.2 of 3");
  }
}

}  // namespace
}  // namespace pilqr
