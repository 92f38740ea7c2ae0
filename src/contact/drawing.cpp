#include "drawing.hpp"

#include <Eigen/Geometry>

#include "pilqr/core/check.hpp"

namespace pilqr {

namespace contact {

systems::Shape rectangle(const char* name, systems::ShapeRole role, const Pose& body,
                         const Rectangle& box) {
  MatrixX corners(2, 4);
  const double a = 0.5 * box.width;
  const double b = 0.5 * box.height;
  corners << a, a, -a, -a,  //
      -b, b, b, -b;
  corners = (Eigen::Rotation2Dd(body.angle).toRotationMatrix() * (corners.colwise() + box.center))
                .colwise() +
            body.position;
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
