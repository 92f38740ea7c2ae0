// The reacher's mechanics by the Euler-Lagrange equation, its targets and its starts.

#include "pilqr/systems/reacher.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>
#include <numbers>

#include "support/golden.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using golden::close;
using systems::Reacher;
using test::Random;

/// The state after one control period.
Vector<8> step(const Vector<8>& x, const Vector<2>& u) {
  RandomStream stream({});
  Vector<8> next;
  Reacher().step(0, x, u, stream, next);
  return next;
}

// --- The arm from first principles: only its kinetic energy is written down. ---

/// Kinetic energy of both rods and the rotors, J.
double kinetic_energy(const Vector<2>& q, const Vector<2>& dq) {
  const auto velocity = [&](double along1, double along2) {
    const double w12 = dq(0) + dq(1);
    return Vector<2>(-along1 * std::sin(q(0)) * dq(0) - along2 * std::sin(q(0) + q(1)) * w12,
                     along1 * std::cos(q(0)) * dq(0) + along2 * std::cos(q(0) + q(1)) * w12);
  };
  const double spin1 = 0.04 * 0.1 * 0.1 / 12.0 * dq(0) * dq(0);
  const double spin2 = 0.044 * 0.11 * 0.11 / 12.0 * (dq(0) + dq(1)) * (dq(0) + dq(1));
  return 0.5 *
         (0.04 * velocity(0.05, 0.0).squaredNorm() + 0.044 * velocity(0.1, 0.055).squaredNorm() +
          spin1 + spin2 + 5e-4 * dq.squaredNorm());
}

/// The mass matrix: the energy is 1/2 dq' M dq.
Matrix<2, 2> mass_matrix(const Vector<2>& q) {
  const double m11 = 2.0 * kinetic_energy(q, {1.0, 0.0});
  const double m22 = 2.0 * kinetic_energy(q, {0.0, 1.0});
  const double m12 = kinetic_energy(q, {1.0, 1.0}) - 0.5 * (m11 + m22);
  return Matrix<2, 2>{{m11, m12}, {m12, m22}};
}

/// d/dt [q, dq] by the Euler-Lagrange equation d/dt (M dq) - dE/dq = torque - damping dq, with
/// derivatives with respect to q by central differences.
Vector<4> euler_lagrange(const Vector<4>& s, const Vector<2>& torque) {
  const Vector<2> q = s.head<2>();
  const Vector<2> dq = s.tail<2>();
  const double h = 1e-4;
  Vector<2> force = torque - 0.01 * dq;
  for (int i = 0; i < 2; ++i) {
    const Vector<2> e = h * Vector<2>::Unit(i);
    const auto fourth_order = [&](const auto& f) {
      return ((8.0 * (f(q + e) - f(q - e)) - (f(q + 2.0 * e) - f(q - 2.0 * e))) / (12.0 * h))
          .eval();
    };
    force(i) +=
        fourth_order([&](const Vector<2>& p) { return Vector<1>(kinetic_energy(p, dq)); })(0);
    force -= fourth_order([&](const Vector<2>& p) { return mass_matrix(p); }) * dq * dq(i);
  }
  Vector<4> derivative;
  derivative << dq, mass_matrix(q).inverse() * force;
  return derivative;
}

/// `duration` seconds by `substeps` Runge-Kutta steps of those mechanics.
Vector<4> integrate(Vector<4> s, const Vector<2>& u, int substeps, double duration = 0.05) {
  const Vector<2> torque = 0.05 * u;
  const double h = duration / substeps;
  for (int i = 0; i < substeps; ++i) {
    const Vector<4> k1 = euler_lagrange(s, torque);
    const Vector<4> k2 = euler_lagrange(s + h / 2.0 * k1, torque);
    const Vector<4> k3 = euler_lagrange(s + h / 2.0 * k2, torque);
    const Vector<4> k4 = euler_lagrange(s + h * k3, torque);
    s += h * (k1 / 6.0 + k2 / 3.0 + k3 / 3.0 + k4 / 6.0);
  }
  return s;
}

/// A full state with random angles and fast joints; the end effector is left out.
Vector<8> random_arm(Random& random) {
  Vector<8> x = Vector<8>::Zero();
  for (int i = 0; i < 2; ++i) {
    x(i) = random.uniform(-3.0, 3.0);
    x(2 + i) = random.uniform(-12.0, 12.0);
  }
  return x;
}

TEST(Reacher, AgreesWithTheEulerLagrangeEquation) {
  Random random(61);
  for (int sample = 0; sample < 20; ++sample) {
    const Vector<8> x = random_arm(random);
    const Vector<2> u(random.uniform(-1.0, 1.0), random.uniform(-1.0, 1.0));
    const Vector<8> next = step(x, u);
    // The same substeps give the same numbers, up to the numerical differentiation.
    EXPECT_TRUE(close(next.head<4>(), integrate(x.head<4>(), u, 5), 1e-9));
    // And these are close to the solution.
    EXPECT_TRUE(close(next.head<4>(), integrate(x.head<4>(), u, 80), 1e-4));
  }
}

TEST(Reacher, SubstepsAreOfFourthOrder) {
  Random random(62);
  double ratio = 0.0;
  constexpr int samples = 10;
  for (int sample = 0; sample < samples; ++sample) {
    const Vector<8> x = random_arm(random);
    const Vector<2> u(0.5, -0.5);
    const Vector<4> exact = integrate(x.head<4>(), u, 80);
    const double error = (step(x, u).head<4>() - exact).norm();
    const double half = (integrate(x.head<4>(), u, 10) - exact).norm();
    ratio += std::log2(error / half) / samples;
  }
  EXPECT_NEAR(ratio, 4.0, 0.3);
}

TEST(Reacher, EnergyIsWorkMinusFriction) {
  // Over one step E' - E is the integral of the power (torque - damping dq)'dq, here by Simpson's
  // rule over the Euler-Lagrange solution; without torque it falls.
  Random random(63);
  for (int sample = 0; sample < 10; ++sample) {
    const Vector<8> x = random_arm(random);
    const Vector<2> u(random.uniform(-1.0, 1.0), random.uniform(-1.0, 1.0));
    const auto energy = [](const Vector<8>& y) {
      return kinetic_energy(y.head<2>(), y.segment<2>(2));
    };
    const double gained = energy(step(x, u)) - energy(x);
    const auto power = [&](const Vector<4>& s) {
      return (0.05 * u - 0.01 * s.tail<2>()).dot(s.tail<2>());
    };
    constexpr int intervals = 40;
    double work = 0.0;
    Vector<4> s = x.head<4>();
    std::vector<double> powers{power(s)};
    for (int i = 0; i < intervals; ++i) {
      s = integrate(s, u, 1, 0.05 / intervals);
      powers.push_back(power(s));
    }
    for (int i = 0; i <= intervals; ++i) {
      const double weight = i == 0 || i == intervals ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0);
      work += weight * powers[static_cast<std::size_t>(i)] * 0.05 / intervals / 3.0;
    }
    EXPECT_NEAR(gained, work, 1e-5 * (energy(x) + 0.01));
    EXPECT_LT(energy(step(x, {0.0, 0.0})), energy(x));
  }
}

TEST(Reacher, EndEffectorFollowsFromTheJoints) {
  Random random(64);
  const auto position = [](double q1, double q2) {
    return Vector<2>(0.1 * std::cos(q1) + 0.11 * std::cos(q1 + q2),
                     0.1 * std::sin(q1) + 0.11 * std::sin(q1 + q2));
  };
  for (int sample = 0; sample < 10; ++sample) {
    const Vector<8> x = step(random_arm(random), {0.3, -0.8});
    EXPECT_TRUE(close(x.segment<2>(4), position(x(0), x(1)), 1e-14));
    const double h = 1e-5;
    const Vector<2> velocity =
        (position(x(0) + h * x(2), x(1) + h * x(3)) - position(x(0) - h * x(2), x(1) - h * x(3))) /
        (2.0 * h);
    EXPECT_TRUE(close(x.segment<2>(6), velocity, 1e-7));
  }
  EXPECT_TRUE(close(Reacher::start().segment<2>(4), Vector<2>(0.21, 0.0), 1e-15));
  EXPECT_TRUE(Reacher::start().head<4>().isZero(0.0));
}

TEST(Reacher, TorqueIsClipped) {
  Random random(65);
  const Vector<8> x = random_arm(random);
  EXPECT_EQ(step(x, {4.0, -1.5}), step(x, {1.0, -1.0}));
  EXPECT_NE(step(x, {0.9, -1.5}), step(x, {1.0, -1.0}));
}

TEST(Reacher, ConditionsAreTargetsInReach) {
  EXPECT_EQ(Reacher::target(0), Vector<2>(-0.08, 0.13));
  RandomStream stream({});
  constexpr int targets = Reacher::conditions + Reacher::held_out;
  constexpr int all = targets + Reacher::held_out_starts;
  for (int condition = 0; condition < all; ++condition) {
    EXPECT_LT(Reacher::target(condition).norm(), Reacher::l1 + Reacher::l2);
    EXPECT_GT(Reacher::target(condition).norm(), Reacher::l2 - Reacher::l1);
    Vector<8> x;
    Reacher().reset(condition, stream, x);
    EXPECT_EQ(x, Reacher::start(condition));
    EXPECT_EQ(x == Reacher::start(), condition < targets) << condition;
    Vector<8> there = Vector<8>::Zero();
    there.segment<2>(4) = Reacher::target(condition);
    EXPECT_NEAR(Reacher::cost(condition)(0, there, Vector<2>(2.0, 0.0)), 0.01 + 2e-3, 1e-15);
  }
  for (const int condition : {-1, all}) {
    Vector<8> x;
    EXPECT_THROW((void)Reacher::target(condition), InvalidArgument);
    EXPECT_THROW((void)Reacher::cost(condition), InvalidArgument);
    EXPECT_THROW(Reacher().reset(condition, stream, x), InvalidArgument);
  }
}

// A held-out start has a target of the held-out ones, no velocity, the hand where its joints put
// it, and angles of its own on either side of the trained start.
TEST(Reacher, HeldOutStartsAreAroundTheTrainedOne) {
  constexpr int first = Reacher::conditions + Reacher::held_out;
  Vector<2> least = Vector<2>::Zero();
  Vector<2> most = Vector<2>::Zero();
  for (int n = 0; n < Reacher::held_out_starts; ++n) {
    EXPECT_EQ(Reacher::target(first + n), Reacher::target(Reacher::conditions + n));
    const Vector<8> x = Reacher::start(first + n);
    const Vector<2> q = x.head<2>();
    EXPECT_LT(q.cwiseAbs().maxCoeff(), 0.3);
    least = least.cwiseMin(q);
    most = most.cwiseMax(q);
    EXPECT_TRUE((x.array() == 0.0).segment<2>(2).all() && (x.array() == 0.0).tail<2>().all());
    const Vector<2> hand(0.1 * std::cos(q(0)) + 0.11 * std::cos(q(0) + q(1)),
                         0.1 * std::sin(q(0)) + 0.11 * std::sin(q(0) + q(1)));
    EXPECT_TRUE(close(x.segment<2>(4), hand, 1e-15));
    for (int other = 0; other < n; ++other) {
      EXPECT_GT((q - Reacher::start(first + other).head<2>()).norm(), 0.02) << n << " " << other;
    }
  }
  EXPECT_LT(least.maxCoeff(), -0.15);
  EXPECT_GT(most.minCoeff(), 0.15);
}

// Held-out targets lie strictly inside one of the two sectors whose corners are trained, and no two
// targets coincide.
TEST(Reacher, HeldOutTargetsLieInTheTrainedSectors) {
  constexpr double degree = 3.14159265358979323846 / 180.0;
  const auto angle = [](int c) { return std::atan2(Reacher::target(c)(1), Reacher::target(c)(0)); };
  int upper = 0;
  for (int c = Reacher::conditions; c < Reacher::conditions + Reacher::held_out; ++c) {
    const double r = Reacher::target(c).norm();
    EXPECT_TRUE(r > 0.103 && r < 0.167) << c;
    const double a = angle(c) / degree;
    EXPECT_TRUE((a > 24.9 && a < 115.1) || (a < -44.9 && a > -140.1)) << c << " " << a;
    upper += a > 0.0 ? 1 : 0;
    for (int other = 0; other < c; ++other) {
      EXPECT_GT((Reacher::target(c) - Reacher::target(other)).norm(), 1e-3) << c << " " << other;
    }
  }
  EXPECT_EQ(2 * upper, Reacher::held_out);
  for (const double r : {0.10, 0.17}) {
    for (const double a : {20.0, 70.0, 120.0, -40.0, -92.5, -145.0}) {
      int found = 0;
      for (int c = 4; c < Reacher::conditions; ++c) {
        const Vector<2> corner(r * std::cos(a * degree), r * std::sin(a * degree));
        found += (Reacher::target(c) - corner).norm() < 1e-12 ? 1 : 0;
      }
      EXPECT_EQ(found, 1) << r << " " << a;
    }
  }
}

}  // namespace
}  // namespace pilqr
