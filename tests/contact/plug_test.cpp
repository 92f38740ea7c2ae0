// The plug: its state, its arm, that it goes in by feedback and only through the hole, the hole's
// play, friction, energy, penetration, cost, conditions, drawing, success.

#include "pilqr/systems/plug.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <numbers>

#include "contact_support.hpp"
#include "pilqr/systems/contact_tasks.hpp"

namespace pilqr {
namespace {

using systems::Drawing;
using systems::Plug;
using test::Random;
using test::TestLink;
using test::trajectory;

/// Two rods of 0.25 kg; a rod of 0.1 m and 0.1 kg, then the plug, 0.08 x 0.04 m and 0.1 kg.
const TestLink rod{0.4, 0.25, 0.2, 0.25 * 0.16 / 12.0};
const double centre = 0.5 * (0.05 + 0.14);
const double hand_inertia = 0.1 * (0.01 / 12.0 + std::pow(0.05 - centre, 2)) +
                            0.1 * (0.008 / 12.0 + std::pow(0.14 - centre, 2));
const std::vector<TestLink> links{rod, rod, {0.18, 0.2, centre, hand_inertia}};

const Vector<2> mouth(0.75, 0.0);

MatrixX controls(std::uint64_t seed) {
  Random random(seed);
  return test::wandering_controls(random, 3, 99, 1.5);
}

/// The point of the hand `along` from the wrist, and the plug's angle.
Vector<3> pose(const VectorX& q, double along) {
  Vector<3> p = Vector<3>::Zero();
  for (int j = 0; j < 3; ++j) {
    p(2) += q(j);
    p.head(2) += (j < 2 ? 0.4 : along) * Vector<2>(std::cos(p(2)), std::sin(p(2)));
  }
  return p;
}
Vector<2> tip(const VectorX& q) {
  return pose(q, 0.18).head(2);
}

/// d [tip, angle] / dq.
Matrix<3, 3> jacobian(const VectorX& q) {
  constexpr double e = 1e-6;
  Matrix<3, 3> J;
  for (int j = 0; j < 3; ++j) {
    const VectorX step = e * VectorX::Unit(3, j);
    J.col(j) = (pose(q + step, 0.18) - pose(q - step, 0.18)) / (2.0 * e);
  }
  return J;
}

/// Torques of a force at the tip (N) and of a spring that turns the plug back to its angle 0.
Vector<3> push(const VectorX& x, const Vector<2>& force) {
  const VectorX q = x.head(3);
  return jacobian(q).transpose() * Vector<3>(force(0), force(1), -15.0 * q.sum());
}

/// The same with springs that pull the tip to a place, by no more than 4 N along the hole and 2 N
/// across (no torque reaches its limit, which would turn the force), and what the damping of the
/// joints takes at the velocity of that place.
Vector<3> pull(const VectorX& x, const Vector<2>& place,
               const Vector<2>& velocity = Vector<2>::Zero()) {
  const Vector<2> force = Vector<2>(150.0, 40.0).cwiseProduct(place - tip(x.head(3)));
  const Vector<2> most(4.0, 2.0);
  const Matrix<3, 3> J = jacobian(x.head(3));
  return push(x, force.cwiseMax(-most).cwiseMin(most)) +
         2.0 * J.inverse() * Vector<3>(velocity(0), velocity(1), 0.0);
}

/// What came of a scripted episode.
struct Outcome {
  VectorX last;            ///< state
  double deepest = -1.0;   ///< overlap with the socket at the ends of all periods, m
  double insertion = 0.0;  ///< m
};

/// The plug is led in front of the hole, `offset` beside its middle, and then straight ahead by 10
/// mm more than it can go.
Outcome insert(int condition, double offset) {
  Plug system;
  RandomStream stream({});
  Vector<14> x;
  system.reset(condition, stream, x);
  const Vector<2> start = tip(x.head(3));
  const auto place = [&](int t) {
    const Vector<2> before = mouth + Vector<2>(-0.03, offset);
    const double approach = std::min(1.0, t / 25.0);
    const double ahead = std::clamp((t - 40) / 40.0, 0.0, 1.0);
    return Vector<2>(start + approach * (before - start) + ahead * Vector<2>(0.1, 0.0));
  };
  Outcome outcome;
  for (int t = 0; t < 99; ++t) {
    const Vector<2> velocity = (place(t + 1) - place(t)) / Plug::dt;
    system.step(t, x, pull(x, place(t), velocity), stream, x);
    outcome.deepest = std::max(outcome.deepest, test::deepest_overlap(Plug::draw(x)));
  }
  outcome.last = x;
  outcome.insertion = Plug::insertion(x);
  return outcome;
}

TEST(Plug, StateFollowsFromTheJoints) {
  Plug system;
  const MatrixX states = trajectory(system, 1, controls(1));
  for (int t = 0; t < cols(states); ++t) {
    const VectorX q = states.col(t).head(3);
    const VectorX dq = states.col(t).segment(3, 3);
    for (const bool rear : {false, true}) {
      const double along = rear ? 0.1 : 0.18;
      const Vector<2> place = mouth + Vector<2>(rear ? -0.02 : 0.06, 0.0);
      const Vector<2> error = states.col(t).segment(rear ? 8 : 6, 2);
      EXPECT_LT((error - (pose(q, along).head(2) - place)).norm(), 5e-4) << t;
      const double e = 1e-6;
      const Vector<2> v = (pose(q + e * dq, along) - pose(q - e * dq, along)).head(2) / (2.0 * e);
      const Vector<2> velocity = states.col(t).segment(rear ? 12 : 10, 2);
      EXPECT_LT((velocity - v).norm(), 0.03 * (1.0 + v.norm())) << t;
    }
  }
}

TEST(Plug, ArmHasItsMassMatrix) {
  // From rest under torques so small that nothing turns far: 20 implicit steps of
  // (M + h b) dq+ = M dq + h torque, with the mass matrix of the first position.
  Random random(71);
  for (int condition = 0; condition < Plug::conditions; ++condition) {
    Plug system;
    const VectorX torque = 0.1 * random.vector(3);
    const MatrixX states = trajectory(system, condition, torque);
    const MatrixX M = test::mass_matrix(links, 0.04, states.col(0).head(3));
    constexpr double h = 0.0025;
    MatrixX A = M;
    A.diagonal().array() += h * 2.0;
    VectorX dq = VectorX::Zero(3);
    for (int i = 0; i < 20; ++i) dq = A.inverse() * (M * dq + h * torque);
    EXPECT_LT((states.col(1).segment(3, 3) - dq).norm(), 0.002 * dq.norm()) << condition;
  }
}

TEST(Plug, GoesInByFeedback) {
  for (int condition = 0; condition < Plug::conditions; ++condition) {
    const Outcome outcome = insert(condition, 0.0);
    EXPECT_GT(outcome.insertion, Plug::success_depth) << condition;
    EXPECT_LT(outcome.insertion, Plug::depth + 5e-4) << condition;  // the bottom holds
    EXPECT_LT(outcome.deepest, 5e-4) << condition;
    EXPECT_LT(outcome.last.segment(6, 4).norm(), 6e-3) << condition;
  }
}

TEST(Plug, GoesInOnlyThroughTheHole) {
  // 1 mm less than the play goes in, 5 mm more than it or a place beside the hole do not.
  for (const double side : {-1.0, 1.0}) {
    EXPECT_GT(insert(0, side * 0.002).insertion, Plug::success_depth);
    for (const double offset : {0.008, 0.06}) {
      const Outcome outcome = insert(0, side * offset);
      EXPECT_LT(outcome.insertion, 1e-3) << offset;
      EXPECT_LT(std::abs(outcome.last(6) + 0.06), 5e-3) << offset;  // it stands at the face
      EXPECT_LT(outcome.deepest, 5e-4) << offset;
    }
  }
}

TEST(Plug, HasThePlayOfTheClearance) {
  // In the hole and pulled to the side, the plug moves by 3 mm less twice the skin of 0.1 mm.
  for (const double side : {-1.0, 1.0}) {
    Plug system;
    RandomStream stream({});
    Vector<14> x;
    system.reset(0, stream, x);
    for (int t = 0; t < 200; ++t) {
      const double along = -0.03 + 0.06 * std::min(1.0, t / 80.0);
      const double across = t < 100 ? 0.0 : side * 0.02;
      system.step(t, x, pull(x, mouth + Vector<2>(along, across)), stream, x);
    }
    ASSERT_GT(Plug::insertion(x), 0.02);
    const Drawing drawing = Plug::draw(x);
    const MatrixX& plug = systems::find_shape(drawing, "plug").points;
    const double reached = (side * plug.row(1)).maxCoeff() - 0.02;
    EXPECT_NEAR(reached, 0.003, 4e-4);
  }
}

TEST(Plug, SlidesAlongTheFaceWhenThePushExceedsFriction) {
  // Pressed on the face beside the hole with 5 N the plug rests under less than 0.2 x 5 N across.
  for (const double across : {0.6, 1.6}) {
    Plug system;
    RandomStream stream({});
    Vector<14> x;
    system.reset(1, stream, x);
    for (int t = 0; t < 80; ++t) {  // to the face
      system.step(t, x, pull(x, mouth + Vector<2>(0.02, 0.12)), stream, x);
    }
    for (int t = 0; t < 20; ++t) system.step(t, x, push(x, {5.0, 0.0}), stream, x);
    ASSERT_NEAR(x(6), -0.06, 1e-3);  // on the face
    const double from = x(7);
    for (int t = 0; t < 20; ++t) system.step(t, x, push(x, {5.0, across}), stream, x);
    if (across < 1.0) {
      EXPECT_LT(std::abs(x(7) - from), 5e-4);
    } else {
      EXPECT_GT(x(7) - from, 5e-3);
    }
    EXPECT_NEAR(x(6), -0.06, 1e-3);
  }
}

TEST(Plug, ContactsCreateNoEnergyAndPenetrationIsFarBelowTheClearance) {
  double deepest = -1.0;
  for (int condition = 0; condition < Plug::conditions; ++condition) {
    for (std::uint64_t seed = 40; seed < 52; ++seed) {
      Plug system;
      const MatrixX u = controls(seed);
      const MatrixX states = trajectory(system, condition, u);
      const auto energy = [](const VectorX& x) {
        return test::kinetic_energy(links, 0.04, x.head(3), x.segment(3, 3));
      };
      for (int t = 0; t < cols(u); ++t) {
        const VectorX turned = states.col(t + 1).head(3) - states.col(t).head(3);
        const double work = u.col(t).cwiseMax(-2.0).cwiseMin(2.0).dot(turned);
        EXPECT_LT(energy(states.col(t + 1)) - energy(states.col(t)), work + 2e-3)
            << "condition " << condition << ", seed " << seed << ", t " << t;
        deepest = std::max(deepest, test::deepest_overlap(Plug::draw(states.col(t))));
      }
    }
  }
  EXPECT_LT(deepest, 0.25 * Plug::clearance);
  EXPECT_GT(deepest, -2e-4);  // the socket was touched
}

TEST(Plug, ConditionsAreApartAndAStraightWayLeadsIntoTheWall) {
  const Matrix<3, 4> begin = [] {  // tip from the mouth, and the angle, roughly
    Matrix<3, 4> all;
    all << -0.12, -0.12, -0.12, -0.06, 0.0, 0.06, -0.06, 0.09, 0.0, 0.0, 0.0, -0.3;
    return all;
  }();
  const MatrixX plug =
      (MatrixX(2, 4) << 0.0, 0.0, -0.08, -0.08, -0.02, 0.02, 0.02, -0.02).finished();
  for (int condition = 0; condition < Plug::conditions; ++condition) {
    const VectorX q = Plug::start(condition).head(3);
    Vector<3> start = pose(q, 0.18);
    start.head(2) -= mouth;
    EXPECT_LT((start - begin.col(condition)).norm(), 5e-3) << condition;
    // The plug on the straight way of the tip, turning evenly.
    const Drawing drawing = Plug::draw(Plug::start(condition));
    double deepest = -1.0;
    for (int i = 0; i <= 100; ++i) {
      const Vector<3> at = start + 0.01 * i * (Vector<3>(0.0595, 0.0, 0.0) - start);
      Matrix<2, 2> turn;
      turn << std::cos(at(2)), -std::sin(at(2)), std::sin(at(2)), std::cos(at(2));
      const MatrixX corners = (turn * plug).colwise() + (mouth + at.head(2));
      for (const systems::Shape& shape : drawing) {
        if (shape.role != systems::ShapeRole::fixed) continue;
        deepest = std::max(deepest, test::overlap(corners, shape.points));
      }
    }
    if (condition == 0) {
      EXPECT_LT(deepest, 0.0);
    } else {
      EXPECT_GT(deepest, 0.005) << condition;
    }
  }
}

TEST(Plug, CostIsThatOfTheFormula) {
  Random random(50);
  for (const int t : {0, 10, 60, 99}) {
    const VectorX x = random.vector(14);
    const VectorX u = random.vector(3);
    const double w = std::pow((t + 1) / 100.0, 2);
    const double d2 = x.segment(6, 4).squaredNorm();
    const double expected =
        0.5 * 10.0 * w * d2 + 0.5 * std::log(1e-5 + w * w * d2) + 0.5 * 1e-3 * u.squaredNorm();
    EXPECT_NEAR(Plug::cost(1)(t, x, u), expected, 1e-12 * std::abs(expected)) << t;
  }
}

TEST(Plug, CostTellsATurnedPlug) {
  // The tip in its place, the plug turned about it: only the rear is off.
  const CostSum cost = Plug::cost(0);
  const VectorX u = VectorX::Zero(3);
  double last = cost(99, VectorX::Zero(14), u);
  for (const double angle : {0.1, 0.3, 1.0}) {
    VectorX x = VectorX::Zero(14);
    x.segment(8, 2) = 0.08 * Vector<2>(1.0 - std::cos(angle), -std::sin(angle));
    EXPECT_GT(cost(99, x, u), last);
    last = cost(99, x, u);
  }
}

TEST(Plug, DrawingShowsTheState) {
  Plug system;
  const MatrixX states = trajectory(system, 3, controls(51));
  for (const int t : {0, 50, 99}) {
    const VectorX x = states.col(t);
    const Drawing drawing = Plug::draw(x);
    const MatrixX& plug = systems::find_shape(drawing, "plug").points;
    const Vector<2> middle = 0.5 * (x.segment(6, 2) + x.segment(8, 2)) + mouth;
    EXPECT_LT((plug.rowwise().mean() - middle - Vector<2>(0.02, 0.0)).norm(), 5e-4);
    EXPECT_NEAR((plug.col(1) - plug.col(0)).norm(), 0.04, 1e-12);
    EXPECT_NEAR((plug.col(2) - plug.col(1)).norm(), 0.08, 1e-12);
    const MatrixX& arm = systems::find_shape(drawing, "arm").points;
    EXPECT_TRUE(arm.col(0).isZero(0.0));
    // A hole of 46 mm, 60 mm deep.
    const MatrixX& left = systems::find_shape(drawing, "left of the hole").points;
    const MatrixX& right = systems::find_shape(drawing, "right of the hole").points;
    EXPECT_NEAR(left.row(1).minCoeff(), 0.023, 1e-12);
    EXPECT_NEAR(right.row(1).maxCoeff(), -0.023, 1e-12);
    EXPECT_NEAR(left.row(0).minCoeff(), mouth(0), 1e-12);
    EXPECT_NEAR(systems::find_shape(drawing, "bottom").points.row(0).minCoeff(), mouth(0) + 0.06,
                1e-12);
  }
}

TEST(Plug, SuccessIsAPlugThatIsFullyIn) {
  const Task& task = find_task("plug");
  Rollouts<> rollouts(100, 1, 14, 3);
  rollouts.x[99].col(0).setZero();
  const auto at = [&](double along, double across) {  // the tip, from the middle of the mouth
    rollouts.x[99].col(0).segment(6, 2) << along - 0.06, across;
    return task.distance(rollouts, 0, 0);
  };
  EXPECT_NEAR(at(-0.12, 0.01), 0.18, 1e-12);
  EXPECT_FALSE(task.success(rollouts, 0, 0));
  EXPECT_NEAR(at(0.056, 0.0), 0.004, 1e-12);
  EXPECT_FALSE(task.success(rollouts, 0, 0));
  EXPECT_NEAR(at(0.058, 0.002), 0.002, 1e-12);
  EXPECT_TRUE(task.success(rollouts, 0, 0));
  EXPECT_EQ(at(0.0601, 0.0), 0.0);  // pressed into the bottom
  EXPECT_TRUE(task.success(rollouts, 0, 0));
  EXPECT_NEAR(at(0.06, 0.45), 0.06, 1e-12);  // round the socket's end
  EXPECT_FALSE(task.success(rollouts, 0, 0));
}

}  // namespace
}  // namespace pilqr
