#pragma once
/// What the tests of the systems with contact share: trajectories, overlap of drawings, energies.

#include <algorithm>
#include <cmath>
#include <limits>

#include "pilqr/model/concepts.hpp"
#include "pilqr/systems/drawing.hpp"
#include "support/random_problem.hpp"

namespace pilqr::test {

/// The states under open-loop controls (nu x T), nx x (T + 1).
template <class S>
MatrixX trajectory(S& system, int condition, const MatrixX& controls) {
  RandomStream stream({});
  MatrixX states(S::Nx, controls.cols() + 1);
  Vector<S::Nx> x;
  Vector<S::Nx> next;
  system.reset(condition, stream, x);
  states.col(0) = x;
  for (int t = 0; t < cols(controls); ++t) {
    system.step(t, x, Vector<S::Nu>(controls.col(t)), stream, next);
    states.col(t + 1) = next;
    x = next;
  }
  return states;
}

/// Controls that keep a direction for some steps, so that the arm goes somewhere; nu x T.
inline MatrixX wandering_controls(Random& random, int nu, int steps, double size) {
  MatrixX controls(nu, steps);
  for (int t = 0; t < steps; ++t) {
    if (t % 15 == 0) {
      controls.col(t) = size * random.vector(nu);
    } else {
      controls.col(t) = controls.col(t - 1);
    }
  }
  return controls;
}

/// How deep two convex polygons overlap, m; negative if they do not: the smallest overlap along the
/// normals of their edges.
inline double overlap(const MatrixX& a, const MatrixX& b) {
  double depth = std::numeric_limits<double>::infinity();
  for (const MatrixX* polygon : {&a, &b}) {
    for (int i = 0; i < cols(*polygon); ++i) {
      const Vector<2> edge = polygon->col((i + 1) % cols(*polygon)) - polygon->col(i);
      const Vector<2> normal = Vector<2>(edge(1), -edge(0)).normalized();
      const VectorX along_a = a.transpose() * normal;
      const VectorX along_b = b.transpose() * normal;
      depth = std::min(depth, std::min(along_a.maxCoeff() - along_b.minCoeff(),
                                       along_b.maxCoeff() - along_a.minCoeff()));
    }
  }
  return depth;
}

/// The corners of a polygon or of one inside a circle; none of a line.
inline MatrixX outline(const systems::Shape& shape) {
  constexpr int corners = 24;
  if (shape.kind == systems::ShapeKind::polygon) return shape.points;
  if (shape.kind == systems::ShapeKind::line) return MatrixX(2, 0);
  MatrixX points(2, corners);
  for (int i = 0; i < corners; ++i) {
    const double angle = 2.0 * std::acos(-1.0) * i / corners;
    points.col(i) =
        shape.points.col(0) + shape.radius * Vector<2>(std::cos(angle), std::sin(angle));
  }
  return points;
}

/// How deep the tool is in the objects or these in what is fixed, m.
inline double deepest_overlap(const systems::Drawing& drawing) {
  using systems::ShapeRole;
  double depth = -std::numeric_limits<double>::infinity();
  const auto touches = [](ShapeRole a, ShapeRole b) {
    return (a == ShapeRole::tool && (b == ShapeRole::object || b == ShapeRole::fixed)) ||
           (a == ShapeRole::object && b == ShapeRole::fixed);
  };
  for (const systems::Shape& a : drawing) {
    for (const systems::Shape& b : drawing) {
      if (touches(a.role, b.role)) depth = std::max(depth, overlap(outline(a), outline(b)));
    }
  }
  return depth;
}

/// A link as the tests see it: centre of mass on the line to the next joint.
struct TestLink {
  double length;
  double mass;
  double center;
  double inertia;  ///< about the centre of mass
};

/// Kinetic energy of a chain of links and of the rotors in its joints, J.
inline double kinetic_energy(const std::vector<TestLink>& links, double rotor, const VectorX& q,
                             const VectorX& dq) {
  Vector<2> v = Vector<2>::Zero();
  double angle = 0.0;
  double w = 0.0;
  double twice = rotor * dq.squaredNorm();
  for (int j = 0; j < rows(q); ++j) {
    const TestLink& link = links[static_cast<std::size_t>(j)];
    angle += q(j);
    w += dq(j);
    const Vector<2> across(-std::sin(angle), std::cos(angle));
    twice += link.mass * (v + w * link.center * across).squaredNorm() + link.inertia * w * w;
    v += w * link.length * across;
  }
  return 0.5 * twice;
}

/// The mass matrix M of that chain: the energy is 1/2 dq' M dq.
inline MatrixX mass_matrix(const std::vector<TestLink>& links, double rotor, const VectorX& q) {
  const int n = rows(q);
  const auto energy = [&](const VectorX& dq) { return kinetic_energy(links, rotor, q, dq); };
  MatrixX M(n, n);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      const VectorX a = VectorX::Unit(n, i);
      const VectorX b = VectorX::Unit(n, j);
      M(i, j) = energy(a + b) - energy(a) - energy(b);
    }
  }
  return M;
}

}  // namespace pilqr::test
