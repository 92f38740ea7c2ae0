// The door: its state, that it cannot be pushed open, energy, cost, conditions, drawing, success.

#include "pilqr/systems/door.hpp"

#include <gtest/gtest.h>

#include <numbers>

#include "contact_support.hpp"
#include "pilqr/systems/contact_tasks.hpp"

namespace pilqr {
namespace {

using systems::Door;
using systems::Drawing;
using test::Random;
using test::TestLink;
using test::trajectory;

/// The middle of the hook's finger over its base.
Vector<2> hook(const VectorX& q) {
  Vector<2> p = Vector<2>::Zero();
  double angle = 0.0;
  for (int j = 0; j < 3; ++j) {
    angle += q(j);
    p += (j < 2 ? 0.4 : 0.15) * Vector<2>(std::cos(angle), std::sin(angle));
  }
  return p + 0.04 * Vector<2>(-std::sin(angle), std::cos(angle));
}

/// The place behind the handle, 0.34 m along the door and 0.075 m in front of it.
Vector<2> grip(double opened) {
  const Vector<2> along(std::cos(opened), -std::sin(opened));
  return Vector<2>(-0.2, 0.75) + 0.34 * along - 0.075 * Vector<2>(-along(1), along(0));
}

MatrixX controls(std::uint64_t seed) {
  Random random(seed);
  return test::wandering_controls(random, 3, 99, 1.5);
}

TEST(Door, StateFollowsFromJointsAndHinge) {
  for (int condition = 0; condition < Door::conditions; ++condition) {
    Door system;
    const MatrixX states = trajectory(system, condition, controls(1));
    const Vector<2> base(condition % 2 == 0 ? 0.4 : 0.5, condition < 2 ? 0.0 : 0.1);
    for (int t = 0; t < cols(states); ++t) {
      const VectorX q = states.col(t).head(3);
      const VectorX dq = states.col(t).segment(3, 3);
      const Vector<2> p = base + hook(q);
      EXPECT_LT((states.col(t).segment(6, 2) - p).norm(), 2e-3) << t;
      EXPECT_LT((states.col(t).segment(8, 2) - (p - grip(states(12, t)))).norm(), 3e-3) << t;
      const double e = 1e-6;
      const Vector<2> v = (hook(q + e * dq) - hook(q - e * dq)) / (2.0 * e);
      EXPECT_LT((states.col(t).segment(10, 2) - v).norm(), 0.03 * (1.0 + v.norm())) << t;
    }
  }
}

TEST(Door, CannotBePushedOpen) {
  // All torques press the stretched arm against the door, wherever it is hit.
  double pressed = -1.0;
  for (const double q1_torque : {0.5, 1.0, 2.0}) {
    for (const double q3_torque : {-1.0, 0.0, 1.0}) {
      MatrixX u(3, 99);
      u.colwise() = Vector<3>(q1_torque, -2.0, q3_torque);
      Door system;
      const MatrixX states = trajectory(system, 0, u);
      for (int t = 0; t < cols(states); ++t) {
        EXPECT_GT(states(12, t), -0.02) << "t " << t;  // the stop holds
        EXPECT_LT(states(12, t), 0.2) << "t " << t;    // grazing the handle may move it a little
        pressed = std::max(pressed, test::deepest_overlap(Door::draw(states.col(t))));
      }
    }
  }
  EXPECT_GT(pressed, -0.003);  // something was touched
}

TEST(Door, ContactsCreateNoEnergy) {
  const TestLink rod{0.4, 0.25, 0.2, 0.25 * 0.16 / 12.0};
  // Shaft 0.1 kg, finger 0.05 kg; the centre of mass is off the shaft, so the energy of the hook is
  // that of two thin rods, summed here about the joint of the hook.
  const auto energy = [&](const VectorX& x) {
    const VectorX q = x.head(3);
    const VectorX dq = x.segment(3, 3);
    double E = test::kinetic_energy({rod, rod, {0.0, 0.0, 0.0, 0.0}}, 0.04, q, dq);
    const double e = 1e-6;
    for (int i = 0; i < 40; ++i) {  // points of mass along shaft and finger
      const bool on_shaft = i < 20;
      const double s = (i % 20 + 0.5) / 20.0;
      const auto point = [&](const VectorX& p) {
        const double a = p(0);
        const double b = a + p(1);
        const double c = b + p(2);
        const Vector<2> wrist(0.4 * std::cos(a) + 0.4 * std::cos(b),
                              0.4 * std::sin(a) + 0.4 * std::sin(b));
        const double along = on_shaft ? 0.15 * s : 0.15;
        const double across = on_shaft ? 0.0 : 0.08 * s;
        return Vector<2>(wrist + along * Vector<2>(std::cos(c), std::sin(c)) +
                         across * Vector<2>(-std::sin(c), std::cos(c)));
      };
      const Vector<2> v = (point(q + e * dq) - point(q - e * dq)) / (2.0 * e);
      E += 0.5 * (on_shaft ? 0.1 : 0.05) / 20.0 * v.squaredNorm();
    }
    return E + 0.5 * (1.0 * 0.16 / 3.0) * x(13) * x(13);  // the door about its hinge
  };
  double opened = 0.0;
  for (int condition = 0; condition < Door::conditions; ++condition) {
    for (std::uint64_t seed = 40; seed < 44; ++seed) {
      Door system;
      const MatrixX u = controls(seed);
      const MatrixX states = trajectory(system, condition, u);
      for (int t = 0; t < cols(u); ++t) {
        const VectorX turned = states.col(t + 1).head(3) - states.col(t).head(3);
        const double work = u.col(t).cwiseMax(-2.0).cwiseMin(2.0).dot(turned);
        EXPECT_LT(energy(states.col(t + 1)) - energy(states.col(t)), work + 4e-3)
            << "condition " << condition << ", seed " << seed << ", t " << t;
        opened = std::max(opened, std::abs(states(13, t)));
      }
    }
  }
  EXPECT_GT(opened, 0.0);
}

TEST(Door, CostIsThatOfTheFormula) {
  Random random(50);
  for (const int t : {0, 10, 24, 25, 60, 99}) {
    const VectorX x = random.vector(14);
    const VectorX u = random.vector(3);
    const double reach = t < 25 ? (t + 1) / 25.0 : 1.0;
    const double open = t < 25 ? 0.0 : std::pow((t - 24) / 75.0, 2);
    const auto norm = [](const VectorX& d, double w, double l1, double l2) {
      return 0.5 * l2 * w * d.squaredNorm() + l1 * std::sqrt(1e-5 + w * w * d.squaredNorm());
    };
    const double expected = norm(x.segment(8, 2), reach, 0.5, 20.0) +
                            4.0 * norm(Vector<1>(x(12) - 1.4), open, 0.1, 2.0) +
                            0.5 * 1e-3 * u.squaredNorm();
    EXPECT_NEAR(Door::cost(1)(t, x, u), expected, 1e-12 * expected) << t;
  }
}

TEST(Door, DrawingShowsTheState) {
  Door system;
  const MatrixX states = trajectory(system, 3, controls(51));
  for (const int t : {0, 50, 99}) {
    VectorX x = states.col(t);
    const Drawing drawing = Door::draw(x);
    const Vector<2> finger = systems::find_shape(drawing, "finger").points.rowwise().mean();
    EXPECT_LT((finger - x.segment(6, 2)).norm(), 1e-12);
    const MatrixX& arm = systems::find_shape(drawing, "arm").points;
    EXPECT_LT((arm.col(0) - Vector<2>(0.5, 0.1)).norm(), 2e-3);
    x(12) = 0.5 * std::numbers::pi;  // open: the door points to the arm's side
    const Drawing open = Door::draw(x);
    const Vector<2> middle = systems::find_shape(open, "door").points.rowwise().mean();
    EXPECT_LT((middle - Vector<2>(-0.2, 0.55)).norm(), 1e-12);
    EXPECT_LT((systems::find_shape(open, "handle").points - Vector<2>(-0.305, 0.41)).norm(), 1e-12);
  }
}

TEST(Door, SuccessIsADoorOpenedByMoreThanOneRadian) {
  const Task& task = find_task("door");
  Rollouts<> rollouts(100, 1, 14, 3);
  rollouts.x[99].col(0).setZero();
  for (const double angle : {0.0, 0.05, 0.99, 1.01, 2.0}) {
    rollouts.x[99](12, 0) = angle;
    EXPECT_NEAR(task.distance(rollouts, 0, 0), std::max(0.0, 1.4 - angle), 1e-12);
    EXPECT_EQ(task.success(rollouts, 0, 0), angle > 1.0);
  }
}

}  // namespace
}  // namespace pilqr
