#include "drawing.hpp"

#include <Eigen/Geometry>

#include "pilqr/core/check.hpp"

namespace pilqr {

namespace contact {

Vector<2> in_world(const Pose& body, const Vector<2>& point) {
  return body.position + Eigen::Rotation2Dd(body.angle) * point;
}

systems::Shape rectangle(const char* name, systems::ShapeRole role, const Pose& body,
                         const Rectangle& box) {
  Matrix<2, 4> corners;
  const double a = 0.5 * box.width;
  const double b = 0.5 * box.height;
  corners << a, a, -a, -a,  //
      -b, b, b, -b;
  for (int i = 0; i < cols(corners); ++i) {
    corners.col(i) = in_world(body, box.center + corners.col(i));
  }
  return {name, role, systems::ShapeKind::polygon, corners, 0.0};
}

}  // namespace contact

namespace systems {

const Shape& find_shape(const Drawing& drawing, const std::string& name) {
  for (const Shape& shape : drawing) {
    if (shape.name == name) return shape;
  }
  throw InvalidArgument(fmt::format("the drawing has no shape '{}'", name));
}

}  // namespace systems

}  // namespace pilqr
