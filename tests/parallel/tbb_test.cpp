#include "pilqr/parallel/tbb.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pilqr/model/sample.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

static_assert(Executor<TbbExecutor>);

/// Keeps state of its own between reset and step, as a simulator does.
struct Stateful {
  static constexpr int Nx = 2;
  static constexpr int Nu = 1;
  double momentum = 0.0;

  void reset(int, RandomStream& stream, Vector<2>& x) {
    momentum = stream.normal();
    x << momentum, 0.0;
  }
  void step(int, const Vector<2>& x, const Vector<1>& u, RandomStream& stream, Vector<2>& next) {
    momentum = 0.9 * momentum + u(0) + 0.1 * stream.normal();
    next << momentum, x(0) + x(1);
  }
};

struct SquareCost {
  double operator()(int, const ConstVectorRef& x, const ConstVectorRef&) const {
    return x.squaredNorm();
  }
  void expand(int, const ConstVectorRef&, const ConstVectorRef&, double, CostExpansion&) const {}
};

TEST(TbbExecutor, ResultsDoNotDependOnTheNumberOfThreads) {
  const auto policy = test::Random(1).policy<2, 1>(30, 2, 1);
  Stateful system;
  const SampleOptions options{.samples = 50, .seed = 3, .noise = {.width = 2.0}};
  const auto serial = sample(system, SquareCost{}, policy, options);
  for (const int threads : {1, 2, 8}) {
    TbbExecutor executor(threads);
    const auto parallel = sample(system, SquareCost{}, policy, options, executor);
    EXPECT_EQ(parallel.rollouts.x, serial.rollouts.x) << threads;
    EXPECT_EQ(parallel.rollouts.u, serial.rollouts.u) << threads;
    EXPECT_EQ(parallel.rollouts.cost, serial.rollouts.cost) << threads;
  }
}

// Two pieces that wait for each other end only if two threads have them at once.
TEST(TbbExecutor, RunsPiecesAtOnce) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one core";
  TbbExecutor executor(2);
  std::atomic<int> inside = 0;
  std::atomic<bool> met = false;
  executor.run(2, [&] {
    return [&](int) {
      ++inside;
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (inside < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      if (inside == 2) met = true;
    };
  });
  EXPECT_TRUE(met);
}

TEST(TbbExecutor, CallsEveryPieceOnce) {
  TbbExecutor executor(4);
  for (const int count : {0, 1, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
    executor.run(count, [&] { return [&](int i) { ++calls[static_cast<std::size_t>(i)]; }; });
    for (const auto& n : calls) EXPECT_EQ(n, 1);
  }
}

TEST(TbbExecutor, PassesExceptionsOn) {
  TbbExecutor executor(2);
  const auto make_worker = [] {
    return [](int i) {
      if (i == 7) throw std::runtime_error("piece 7");
    };
  };
  EXPECT_THROW(executor.run(20, make_worker), std::runtime_error);
  EXPECT_THROW(TbbExecutor(0), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
