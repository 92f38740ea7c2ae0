// The arm of Box2D bodies against its analytic mass matrix; sliding friction; energy in contact.

#include "contact/arm.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <numbers>

#include "contact_support.hpp"

namespace pilqr {
namespace {

using test::Random;
using test::TestLink;

constexpr double h = 0.0025;

/// Two rods and an end with its mass off the joint; the numbers once more for the oracle.
contact::ArmOptions options() {
  return {.base = {0.3, -0.2},
          .links = {contact::rod(0.3, 0.4),
                    contact::rod(0.2, 0.3),
                    {0.1, {.mass = 0.15, .center = {0.05, 0.0}, .about_center = 0.004}}},
          .rotor = 0.04,
          .damping = 0.5};
}
const std::vector<TestLink> links{{0.4, 0.3, 0.2, 0.3 * 0.16 / 12.0},
                                  {0.3, 0.2, 0.15, 0.2 * 0.09 / 12.0},
                                  {0.1, 0.15, 0.05, 0.004}};

/// d/dt [q, dq] by the Euler-Lagrange equation, derivatives with respect to q by differences.
VectorX euler_lagrange(const VectorX& s, const VectorX& torque) {
  const int n = rows(torque);
  const VectorX q = s.head(n);
  const VectorX dq = s.tail(n);
  VectorX force = torque - 0.5 * dq;
  constexpr double e = 1e-5;
  for (int i = 0; i < n; ++i) {
    const VectorX step = e * VectorX::Unit(n, i);
    const MatrixX dM =
        (test::mass_matrix(links, 0.04, q + step) - test::mass_matrix(links, 0.04, q - step)) /
        (2.0 * e);
    force(i) += 0.5 * dq.dot(dM * dq);
    force -= dM * dq * dq(i);
  }
  VectorX ds(2 * n);
  ds << dq, test::mass_matrix(links, 0.04, q).inverse() * force;
  return ds;
}

/// The state after `duration` seconds from rest, by Runge-Kutta.
VectorX solution(const VectorX& q, const VectorX& torque, double duration) {
  constexpr int substeps = 40;
  const double dt = duration / substeps;
  VectorX s = VectorX::Zero(2 * q.size());
  s.head(q.size()) = q;
  for (int i = 0; i < substeps; ++i) {
    const VectorX a = euler_lagrange(s, torque);
    const VectorX b = euler_lagrange(s + 0.5 * dt * a, torque);
    const VectorX c = euler_lagrange(s + 0.5 * dt * b, torque);
    const VectorX d = euler_lagrange(s + dt * c, torque);
    s += dt / 6.0 * (a + 2.0 * b + 2.0 * c + d);
  }
  return s;
}

/// The same by the arm with a substep of its own.
VectorX simulation(const VectorX& q, const VectorX& torque, double duration, double substep,
                   double scale = contact::usual_scale) {
  contact::World world(substep, scale);
  contact::Arm arm(world, options(), q);
  contact::drive_for(duration, world, arm, torque);
  VectorX s(2 * q.size());
  arm.read(s.head(q.size()), s.tail(q.size()));
  return s;
}

TEST(ContactArm, StartsInItsPose) {
  const VectorX q = Vector<3>(0.4, -1.9, 2.5);
  contact::World world(h);
  const contact::Arm arm(world, options(), q);
  VectorX read(3);
  VectorX dq(3);
  arm.read(read, dq);
  EXPECT_LT((read - q).norm(), 1e-6);
  EXPECT_TRUE(dq.isZero(0.0));
  const MatrixX points = contact::chain_points({0.3, -0.2}, {0.4, 0.3, 0.1}, q);
  for (int j = 0; j < 3; ++j) {
    EXPECT_LT((world.position(arm.link(j)) - points.col(j)).norm(), 1e-6);
  }
}

TEST(ContactArm, FirstStepIsTheImplicitStepOfTheMassMatrix) {
  // From rest: (M + a + h b) dq = h torque.
  Random random(71);
  for (int sample = 0; sample < 20; ++sample) {
    const VectorX q = 2.0 * random.vector(3);
    const VectorX torque = random.vector(3);
    MatrixX A = test::mass_matrix(links, 0.04, q);
    A.diagonal().array() += h * 0.5;
    const VectorX expected = h * A.inverse() * torque;
    const VectorX dq = simulation(q, torque, h, h).tail(3);
    EXPECT_LT((dq - expected).norm(), 0.01 * expected.norm()) << "q " << q.transpose();
  }
}

TEST(ContactArm, ConvergesToTheEulerLagrangeEquation) {
  // Of first order in the substep.
  Random random(72);
  double ratio = 0.0;
  constexpr int samples = 6;
  for (int sample = 0; sample < samples; ++sample) {
    const VectorX q = 2.0 * random.vector(3);
    const VectorX torque = random.vector(3);
    const VectorX exact = solution(q, torque, 0.3);
    const double coarse = (simulation(q, torque, 0.3, 0.01) - exact).norm();
    const double fine = (simulation(q, torque, 0.3, 0.005) - exact).norm();
    EXPECT_LT((simulation(q, torque, 0.3, h) - exact).norm(), 0.02 * exact.tail(3).norm())
        << "q " << q.transpose();
    ratio += coarse / fine / samples;
  }
  EXPECT_NEAR(ratio, 2.0, 0.3);
}

TEST(ContactArm, MovesAlikeInWorldsOfEveryScale) {
  // Forces, torques and inertias carry powers of the scale: one too many would be a factor of 10.
  Random random(74);
  for (int sample = 0; sample < 6; ++sample) {
    const VectorX q = 2.0 * random.vector(3);
    const VectorX torque = random.vector(3);
    const VectorX expected = simulation(q, torque, 0.3, h);
    for (const double scale : {20.0, 100.0}) {
      EXPECT_LT((simulation(q, torque, 0.3, h, scale) - expected).norm(),
                0.01 * expected.tail(3).norm())
          << "scale " << scale << ", q " << q.transpose();
    }
  }
}

TEST(ContactArm, JointsHoldTogether) {
  contact::World world(h);
  contact::Arm arm(world, options(), Vector<3>(0.1, 0.2, 0.3));
  Random random(73);
  for (int t = 0; t < 60; ++t) {
    contact::drive_for(0.05, world, arm, 2.0 * random.vector(3));
    VectorX q(3);
    VectorX dq(3);
    arm.read(q, dq);
    const MatrixX points = contact::chain_points({0.3, -0.2}, {0.4, 0.3, 0.1}, q);
    for (int j = 0; j < 3; ++j) {
      EXPECT_LT((world.position(arm.link(j)) - points.col(j)).norm(), 2e-3) << "step " << t;
    }
  }
}

TEST(ContactArm, PressesWithItsTorqueAtRest) {
  // A torque against a wall: the rotor rests and takes no part of it. The lever is 0.4 m.
  for (const double scale : {contact::usual_scale, 100.0}) {
    contact::World world(h, scale);
    contact::ArmOptions one{.links = {contact::rod(0.3, 0.4)}, .rotor = 0.04, .damping = 0.5};
    contact::Arm arm(world, one, Vector<1>(0.0));
    world.add_circle(arm.link(0), {0.4, 0.0}, 0.02, {.friction = 0.0});
    world.add_box(world.floor(), {.center = {0.4, 0.07}, .width = 0.1, .height = 0.1}, {});
    contact::drive_for(1.0, world, arm, Vector<1>(1.2));
    const b2ContactEdge* edge = arm.link(0).GetContactList();
    ASSERT_NE(edge, nullptr);
    ASSERT_TRUE(edge->contact->IsTouching());
    const double impulse =
        static_cast<double>(edge->contact->GetManifold()->points[0].normalImpulse);
    // An impulse of Box2D is in kg lengths / s.
    EXPECT_NEAR(impulse / (h * world.scale()), 1.2 / 0.4, 0.03);
  }
}

TEST(SlidingFriction, StopsABoxWhereTheFormulaSays) {
  // v^2 / (2 mu g) after v / (mu g); the substeps take v h / 2 off the distance.
  constexpr double mu = 0.3;
  constexpr double v = 1.2;
  for (const double scale : {contact::usual_scale, 100.0}) {
    contact::World world(h, scale);
    b2Body& box = world.add_body({}, {.mass = 0.2, .about_center = 1e-3});
    world.add_box(box, {.width = 0.1, .height = 0.1}, {});
    world.add_sliding_friction(box, mu, 0.04);
    box.SetLinearVelocity(world.to_world({v, 0.0}));
    double time = 0.0;
    for (; world.velocity(box).norm() > 1e-6 && time < 2.0; time += h) world.step();
    EXPECT_NEAR(time, v / (mu * contact::gravity), h);
    EXPECT_NEAR(world.position(box)(0), v * v / (2.0 * mu * contact::gravity) - 0.5 * v * h, 1e-3);
    EXPECT_NEAR(world.position(box)(1), 0.0, 1e-6);
    const Vector<2> rest = world.position(box);
    for (int i = 0; i < 100; ++i) world.step();
    EXPECT_EQ(world.position(box), rest);
  }
}

TEST(SlidingFriction, StopsASpin) {
  // w I / (mu m g r).
  for (const double scale : {contact::usual_scale, 100.0}) {
    contact::World world(h, scale);
    b2Body& box = world.add_body({}, {.mass = 0.2, .about_center = 1e-3});
    world.add_sliding_friction(box, 0.3, 0.04);
    box.SetAngularVelocity(5.0F);
    double time = 0.0;
    for (; std::abs(box.GetAngularVelocity()) > 1e-6F && time < 2.0; time += h) world.step();
    EXPECT_NEAR(time, 5.0 * 1e-3 / (0.3 * 0.2 * contact::gravity * 0.04), 1.5 * h);
    EXPECT_LT(world.position(box).norm(), 1e-6);
  }
}

TEST(SlidingFriction, MeanRadiusOfASquare) {
  constexpr int n = 400;
  double sum = 0.0;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) sum += std::hypot((i + 0.5) / n - 0.5, (j + 0.5) / n - 0.5);
  }
  EXPECT_NEAR(sum / (n * n), contact::mean_radius_of_square, 1e-5);
}

}  // namespace
}  // namespace pilqr
