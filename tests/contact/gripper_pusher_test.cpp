// The gripper pusher: its state, its arm, what contacts do to energy, its cost, conditions,
// drawing.

#include "pilqr/systems/gripper_pusher.hpp"

#include <gtest/gtest.h>

#include "contact_support.hpp"
#include "pilqr/systems/contact_tasks.hpp"

namespace pilqr {
namespace {

using systems::Drawing;
using systems::GripperPusher;
using test::Random;
using test::TestLink;
using test::trajectory;

/// Three rods, then palm and fingers: thin rods of 0.4 m (0.1 kg) and 0.2 m (0.05 kg each).
const TestLink rod{0.4, 0.25, 0.2, 0.25 * 0.16 / 12.0};
const double gripper_inertia =
    0.1 * (0.16 / 12.0 + 0.05 * 0.05) + 0.1 * (0.04 / 12.0 + 0.05 * 0.05 + 0.2 * 0.2);
const std::vector<TestLink> links{rod, rod, rod, {0.1, 0.2, 0.05, gripper_inertia}};

/// Of the arm with its rotors and of the box, J.
double energy(const Vector<20>& x) {
  return test::kinetic_energy(links, 0.04, x.head(4), x.segment(4, 4)) +
         0.5 * 0.2 * x.segment(17, 2).squaredNorm() + 0.5 * 0.2 * 0.01 / 6.0 * x(19) * x(19);
}

MatrixX controls(std::uint64_t seed) {
  Random random(seed);
  return test::wandering_controls(random, 4, 99, 1.5);
}

TEST(GripperPusher, GripperFollowsFromTheJoints) {
  GripperPusher system;
  const MatrixX states = trajectory(system, 0, controls(1));
  const auto centre = [](const VectorX& q) {
    Vector<2> p = Vector<2>::Zero();
    double angle = 0.0;
    for (int j = 0; j < 4; ++j) {
      angle += q(j);
      p += (j < 3 ? 0.4 : 0.1) * Vector<2>(std::cos(angle), std::sin(angle));
    }
    return p;
  };
  for (int t = 0; t < cols(states); ++t) {
    const VectorX q = states.col(t).head(4);
    const VectorX dq = states.col(t).segment(4, 4);
    EXPECT_LT((states.col(t).segment(8, 2) - centre(q)).norm(), 2e-3) << t;
    const double e = 1e-6;
    const Vector<2> v = (centre(q + e * dq) - centre(q - e * dq)) / (2.0 * e);
    EXPECT_LT((states.col(t).segment(15, 2) - v).norm(), 0.03 * (1.0 + v.norm())) << t;
    EXPECT_LT((states.col(t).segment(10, 2) - GripperPusher::goal(0) - states.col(t).segment(13, 2))
                  .norm(),
              1e-12);
  }
}

TEST(GripperPusher, ContactsCreateNoEnergy) {
  // Over a period the torques, which are constant, do the work torque'(q' - q); contacts, friction
  // and damping only take.
  double moved = 0.0;
  for (int condition = 0; condition < GripperPusher::conditions; ++condition) {
    for (std::uint64_t seed = 40; seed < 44; ++seed) {
      GripperPusher system;
      const MatrixX u = controls(seed);
      const MatrixX states = trajectory(system, condition, u);
      for (int t = 0; t < cols(u); ++t) {
        const VectorX x = states.col(t);
        const VectorX next = states.col(t + 1);
        const double work = u.col(t).cwiseMax(-2.0).cwiseMin(2.0).dot(next.head(4) - x.head(4));
        EXPECT_LT(energy(next) - energy(x), work + 2e-3)
            << "condition " << condition << ", t " << t;
      }
      moved = std::max(moved, (states.col(99) - states.col(0)).segment(10, 2).norm());
    }
  }
  EXPECT_GT(moved, 0.1);  // there were contacts
}

TEST(GripperPusher, AKickedBoxSlidesAndStops) {
  // A box that nothing touches brakes by mu g and then rests.
  int sliding = 0;
  for (std::uint64_t seed = 40; seed < 60; ++seed) {
    GripperPusher system;
    const MatrixX states = trajectory(system, static_cast<int>(seed % 4), controls(seed));
    for (int t = 0; t + 1 < cols(states); ++t) {
      const auto clear = [&](int s) {
        return test::deepest_overlap(GripperPusher::draw(states.col(s))) < -0.02;
      };
      if (!clear(t) || !clear(t + 1)) continue;
      const double v = states.col(t).segment(17, 2).norm();
      const double next = states.col(t + 1).segment(17, 2).norm();
      EXPECT_NEAR(next, std::max(0.0, v - 0.3 * 9.81 * 0.05), 1e-4)
          << "seed " << seed << " t " << t;
      sliding += v > 0.15 ? 1 : 0;
    }
  }
  EXPECT_GT(sliding, 0);
}

TEST(GripperPusher, ConditionsAreInReachAndApart) {
  for (int condition = 0; condition < GripperPusher::conditions; ++condition) {
    EXPECT_LT(GripperPusher::box_start(condition).norm(), 1.2);
    EXPECT_LT(GripperPusher::goal(condition).norm(), 1.25);
    EXPECT_GT((GripperPusher::goal(condition) - GripperPusher::box_start(condition)).norm(),
              1.9 * GripperPusher::success_distance);
  }
  // Condition 1 pulls towards the base; in condition 3 the box lies between the gripper and the
  // place from which it can be pushed.
  EXPECT_LT(GripperPusher::goal(1).norm(), GripperPusher::box_start(1).norm() - 0.2);
  const Vector<2> gripper = GripperPusher::start(3).segment(8, 2);
  const Vector<2> way = GripperPusher::goal(3) - GripperPusher::box_start(3);
  EXPECT_GT((gripper - GripperPusher::box_start(3)).dot(way), 0.1 * way.norm());
}

TEST(GripperPusher, CostIsThatOfTheFormula) {
  Random random(50);
  for (int sample = 0; sample < 10; ++sample) {
    const int condition = sample % 4;
    const int t = 11 * sample;
    const VectorX x = random.vector(20);
    const VectorX u = random.vector(4);
    const double ramp = std::pow((t + 1) / 100.0, 2);
    const auto norm = [](const VectorX& d, double w) {
      return 0.5 * 10.0 * w * d.squaredNorm() + 0.1 * std::sqrt(1e-5 + w * w * d.squaredNorm());
    };
    const double wrist = x(3) - 70.0 * std::acos(-1.0) / 180.0;
    const double expected = 4.0 * norm(x.segment(13, 2), ramp) +
                            norm(x.segment(8, 2) - x.segment(10, 2), 1.0) +
                            0.5 * 1e-2 * wrist * wrist + 0.5 * 1e-3 * u.squaredNorm();
    const CostSum cost = GripperPusher::cost(condition);
    EXPECT_NEAR(cost(t, x, u), expected, 1e-12 * expected);
    // Its derivatives are those of the formula.
    CostExpansion e(20, 4);
    cost.expand(t, x, u, 1.0, e);
    VectorX y(24);
    y << x, u;
    for (int i = 0; i < 24; ++i) {
      const double step = 1e-6;
      VectorX up = y;
      VectorX down = y;
      up(i) += step;
      down(i) -= step;
      const double slope =
          (cost(t, up.head(20), up.tail(4)) - cost(t, down.head(20), down.tail(4))) / (2.0 * step);
      EXPECT_NEAR(e.gradient(i), slope, 1e-6 * (1.0 + std::abs(slope))) << i;
    }
  }
}

TEST(GripperPusher, DrawingShowsTheState) {
  GripperPusher system;
  const MatrixX states = trajectory(system, 2, controls(51));
  for (const int t : {0, 40, 99}) {
    const VectorX x = states.col(t);
    const Drawing drawing = GripperPusher::draw(x);
    const MatrixX& box = systems::find_shape(drawing, "box").points;
    EXPECT_LT((box.rowwise().mean() - x.segment(10, 2)).norm(), 1e-12);
    const Vector<2> edge = box.col(1) - box.col(0);  // its right side, along y at angle 0
    EXPECT_NEAR(edge.norm(), 0.1, 1e-12);
    EXPECT_NEAR(std::remainder(std::atan2(-edge(0), edge(1)) - x(12), 2.0 * std::acos(-1.0)), 0.0,
                1e-9);
    EXPECT_LT((systems::find_shape(drawing, "goal").points - GripperPusher::goal(2)).norm(), 1e-12);
    // The fingers' middle is the gripper centre; they are 0.4 m apart.
    const Vector<2> left = systems::find_shape(drawing, "left finger").points.rowwise().mean();
    const Vector<2> right = systems::find_shape(drawing, "right finger").points.rowwise().mean();
    EXPECT_LT((0.5 * (left + right) - x.segment(8, 2)).norm(), 2e-3);
    EXPECT_NEAR((left - right).norm(), 0.4, 1e-12);
    const MatrixX& arm = systems::find_shape(drawing, "arm").points;
    EXPECT_TRUE(arm.col(0).isZero(0.0));
    for (int j = 0; j < 3; ++j) EXPECT_NEAR((arm.col(j + 1) - arm.col(j)).norm(), 0.4, 1e-12);
  }
}

TEST(GripperPusher, SuccessIsABoxCloseToTheGoal) {
  const Task& task = find_task("gripper_pusher");
  Rollouts<> rollouts(100, 1, 20, 4);
  rollouts.x[99].col(0).setZero();
  for (const double distance : {0.09, 0.11}) {
    rollouts.x[99].col(0).segment(13, 2) = distance * Vector<2>(0.6, -0.8);
    EXPECT_NEAR(task.distance(rollouts, 0, 0), distance, 1e-12);
    EXPECT_EQ(task.success(rollouts, 0, 0), distance < 0.1);
  }
}

}  // namespace
}  // namespace pilqr
