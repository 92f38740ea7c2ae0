#include "pilqr/model/sample.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "support/random_problem.hpp"

namespace pilqr {
namespace {

/// x' = x + u + noise, which fails on request.
struct Walk {
  static constexpr int Nx = 2;
  static constexpr int Nu = 2;
  int throw_at = -1;
  int nan_at = -1;

  void reset(int condition, RandomStream& stream, Vector<2>& x) const {
    x.setConstant(condition + 0.1 * stream.normal());
  }
  void step(int t, const Vector<2>& x, const Vector<2>& u, RandomStream& stream,
            Vector<2>& next) const {
    if (t == throw_at) throw std::runtime_error("gripper jammed");
    next = x + u;
    next(0) += stream.normal();
    if (t == nan_at) next(1) = std::nan("");
  }
};
static_assert(System<Walk>);
static_assert(!System<int>);

struct SquareCost {
  int infinite_at = -1;
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    if (t == infinite_at) return std::numeric_limits<double>::infinity();
    return x.squaredNorm() + u.squaredNorm() + t;
  }
  void expand(int, const ConstVectorRef&, const ConstVectorRef&, double, CostExpansion&) const {}
};
static_assert(Cost<SquareCost>);
static_assert(!Cost<Walk>);

class SampleTest : public ::testing::Test {
 protected:
  LinearGaussianPolicy<2, 2> policy_ = test::Random(1).policy<2, 2>(6, 2, 2);
  SquareCost cost_;
};

TEST_F(SampleTest, RecordsWhatHappened) {
  Walk walk;
  const auto result = sample(walk, cost_, policy_, {.samples = 5, .seed = 3, .condition = 2});
  ASSERT_TRUE(result.ok());
  const auto& r = result.rollouts;
  for (int t = 0; t < 6; ++t) {
    for (int i = 0; i < 5; ++i) {
      const Vector<2> u =
          policy_.K[t] * r.x[t].col(i) + policy_.k[t] + policy_.L[t] * r.xi[t].col(i);
      EXPECT_LT((u - r.u[t].col(i)).norm(), 1e-14);
      EXPECT_EQ(r.cost(i, t), cost_(t, r.x[t].col(i), r.u[t].col(i)));
      if (t > 0) {
        EXPECT_EQ(r.x[t](1, i), r.x[t - 1](1, i) + r.u[t - 1](1, i));
      }
    }
  }
}

TEST_F(SampleTest, SampleDependsOnItsKeyOnly) {
  Walk walk;
  const auto few = sample(walk, cost_, policy_, {.samples = 3, .seed = 3});
  const auto many = sample(walk, cost_, policy_, {.samples = 8, .seed = 3});
  const auto other = sample(walk, cost_, policy_, {.samples = 3, .seed = 3, .iteration = 1});
  for (int t = 0; t < 6; ++t) EXPECT_EQ(few.rollouts.x[t], many.rollouts.x[t].leftCols(3));
  EXPECT_NE(few.rollouts.x[5], other.rollouts.x[5]);
}

TEST_F(SampleTest, NoiselessRunsTheMean) {
  Walk walk;
  const auto result = sample(walk, cost_, policy_, {.samples = 2, .noiseless = true});
  for (int t = 0; t < 6; ++t) EXPECT_TRUE(result.rollouts.xi[t].isZero(0.0));
}

TEST_F(SampleTest, FailuresNameTheirPlace) {
  Walk walk{.throw_at = 3, .nan_at = -1};
  auto result = sample(walk, cost_, policy_, {.samples = 2, .condition = 4});
  EXPECT_EQ(result.failure.kind, FailureKind::system_error);
  EXPECT_EQ(result.failure.condition, 4);
  EXPECT_EQ(result.failure.sample, 0);
  EXPECT_EQ(result.failure.step, 3);
  EXPECT_NE(result.failure.message().find("gripper jammed"), std::string::npos);

  walk = {.throw_at = -1, .nan_at = 1};
  result = sample(walk, cost_, policy_, {.samples = 2});
  EXPECT_EQ(result.failure.kind, FailureKind::non_finite_state);
  EXPECT_EQ(result.failure.step, 2);
  EXPECT_EQ(result.failure.message(), "non_finite_state: condition 0, sample 0, step 2: value nan");

  walk = {};
  result = sample(walk, SquareCost{.infinite_at = 5}, policy_, {.samples = 2});
  EXPECT_EQ(result.failure.kind, FailureKind::non_finite_cost);
  EXPECT_EQ(result.failure.step, 5);

  auto broken = policy_;
  broken.k[2](0) = std::nan("");
  result = sample(walk, cost_, broken, {.samples = 2});
  EXPECT_EQ(result.failure.kind, FailureKind::non_finite_control);
  EXPECT_EQ(result.failure.step, 2);
}

TEST_F(SampleTest, MisuseThrows) {
  Walk walk;
  EXPECT_THROW((void)sample(walk, cost_, policy_, {.samples = 0}), InvalidArgument);
  EXPECT_THROW((void)sample(walk, cost_, policy_, {.iteration = -1}), InvalidArgument);
  EXPECT_THROW((void)sample(walk, cost_, policy_, {.condition = -1}), InvalidArgument);
  // Stream keys hold 24 bits of it: one more would be condition 0 again.
  EXPECT_TRUE(sample(walk, cost_, policy_, {.samples = 1, .condition = (1 << 24) - 1}).ok());
  try {
    (void)sample(walk, cost_, policy_, {.samples = 1, .condition = 1 << 24});
    FAIL() << "no exception";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "condition 16777216, expected 0 to 16777215");
  }
}

}  // namespace
}  // namespace pilqr
