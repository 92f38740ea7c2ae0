#include "pilqr/nn/normalisation.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "pilqr/core/check.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

TEST(Normalisation, GivesZeroMeanAndUnitVariance) {
  test::Random random(1);
  MatrixX x = random.matrix(3, 50);
  x.row(0) *= 1e3;
  x.row(1).array() += 1e4;
  x.row(2) *= 0.05;
  const Normalisation n = fit_normalisation(x);
  MatrixX z(3, 50);
  n.apply(x, z);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(z.row(i).mean(), 0.0, 1e-11);
    EXPECT_NEAR(z.row(i).squaredNorm() / 50.0, 1.0, 1e-11);
  }
  EXPECT_LE((((z.array().colwise() * n.scale.array()).colwise() + n.mean.array()) - x.array())
                .abs()
                .maxCoeff(),
            1e-11);
  VectorX one(3);
  n.apply(x.col(7), one);
  EXPECT_EQ(one, z.col(7));
  n.apply(x, x);  // in place
  EXPECT_EQ(x, z);
}

TEST(Normalisation, ConstantEntriesDoNotBlowUp) {
  MatrixX x(3, 4);
  x << 5, 5, 5, 5,     // constant
      1, 1.001, 1, 1,  // nearly
      0, 2, 0, 2;      // deviation 1
  const Normalisation n = fit_normalisation(x, {.least_scale = 0.25});
  EXPECT_EQ(n.mean(0), 5.0);
  EXPECT_EQ(n.scale(0), 0.25);
  EXPECT_EQ(n.scale(1), 0.25);
  EXPECT_DOUBLE_EQ(n.scale(2), 1.0);
  const Normalisation single = fit_normalisation(x.col(1));  // one point
  EXPECT_EQ(single.mean, x.col(1));
  EXPECT_EQ(single.scale, VectorX::Constant(3, NormalisationOptions{}.least_scale));
}

TEST(Normalisation, NoneLeavesThePoints) {
  const MatrixX x = test::Random(2).matrix(2, 3);
  MatrixX z(2, 3);
  no_normalisation(2).apply(x, z);
  EXPECT_EQ(z, x);
}

TEST(Normalisation, Misuse) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  MatrixX x = MatrixX::Ones(2, 3);
  EXPECT_THROW((void)fit_normalisation(x, {.least_scale = 0.0}), InvalidArgument);
  EXPECT_THROW((void)fit_normalisation(x, {.least_scale = nan}), InvalidArgument);
  EXPECT_THROW((void)fit_normalisation(MatrixX(2, 0)), InvalidArgument);
  EXPECT_THROW((void)fit_normalisation(MatrixX(0, 2)), InvalidArgument);
  EXPECT_THROW((void)no_normalisation(0), InvalidArgument);
  const Normalisation n = fit_normalisation(x);
  MatrixX z(2, 2);
  EXPECT_THROW(n.apply(x, z), InvalidArgument);
  EXPECT_THROW(n.apply(MatrixX(3, 2), z), InvalidArgument);
  for (const double bad : {nan, infinity, 1e200}) {
    x(1, 2) = bad;
    EXPECT_THROW((void)fit_normalisation(x), InvalidArgument) << bad;
  }
  EXPECT_THROW(require_valid(Normalisation{VectorX::Zero(2), VectorX::Ones(1)}), InvalidArgument);
  EXPECT_THROW(require_valid(Normalisation{VectorX::Zero(2), VectorX::Zero(2)}), InvalidArgument);
  EXPECT_THROW(require_valid(Normalisation{}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
