// Sizes known at compile time, as an optimised program with flags of its own has them: this source
// is compiled once for each instruction set, with -O3 (tests/CMakeLists.txt).

#include <gtest/gtest.h>

#include "pilqr/core/panel.hpp"
#include "pilqr/core/tile.hpp"
#include "pilqr/update/lqr/lqr_flm.hpp"
#include "support/eigen_lqr.hpp"
#include "support/lqr_problem.hpp"

namespace pilqr {
namespace {

using test::deviation;
using test::LqrProblem;

/// Random numbers, and NaN in the padding.
Panel<> random_panel(test::Random& random, int rows, int cols) {
  Panel<> p(rows, cols);
  std::fill_n(p.data(), p.stride() * cols, std::numeric_limits<double>::quiet_NaN());
  p.matrix() = random.matrix(rows, cols);
  return p;
}

template <int M, int N>
void check_tiles() {
  test::Random random(M * 100 + N);
  constexpr int depth = 13;
  const Panel<> A = random_panel(random, M, depth);
  const Panel<> B = random_panel(random, depth, N);
  const Panel<> Bt = random_panel(random, N, depth);
  const Panel<> init = random_panel(random, M, N);
  Panel<> out = random_panel(random, M, N);
  tile::full<M, N>(M, N, out, init, tile::times(A, B, depth),
                   tile::minus_times_transposed(A, Bt, depth));
  const MatrixX expected =
      init.matrix() + A.matrix() * B.matrix() - A.matrix() * Bt.matrix().transpose();
  EXPECT_LT(deviation(out.matrix(), expected), 1e-14) << M << " " << N;
  Panel<> square = random_panel(random, M, M);
  tile::lower<M>(M, square, tile::zero, tile::times_transposed(A, A, depth));
  const MatrixX product = A.matrix() * A.matrix().transpose();
  for (int j = 0; j < M; ++j) {
    for (int i = j; i < M; ++i) EXPECT_NEAR(square(i, j), product(i, j), 1e-13) << i << " " << j;
  }
}

TEST(FixedSizes, TilesAreThoseOfEigen) {
  check_tiles<1, 1>();
  check_tiles<3, 5>();
  check_tiles<4, 4>();
  check_tiles<7, 9>();
  check_tiles<8, 3>();
  check_tiles<15, 7>();
  check_tiles<17, 12>();
  check_tiles<33, 6>();
  check_tiles<49, 2>();
}

template <int Nx, int Nu>
void check_sweeps() {
  constexpr int T = 5;
  const LqrProblem<Nx, Nu> fixed(7, T, Nx, Nu);
  const LqrProblem<> dynamic(7, T, Nx, Nu);
  SweepWorkspace<Nx, Nu> ws(Nx, Nu);
  LinearGaussianPolicy<Nx, Nu> out(T, Nx, Nu);
  ASSERT_TRUE(
      backward_max_entropy(fixed.dynamics, fixed.cost, fixed.reference, 0.0, 1.0, ws, out).ok());
  LinearGaussianPolicy<> expected(T, Nx, Nu);
  test::EigenLqr<Dynamic, Dynamic> eigen(Nx, Nu);
  ASSERT_TRUE(eigen.backward(dynamic.dynamics, dynamic.cost, expected));
  EXPECT_LT(test::policy_deviation(out, expected), 1e-11);

  const auto states = state_marginals(fixed.dynamics, fixed.reference, fixed.start);
  const test::StateMarginals plain(dynamic, dynamic.reference);
  for (int t = 0; t < T; ++t) {
    const auto i = static_cast<std::size_t>(t);
    EXPECT_LT(deviation(states.mu[t], plain.mu[i]), 1e-12);
    EXPECT_LT(deviation(states.Sigma[t], plain.Omega[i]), 1e-12);
  }

  // Those of sizes known at run time are compared with dense formulas elsewhere.
  const VectorX steps = VectorX::Constant(T, 0.3);
  const LqrFlmOptions options{.min_variance_ratio = 0.8};
  const auto a =
      lqr_flm_update(fixed.dynamics, fixed.cost, fixed.reference, fixed.start, steps, options);
  const auto b = lqr_flm_update(dynamic.dynamics, dynamic.cost, dynamic.reference, dynamic.start,
                                steps, options);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_LT(test::policy_deviation(a.policy, b.policy), 1e-9);
  EXPECT_LT(deviation(a.kl, b.kl), 1e-10);
}

TEST(FixedSizes, Sweeps) {
  check_sweeps<13, 5>();
}

}  // namespace
}  // namespace pilqr
