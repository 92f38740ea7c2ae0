// Hockey: its state, that the goal is out of reach and stops the puck, energy, cost, drawing,
// success.

#include "pilqr/systems/hockey.hpp"

#include <gtest/gtest.h>

#include "contact_support.hpp"
#include "pilqr/systems/contact_tasks.hpp"

namespace pilqr {
namespace {

using systems::Drawing;
using systems::Hockey;
using test::Random;
using test::TestLink;
using test::trajectory;

/// Two rods of 0.2 kg; stick 0.2 m, 0.1 kg and blade 0.05 kg, 0.15 m: centre of mass at 2/3 of it.
const TestLink rod{0.3, 0.2, 0.15, 0.2 * 0.09 / 12.0};
const double centre = (0.1 * 0.1 + 0.05 * 0.2) / 0.15;
const double stick_inertia = 0.1 * (0.04 / 12.0 + std::pow(0.1 - centre, 2)) +
                             0.05 * (0.0225 / 12.0 + std::pow(0.2 - centre, 2));
const std::vector<TestLink> links{rod, rod, {0.2, 0.15, centre, stick_inertia}};

MatrixX controls(std::uint64_t seed) {
  Random random(seed);
  return test::wandering_controls(random, 3, 99, 1.5);
}

Vector<2> blade(const VectorX& q) {
  Vector<2> p = Vector<2>::Zero();
  double angle = 0.0;
  for (int j = 0; j < 3; ++j) {
    angle += q(j);
    p += (j < 2 ? 0.3 : 0.2) * Vector<2>(std::cos(angle), std::sin(angle));
  }
  return p;
}

TEST(Hockey, StateFollowsFromTheJoints) {
  Hockey system;
  const MatrixX states = trajectory(system, 1, controls(1));
  for (int t = 0; t < cols(states); ++t) {
    const VectorX q = states.col(t).head(3);
    const VectorX dq = states.col(t).segment(3, 3);
    EXPECT_LT((states.col(t).segment(6, 2) - blade(q)).norm(), 2e-3) << t;
    const double e = 1e-6;
    const Vector<2> v = (blade(q + e * dq) - blade(q - e * dq)) / (2.0 * e);
    // Box2D holds velocities to the joints as they were a substep ago.
    EXPECT_LT((states.col(t).segment(12, 2) - v).norm(), 0.1 * (1.0 + v.norm())) << t;
    EXPECT_LT((states.col(t).segment(8, 2) - Hockey::goal(1) - states.col(t).segment(10, 2)).norm(),
              1e-12);
  }
}

TEST(Hockey, TheGoalIsOutOfReach) {
  for (int condition = 0; condition < Hockey::conditions; ++condition) {
    const Vector<2> puck = Hockey::puck_start(condition);
    EXPECT_NEAR((Hockey::goal(condition) - puck).norm(), 1.4, 1e-12);
    EXPECT_LT(puck.norm(), 0.8);
    // Even a puck at the end of the stretched arm is not in the goal.
    EXPECT_GT(Hockey::goal(condition).norm() - 0.1 - 0.04, 0.3 + 0.3 + 0.2 + 0.5);
  }
}

TEST(Hockey, ContactsCreateNoEnergyAndAFreePuckBrakes) {
  int sliding = 0;
  for (std::uint64_t seed = 40; seed < 52; ++seed) {
    Hockey system;
    const MatrixX u = controls(seed);
    const MatrixX states = trajectory(system, static_cast<int>(seed % 4), u);
    const auto energy = [](const VectorX& x) {
      return test::kinetic_energy(links, 0.02, x.head(3), x.segment(3, 3)) +
             0.5 * 0.15 * x.segment(14, 2).squaredNorm();  // without the spin, which only brakes
    };
    for (int t = 0; t < cols(u); ++t) {
      const VectorX x = states.col(t);
      const VectorX next = states.col(t + 1);
      const double work = u.col(t).cwiseMax(-2.0).cwiseMin(2.0).dot(next.head(3) - x.head(3));
      EXPECT_LT(energy(next) - energy(x), work + 4e-3) << "seed " << seed << ", t " << t;
      if (test::deepest_overlap(Hockey::draw(x)) > -0.05 ||
          test::deepest_overlap(Hockey::draw(next)) > -0.05)
        continue;
      const double v = x.segment(14, 2).norm();
      EXPECT_NEAR(next.segment(14, 2).norm(), std::max(0.0, v - 0.03 * 9.81 * 0.05), 1e-4);
      sliding += v > 0.1 ? 1 : 0;
    }
  }
  EXPECT_GT(sliding, 10);
}

TEST(Hockey, CostIsThatOfTheFormula) {
  Random random(50);
  for (const int t : {0, 29, 30, 99}) {
    const VectorX x = random.vector(16);
    const VectorX u = random.vector(3);
    const double before = t < 30 ? 1.0 : 0.0;
    const auto norm = [](const VectorX& d, double w) {
      return 0.5 * 10.0 * w * d.squaredNorm() + 0.1 * std::sqrt(1e-5 + w * w * d.squaredNorm());
    };
    const double expected = norm(x.segment(10, 2), 1.0) +
                            norm(x.segment(6, 2) - x.segment(8, 2), before) +
                            0.5 * 1e-3 * u.squaredNorm();
    EXPECT_NEAR(Hockey::cost(2)(t, x, u), expected, 1e-12 * expected) << t;
  }
}

TEST(Hockey, DrawingShowsTheState) {
  Hockey system;
  const MatrixX states = trajectory(system, 3, controls(51));
  for (const int t : {0, 50, 99}) {
    const VectorX x = states.col(t);
    const Drawing drawing = Hockey::draw(x);
    EXPECT_EQ(systems::find_shape(drawing, "puck").points, x.segment(8, 2));
    const Vector<2> middle = systems::find_shape(drawing, "blade").points.rowwise().mean();
    EXPECT_LT((middle - x.segment(6, 2)).norm(), 2e-3);
    const Vector<2> goal = systems::find_shape(drawing, "goal").points.rowwise().mean();
    EXPECT_LT((goal - Hockey::goal(3)).norm(), 1e-12);
    // The walls leave a mouth of 0.3 m.
    EXPECT_NEAR(systems::find_shape(drawing, "left wall").points.row(1).minCoeff() -
                    systems::find_shape(drawing, "right wall").points.row(1).maxCoeff(),
                0.3, 1e-12);
  }
}

TEST(Hockey, SuccessIsAPuckInTheGoal) {
  const Task& task = find_task("hockey");
  Rollouts<> rollouts(100, 1, 16, 3);
  rollouts.x[99].col(0).setZero();
  const auto solved = [&](double x, double y) {
    rollouts.x[99].col(0).segment(10, 2) << x, y;
    EXPECT_NEAR(task.distance(rollouts, 0, 0), std::hypot(x, y), 1e-12);
    return task.success(rollouts, 0, 0);
  };
  EXPECT_TRUE(solved(0.0, 0.0));
  EXPECT_TRUE(solved(-0.09, 0.14));
  EXPECT_FALSE(solved(-0.11, 0.0));  // before the line
  EXPECT_FALSE(solved(0.0, -0.16));  // beside a post
  EXPECT_FALSE(solved(-1.4, 0.0));
}

}  // namespace
}  // namespace pilqr
