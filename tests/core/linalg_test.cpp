#include "pilqr/core/linalg.hpp"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>

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

TEST(JacobiEigen, AgreesWithEigenSolver) {
  Random random(2);
  for (int n = 1; n <= 16; ++n) {
    for (const double spread : {1.0, 1e8}) {
      MatrixX A = random.symmetric(n);
      A.row(0) *= spread;
      A.col(0) *= spread;
      const Eigen::SelfAdjointEigenSolver<MatrixX> expected(A);
      MatrixX D = A;
      MatrixX U(n, n);
      VectorX lambda(n);
      ASSERT_TRUE(jacobi_eigen_in_place(D, U, lambda));
      EXPECT_LT((U * lambda.asDiagonal() * U.transpose() - A).norm(), 1e-13 * n * A.norm());
      EXPECT_LT((U.transpose() * U - MatrixX::Identity(n, n)).norm(), 1e-13 * n);
      std::sort(lambda.data(), lambda.data() + n);
      EXPECT_LT((lambda - expected.eigenvalues()).norm(), 1e-13 * n * A.norm());
    }
  }
}

TEST(JacobiEigen, HandlesZeroDiagonalAndNan) {
  MatrixX zero = MatrixX::Zero(3, 3);
  MatrixX U(3, 3);
  VectorX lambda(3);
  ASSERT_TRUE(jacobi_eigen_in_place(zero, U, lambda));
  EXPECT_EQ(lambda, VectorX::Zero(3));
  EXPECT_EQ(U, MatrixX::Identity(3, 3));
  MatrixX nan = MatrixX::Constant(3, 3, std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(jacobi_eigen_in_place(nan, U, lambda));
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
