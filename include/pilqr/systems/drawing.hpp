#pragma once
/// The geometry of a system's state, to be drawn.

#include <string>
#include <vector>

#include "pilqr/core/types.hpp"

namespace pilqr::systems {

/// What a shape stands for; a drawing gives each role a colour.
enum class ShapeRole {
  arm,     ///< links
  tool,    ///< what the arm holds and touches with
  object,  ///< what it moves
  fixed,   ///< walls, frames
  goal,    ///< where something should go; nothing touches it
};

/// How the points of a shape are meant.
enum class ShapeKind {
  line,     ///< an open line through the points, `radius` its half width
  polygon,  ///< convex, the corners counter-clockwise
  circle,   ///< one point, the centre
};

/// One thing to draw, seen from above.
struct Shape {
  std::string name;                     ///< what it is called
  ShapeRole role = ShapeRole::object;   ///< what it is drawn as
  ShapeKind kind = ShapeKind::polygon;  ///< what its points mean
  MatrixX points;                       ///< 2 x n, m
  double radius = 0.0;                  ///< m; 0 for a polygon
};

/// Drawn in this order.
using Drawing = std::vector<Shape>;

/// The shape of a name. Throws InvalidArgument if there is none.
const Shape& find_shape(const Drawing& drawing, const std::string& name);

}  // namespace pilqr::systems
