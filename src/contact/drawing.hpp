#pragma once
/// Shapes of a drawing from the shapes of a world.

#include "pilqr/systems/drawing.hpp"
#include "world.hpp"

namespace pilqr::contact {

/// A point of a body's frame in the world, m.
Vector<2> in_world(const Pose& body, const Vector<2>& point);

/// A rectangle of a body, as a polygon with its nominal, sharp corners.
systems::Shape rectangle(const char* name, systems::ShapeRole role, const Pose& body,
                         const Rectangle& box);

}  // namespace pilqr::contact
