#include "pilqr/baselines/replay.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "pilqr/core/check.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

// Against a queue that forgets at its front.
TEST(Replay, HoldsTheNewestUpToItsCapacity) {
  for (const int capacity : {1, 3, 5}) {
    Replay replay(2, 1, capacity);
    std::deque<double> expected;
    for (int n = 0; n < 12; ++n) {
      const double v = n;
      replay.add(n, VectorX::Constant(2, v), VectorX::Constant(1, -v), 10.0 * v,
                 VectorX::Constant(2, v + 0.5));
      expected.push_back(v);
      if (static_cast<int>(expected.size()) > capacity) expected.pop_front();
      ASSERT_EQ(replay.size, static_cast<int>(expected.size()));
      ASSERT_LT(replay.next, capacity);
      const int oldest = replay.size < capacity ? 0 : replay.next;
      for (int j = 0; j < replay.size; ++j) {
        const int place = (oldest + j) % capacity;
        const double w = expected[static_cast<std::size_t>(j)];
        EXPECT_EQ(replay.x.col(place), VectorX::Constant(2, w));
        EXPECT_EQ(replay.u(0, place), -w);
        EXPECT_EQ(replay.cost(place), 10.0 * w);
        EXPECT_EQ(replay.step(place), w);
        EXPECT_EQ(replay.after.col(place), VectorX::Constant(2, w + 0.5));
      }
    }
  }
}

TEST(Replay, TakesTheTransitionsOfRollouts) {
  test::Random random(1);
  Rollouts<> rollouts(4, 3, 2, 1);
  rollouts.cost = random.matrix(3, 4);
  for (int t = 0; t < 4; ++t) {
    rollouts.x[t] = random.matrix(2, 3);
    rollouts.u[t] = random.matrix(1, 3);
    rollouts.xi[t].setZero();
  }
  Replay replay(2, 1, 20);
  replay.add(rollouts);
  ASSERT_EQ(replay.size, 12);
  for (int i = 0; i < 3; ++i) {
    for (int t = 0; t < 4; ++t) {
      const int j = 4 * i + t;
      EXPECT_EQ(replay.step(j), t);
      EXPECT_EQ(replay.x.col(j), rollouts.x[t].col(i));
      EXPECT_EQ(replay.u.col(j), rollouts.u[t].col(i));
      EXPECT_EQ(replay.cost(j), rollouts.cost(i, t));
      if (t < 3) {
        EXPECT_EQ(replay.after.col(j), rollouts.x[t + 1].col(i));
      }
    }
  }
  EXPECT_THROW(replay.add(Rollouts<>(4, 3, 3, 1)), InvalidArgument);
  EXPECT_THROW(Replay(2, 1, 0), InvalidArgument);
}

TEST(Replay, EqualityIsOfWhatItHolds) {
  Replay a(1, 1, 4);
  Replay b(1, 1, 4);
  a.x.setConstant(5.0);
  b.x.setConstant(6.0);
  EXPECT_TRUE(a == b);
  const VectorX one = VectorX::Ones(1);
  a.add(0, one, one, 1.0, one);
  EXPECT_FALSE(a == b);
  b.add(0, one, one, 1.0, one);
  EXPECT_TRUE(a == b);
}

// However full the ring is, and however many transitions come, more than it holds among them.
TEST(Replay, WhatWasReplacedIsPutBack) {
  for (const int before : {0, 2, 5, 6, 9}) {
    for (const int added : {1, 3, 5, 6, 11}) {
      Replay replay(1, 1, 6);
      double number = 0.0;
      const auto add = [&](int count) {
        for (int i = 0; i < count; ++i) {
          number += 1.0;
          const VectorX value = VectorX::Constant(1, number);
          replay.add(i, value, 10.0 * value, number, -value);
        }
      };
      add(before);
      const Replay expected = replay;
      const ReplacedTransitions replaced(replay, added);
      add(added);
      EXPECT_FALSE(replay == expected);
      replaced.put_back(replay);
      EXPECT_TRUE(replay == expected) << before << " and " << added;
      add(4);
      EXPECT_EQ(replay.size, std::min(6, before + 4));
    }
  }
}

}  // namespace
}  // namespace pilqr
