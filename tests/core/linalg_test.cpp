#include "pilqr/core/linalg.hpp"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>

#include "pilqr/core/panel.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Random;

TEST(Cholesky, ReconstructsRandomMatricesOfAllSizes) {
  Random random(1);
  for (int n = 1; n <= 20; ++n) {
    const MatrixX A = random.positive_definite(n, 0.1);
    MatrixX L = A;
    ASSERT_TRUE(cholesky_in_place(L));
    EXPECT_LT((L * L.transpose() - A).norm(), 1e-13 * A.norm());
    EXPECT_TRUE(L.isLowerTriangular(0.0));
    EXPECT_NEAR(log_determinant_from_cholesky(L), std::log(A.determinant()), 1e-9);
  }
}

TEST(Cholesky, RefusesIndefiniteSingularAndNan) {
  MatrixX indefinite = MatrixX::Identity(3, 3);
  indefinite(2, 2) = -1e-12;
  EXPECT_FALSE(cholesky_in_place(indefinite));
  MatrixX zero = MatrixX::Zero(2, 2);
  EXPECT_FALSE(cholesky_in_place(zero));
  MatrixX nan = MatrixX::Identity(3, 3);
  nan(1, 0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(cholesky_in_place(nan));
}

struct Decomposition {
  MatrixX U;
  VectorX lambda;
  bool ok;
};
Decomposition decompose(const MatrixX& A) {
  const int n = rows(A);
  Panel<> S(n, n);
  Panel<> U(n, n);
  Panel<> work(n, 3);
  VectorX lambda(n);
  S.matrix() = A;
  const bool ok = symmetric_eigen<Dynamic>(n, S, U, lambda.data(), work);
  return {U.matrix(), lambda, ok};
}

TEST(SymmetricEigen, AgreesWithEigenSolver) {
  Random random(2);
  for (int n = 1; n <= 20; ++n) {
    for (const double size : {1e-200, 1.0, 1e200}) {
      for (const double spread : {0.0, 1.0, 1e8}) {
        MatrixX A = size * random.symmetric(n);
        A.row(0) *= spread;
        A.col(0) *= spread;
        if (n > 4) {  // decouples
          A.row(3).setZero();
          A.col(3).setZero();
        }
        const Eigen::SelfAdjointEigenSolver<MatrixX> expected(A / size);
        Decomposition d = decompose(A);
        ASSERT_TRUE(d.ok);
        d.lambda /= size;
        const double norm = (A / size).norm();
        EXPECT_LE((d.U * d.lambda.asDiagonal() * d.U.transpose() - A / size).norm(),
                  1e-14 * n * norm);
        EXPECT_LT((d.U.transpose() * d.U - MatrixX::Identity(n, n)).norm(), 1e-14 * n);
        std::sort(d.lambda.data(), d.lambda.data() + n);
        EXPECT_LE((d.lambda - expected.eigenvalues()).norm(), 1e-14 * n * norm);
      }
    }
  }
}

TEST(SymmetricEigen, RepeatedEigenvaluesAndSpecialMatrices) {
  for (int n = 1; n <= 12; ++n) {
    Random random(static_cast<std::uint64_t>(n));
    const Decomposition zero = decompose(MatrixX::Zero(n, n));
    ASSERT_TRUE(zero.ok);
    EXPECT_EQ(zero.lambda, VectorX::Zero(n));
    EXPECT_EQ(zero.U, MatrixX::Identity(n, n));
    const Decomposition ones = decompose(MatrixX::Ones(n, n));  // 0 with multiplicity n - 1
    EXPECT_NEAR(ones.lambda.maxCoeff(), n, 1e-13 * n);
    EXPECT_NEAR(ones.lambda.cwiseAbs().sum(), n, 1e-13 * n);
    // A rank-one change of the identity.
    const VectorX a = random.vector(n);
    const MatrixX A = MatrixX::Identity(n, n) + a * a.transpose();
    const Decomposition d = decompose(A);
    EXPECT_LT((d.U * d.lambda.asDiagonal() * d.U.transpose() - A).norm(), 1e-13 * A.norm());
  }
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    MatrixX A = MatrixX::Identity(3, 3);
    A(2, 1) = bad;
    EXPECT_FALSE(decompose(A).ok);
  }
}

TEST(LowerFactor, SquaresToTheSameMatrixAtAnyRank) {
  Random random(3);
  for (int n = 1; n <= 16; ++n) {
    for (int rank = 0; rank <= n; ++rank) {
      MatrixX B = random.matrix(n, n);
      B.rightCols(n - rank).setZero();
      MatrixX L = B;
      lower_factor_in_place(L);
      EXPECT_LT((L * L.transpose() - B * B.transpose()).norm(), 1e-13 * (1.0 + B.squaredNorm()));
      EXPECT_TRUE(L.isLowerTriangular(1e-13));
      EXPECT_GE(L.diagonal().minCoeff(), -1e-13);
    }
  }
}

TEST(Symmetrize, AveragesTheTriangles) {
  MatrixX A(2, 2);
  A << 1.0, 2.0, 4.0, 3.0;
  symmetrize(A);
  EXPECT_EQ(A(0, 1), 3.0);
  EXPECT_EQ(A(1, 0), 3.0);
}

}  // namespace
}  // namespace pilqr
