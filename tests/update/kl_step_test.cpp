#include "pilqr/update/kl_step.hpp"

#include <gtest/gtest.h>

#include "support/golden.hpp"

namespace pilqr {
namespace {

TEST(KlStep, GoldenPerStep) {
  const auto file = golden::load("k_step_adjust_small");
  int cases = 0;
  for (const auto& [key, input] : file.at("inputs").items()) {
    if (!input.is_object()) continue;
    const auto& expected = file.at("outputs").at(key);
    const MatrixX cost = golden::matrix(input.at("costs"));
    const MatrixX residual = cost - golden::matrix(input.at("c_approx"));
    const VectorX ratio = residual_ratio(residual, cost);
    if (!input.at("cons_per_step").get<bool>()) {
      // One multiplier for the whole trajectory adapts to the ratio from step 0 on.
      EXPECT_TRUE(golden::close(ratio(0), expected.at("ratio").get<double>(), 1e-9)) << key;
      KlStep step({.base_first = 1.0,
                   .base_last = 1.0,
                   .min_multiplier_first = input.at("min_step_mult").get<double>(),
                   .min_multiplier_last = input.at("min_step_mult").get<double>(),
                   .max_multiplier_first = input.at("max_step_mult").get<double>(),
                   .max_multiplier_last = input.at("max_step_mult").get<double>()},
                  1);
      step.set_multiplier(VectorX::Constant(1, input.at("step_mult").get<double>()));
      step.adapt_to_residual(ratio.head(1));
      EXPECT_TRUE(golden::close(step.value()(0), expected.at("new_step_mult").get<double>(), 1e-9));
      ++cases;
      continue;
    }
    EXPECT_TRUE(golden::close(ratio, golden::vector(expected.at("ratio")), 1e-9)) << key;
    const VectorX low = golden::vector(input.at("min_step_mult"));
    const VectorX high = golden::vector(input.at("max_step_mult"));
    const auto T = low.size();
    KlStep step({.base_first = 1.0,
                 .base_last = 1.0,
                 .min_multiplier_first = low(0),
                 .min_multiplier_last = low(T - 1),
                 .max_multiplier_first = high(0),
                 .max_multiplier_last = high(T - 1)},
                static_cast<int>(T));
    step.set_multiplier(golden::vector(input.at("step_mult")));
    step.adapt_to_residual(ratio);
    EXPECT_TRUE(
        golden::close(step.multiplier(), golden::vector(expected.at("new_step_mult")), 1e-9))
        << key;
    ++cases;
  }
  EXPECT_EQ(cases, 9);
}

TEST(KlStep, ExactSequenceOfTheResidualRule) {
  KlStep step({.base_first = 0.4,
               .base_last = 0.2,
               .max_multiplier_first = 10.0,
               .max_multiplier_last = 5.0},
              3);
  EXPECT_TRUE(step.value().isApprox(Vector<3>(0.4, 0.3, 0.2)));
  step.adapt_to_residual(Vector<3>(0.01, 0.1, 0.3));
  EXPECT_EQ(step.multiplier(), Vector<3>(2.0, 1.0, 0.5));
  step.adapt_to_residual(Vector<3>(0.05, 0.2, std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(step.multiplier(), Vector<3>(2.0, 1.0, 0.25)) << "bounds are inclusive, NaN is large";
  for (int i = 0; i < 10; ++i) step.adapt_to_residual(Vector<3>(0.0, 0.0, 1.0));
  EXPECT_EQ(step.multiplier(), Vector<3>(10.0, 7.5, 0.01)) << "clipped to the bounds of each step";
}

TEST(KlStep, ExactSequenceOfTheImprovementRule) {
  KlStep step({.base_first = 1.0, .base_last = 1.0, .max_multiplier_last = 10.0}, 2);
  step.adapt_to_improvement(4.0, 2.0);  // 4 / (2 * 2)
  EXPECT_TRUE(step.multiplier().isApprox(Vector<2>(1.0, 1.0), 1e-15));
  step.adapt_to_improvement(4.0, 3.0);  // 4 / (2 * 1)
  EXPECT_TRUE(step.multiplier().isApprox(Vector<2>(2.0, 2.0), 1e-15));
  step.adapt_to_improvement(4.0, 8.0);  // better than predicted: clamped to 5, then to 10
  EXPECT_TRUE(step.multiplier().isApprox(Vector<2>(10.0, 10.0), 1e-15));
  step.adapt_to_improvement(1.0, -99.0);  // clamped to 0.1
  EXPECT_TRUE(step.multiplier().isApprox(Vector<2>(1.0, 1.0), 1e-15));
  step.adapt_to_improvement(-1.0, 0.0);  // nothing was predicted
  EXPECT_TRUE(step.multiplier().isApprox(Vector<2>(0.1, 0.1), 1e-15));
  step.adapt_to_improvement(std::nan(""), 0.0);
  EXPECT_TRUE(step.multiplier().isApprox(Vector<2>(0.01, 0.01), 1e-15));
  step.adapt_to_improvement(4.0, std::nan(""));  // NaN is bad news, from whichever side
  EXPECT_TRUE(step.multiplier().isApprox(Vector<2>(0.01, 0.01), 1e-15));
}

TEST(KlStep, DefaultsDoNotDependOnTheHorizon) {
  for (const int T : {1, 2, 10, 1000}) {
    const KlStep step(KlStepOptions{}, T);
    EXPECT_DOUBLE_EQ(step.value()(T - 1), KlStepOptions{}.base_last);
    EXPECT_EQ(step.multiplier(), VectorX::Ones(T));
  }
}

TEST(KlStep, RatioOfVanishingCosts) {
  const MatrixX zero = MatrixX::Zero(3, 2);
  EXPECT_EQ(residual_ratio(zero, zero), Vector<2>(0.0, 0.0));
  EXPECT_EQ(residual_ratio(MatrixX::Ones(3, 2), zero)(0), std::numeric_limits<double>::infinity());
}

TEST(KlStep, RefusesBadOptions) {
  EXPECT_THROW(KlStep({.base_first = 0.0}, 5), InvalidArgument);
  EXPECT_THROW(KlStep({.base_last = std::nan("")}, 5), InvalidArgument);
  EXPECT_THROW(KlStep({.max_multiplier_first = 1e-3}, 5), InvalidArgument);
  EXPECT_THROW(KlStep({.ratio_to_increase = 0.3}, 5), InvalidArgument);
  EXPECT_THROW(KlStep({}, 0), InvalidArgument);
  KlStep step({}, 2);
  EXPECT_THROW(step.set_multiplier(Vector<2>(1.0, 0.0)), InvalidArgument);
  EXPECT_THROW(step.adapt_to_residual(Vector<1>(1.0)), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
