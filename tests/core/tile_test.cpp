/// The register tiles against the same sums by Eigen, for every size and with NaN in the padding.

#include "pilqr/core/tile.hpp"

#include <gtest/gtest.h>

#include "pilqr/core/linalg.hpp"
#include "pilqr/core/panel.hpp"
#include "support/random_problem.hpp"
#include "tile_kernels.hpp"

namespace pilqr {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// A panel with random entries and NaN in its padding.
Panel<> random_panel(test::Random& random, int rows, int cols) {
  Panel<> p(rows, cols);
  for (int i = 0; i < p.stride() * cols; ++i) p.data()[i] = nan;
  p.matrix() = random.matrix(rows, cols);
  return p;
}

double deviation(const MatrixX& a, const MatrixX& b) {
  const double scale = std::max(1.0, b.cwiseAbs().maxCoeff());
  const double error = (a - b).cwiseAbs().maxCoeff() / scale;
  return a.allFinite() && b.allFinite() ? error : std::numeric_limits<double>::infinity();
}

void check_full(int m, int n, int depth) {
  test::Random random(static_cast<std::uint64_t>(m * 1000 + n * 17 + depth));
  const Panel<> A = random_panel(random, m, depth + 1);
  const Panel<> B = random_panel(random, depth + 1, n);
  const Panel<> Bt = random_panel(random, n, depth + 1);
  const Panel<> init = random_panel(random, m, n);
  const auto left = A.matrix().leftCols(depth);
  Panel<> out = random_panel(random, m, n);

  tile::full<Dynamic, Dynamic>(m, n, out, init, tile::times(A, B, depth),
                               tile::minus_times_transposed(A, Bt, depth));
  const MatrixX expected = init.matrix() + left * B.matrix().topRows(depth) -
                           left * Bt.matrix().leftCols(depth).transpose();
  EXPECT_LT(deviation(out.matrix(), expected), 1e-13) << m << " " << n << " " << depth;
  tile::plain::full<Dynamic, Dynamic>(m, n, out, init, tile::times(A, B, depth),
                                      tile::minus_times_transposed(A, Bt, depth));
  EXPECT_LT(deviation(out.matrix(), expected), 1e-13) << m << " " << n << " " << depth;

  tile::full<Dynamic, Dynamic>(m, n, out, tile::zero, tile::minus_times(A, B, depth),
                               tile::times_transposed(A, Bt, depth));
  EXPECT_LT(deviation(out.matrix(), init.matrix() - expected), 1e-13);
  tile::full<Dynamic, Dynamic>(m, n, out, init);
  EXPECT_EQ(out.matrix(), init.matrix());
}

TEST(Tile, FullForEverySize) {
  for (int m = 1; m <= 40; ++m) {
    for (int n = 1; n <= 12; ++n) {
      for (const int depth : {0, 1, 2, 7, 33}) check_full(m, n, depth);
    }
  }
  for (const int m : {41, 48, 49, 63, 97, 130}) check_full(m, 19, 25);
}

#if !defined(PILQR_PLAIN_TILES)
// Whatever instruction sets the machine has; dynamic_full uses the last of them.
TEST(Tile, EveryKernelOfTheLibrary) {
  int kernels = 0;
  for (const tile::Kernels* kernel : tile::available_kernels().list) {
    if (kernel == nullptr) continue;
    ++kernels;
    for (int m = 1; m <= 40; ++m) {
      for (const int n : {1, 3, 4, 5, 8, 11}) {
        const int depth = 1 + (7 * m + n) % 35;
        test::Random random(static_cast<std::uint64_t>(m * 100 + n));
        const Panel<> A = random_panel(random, m, depth);
        const Panel<> B = random_panel(random, depth, n);
        const Panel<> init = random_panel(random, m, n);
        const MatrixX symmetric = random.symmetric(depth);
        Panel<> S = random_panel(random, depth, depth);
        for (int j = 0; j < depth; ++j) {
          // As `lower` leaves it: what is above the diagonal's group is not read.
          const int first = j / tile::group * tile::group;
          for (int i = 0; i < depth; ++i) S(i, j) = i < first ? nan : symmetric(i, j);
        }
        const MatrixX AB = A.matrix() * B.matrix();
        const auto ab = tile::times(A, B, depth);
        const auto minus = tile::minus_times(A, B, depth);
        Panel<> out = random_panel(random, m, n);
        const auto expect = [&](const MatrixX& expected) {
          EXPECT_LT(deviation(out.matrix(), expected), 1e-13) << kernels << " " << m << " " << n;
        };
        kernel->none(m, n, out, init);
        expect(init.matrix());
        kernel->plus(m, n, out, init, ab);
        expect(init.matrix() + AB);
        kernel->minus(m, n, out, tile::zero, minus);
        expect(-AB);
        kernel->plus_plus(m, n, out, init, ab, ab);
        expect(init.matrix() + 2.0 * AB);
        kernel->plus_minus(m, n, out, init, ab, minus);
        expect(init.matrix());
        kernel->plus_plus_plus(m, n, out, init, ab, ab, ab);
        expect(init.matrix() + 3.0 * AB);
        Panel<> product = random_panel(random, m, depth);
        kernel->symmetric(m, depth, product, tile::zero, tile::times_symmetric(A, S, depth));
        EXPECT_LT(deviation(product.matrix(), A.matrix() * symmetric), 1e-13) << kernels;
      }
    }
  }
  EXPECT_GE(kernels, 1);
}
#endif

// A triangle as `lower` leaves it, read by times_symmetric: out = G [V v].
TEST(Tile, LowerAndSymmetricForEverySize) {
  for (int n = 1; n <= 70; ++n) {
    for (const int depth : {0, 1, 5, 12}) {
      test::Random random(static_cast<std::uint64_t>(100 * n + depth));
      const MatrixX symmetric = random.symmetric(n);
      Panel<> init = random_panel(random, n, n);
      init.matrix() = symmetric;
      const Panel<> A = random_panel(random, n, depth + 1);
      const auto left = A.matrix().leftCols(depth);
      const MatrixX expected = symmetric - left * left.transpose();
      Panel<> V(n + 1, n + 1);
      Panel<> plain(n + 1, n + 1);
      for (int i = 0; i < V.stride() * (n + 1); ++i) V.data()[i] = plain.data()[i] = nan;
      tile::lower<Dynamic>(n, V, init, tile::minus_times_transposed(A, A, depth));
      tile::plain::lower<Dynamic>(n, plain, init, tile::minus_times_transposed(A, A, depth));
      for (int j = 0; j < n; ++j) {
        EXPECT_LT(deviation(V.matrix().col(j).segment(j, n - j), expected.col(j).tail(n - j)),
                  1e-13);
        EXPECT_LT(deviation(plain.matrix().col(j).segment(j, n - j), expected.col(j).tail(n - j)),
                  1e-13);
      }

      const VectorX v = random.vector(n);
      for (int i = 0; i < n; ++i) V(n, i) = V(i, n) = plain(n, i) = plain(i, n) = v(i);
      const int m = n + 3;
      const Panel<> G = random_panel(random, m, n);
      Panel<> W = random_panel(random, m, n + 1);
      MatrixX GV(m, n + 1);
      GV << G.matrix() * expected, G.matrix() * v;
      tile::full<Dynamic, Dynamic>(m, n + 1, W, tile::zero, tile::times_symmetric(G, V, n));
      EXPECT_LT(deviation(W.matrix(), GV), 1e-12) << n;
      tile::plain::full<Dynamic, Dynamic>(m, n + 1, W, tile::zero,
                                          tile::times_symmetric(G, plain, n));
      EXPECT_LT(deviation(W.matrix(), GV), 1e-12) << n;
    }
  }
}

// Entries from 1e-150 to 1e150: products neither overflow nor lose the large ones.
TEST(Tile, BadlyScaled) {
  test::Random random(3);
  const int n = 26;
  Panel<> A = random_panel(random, n, n);
  Panel<> B = random_panel(random, n, n);
  for (int k = 0; k < n; ++k) {
    const double scale = std::pow(10.0, 12.0 * (k - n / 2));
    A.matrix().col(k) *= scale;
    B.matrix().row(k) /= scale;
  }
  Panel<> out(n, n);
  tile::full<Dynamic, Dynamic>(n, n, out, tile::zero, tile::times(A, B, n));
  EXPECT_LT(deviation(out.matrix(), A.matrix() * B.matrix()), 1e-13);
}

TEST(PanelCholesky, FactorsAndSolvesForEverySize) {
  for (int n = 1; n <= 40; ++n) {
    test::Random random(static_cast<std::uint64_t>(n));
    const MatrixX A = random.positive_definite(n, 0.1);
    Panel<> L(n, n);
    L.matrix() = A.triangularView<Eigen::Lower>();
    ASSERT_TRUE(cholesky_in_place(n, L, 1e-13));
    const MatrixX factor = L.matrix().triangularView<Eigen::Lower>();
    EXPECT_LT(deviation(factor * factor.transpose(), A), 1e-13) << n;
    for (const int m : {1, 7, 26, 41}) {
      const MatrixX B = random.matrix(m, n);
      Panel<> X = random_panel(random, m, n);
      X.matrix() = B;
      solve_transposed_from_right(m, n, X, L);
      EXPECT_LT(deviation(X.matrix() * factor.transpose(), B), 1e-12) << m << " " << n;
      X.matrix() = B;
      solve_from_right(m, n, X, L);
      EXPECT_LT(deviation(X.matrix() * factor, B), 1e-12) << m << " " << n;
    }
    // Two equal rows: the pivot of the second is rounding.
    if (n == 1) continue;
    MatrixX points = random.matrix(n, 2 * n);
    points.row(n - 1) = points.row(0);
    L.matrix() = points * points.transpose();
    EXPECT_FALSE(cholesky_in_place(n, L, 1e-13)) << n;
    L.matrix() = A;
    L(n - 1, 0) = nan;
    EXPECT_FALSE(cholesky_in_place(n, L, 1e-13)) << n;
  }
}

TEST(InverseCholesky, IsTheLowerFactorOfTheInverse) {
  for (int n = 1; n <= 20; ++n) {
    test::Random random(static_cast<std::uint64_t>(n));
    MatrixX A = random.positive_definite(n, 1e-3);
    Panel<> L(n, n);
    Panel<> scratch(2 * tile::padded(n), n);
    ASSERT_TRUE(inverse_cholesky<Dynamic>(n, tile::input(A), L, scratch));
    const MatrixX factor = L.matrix();
    EXPECT_TRUE(factor.isLowerTriangular(0.0));
    EXPECT_GT(factor.diagonal().minCoeff(), 0.0);
    EXPECT_LT(deviation(factor.transpose() * A * factor, MatrixX::Identity(n, n)), 1e-11) << n;
    MatrixX lower_only = A;
    lower_only.triangularView<Eigen::StrictlyUpper>().setConstant(nan);
    Panel<> again(n, n);
    ASSERT_TRUE(inverse_cholesky<Dynamic>(n, tile::input(lower_only), again, scratch));
    EXPECT_EQ(again.matrix(), L.matrix());

    for (const double bad : {nan, std::numeric_limits<double>::infinity(), -1.0, 0.0}) {
      MatrixX broken = A;
      broken(n / 2, n / 2) = bad;
      EXPECT_FALSE(inverse_cholesky<Dynamic>(n, tile::input(broken), again, scratch)) << bad;
    }
  }
}

}  // namespace
}  // namespace pilqr
