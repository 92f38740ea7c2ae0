#include "world.hpp"

namespace pilqr::contact {

namespace {

b2World make_world() {
  return b2World(b2Vec2(0.0F, 0.0F));
}

/// Box2D fills a table when the first contact of the program begins; here on one thread.
void fill_contact_table() {
  b2World world = make_world();
  b2CircleShape circle;
  circle.m_radius = 1.0F;
  b2BodyDef definition;
  definition.type = b2_dynamicBody;
  for (int i = 0; i < 2; ++i) world.CreateBody(&definition)->CreateFixture(&circle, 1.0F);
  world.Step(0.01F, 1, 1);
}

void add_shape(b2Body& body, const b2Shape& shape, const Surface& surface) {
  // The mass that the density would give is replaced by the body's own.
  b2MassData mass;
  body.GetMassData(&mass);
  b2FixtureDef definition;
  definition.shape = &shape;
  definition.friction = static_cast<float>(surface.friction);
  definition.restitution = 0.0F;
  definition.density = 0.0F;
  definition.filter.groupIndex = static_cast<int16>(surface.group);
  body.CreateFixture(&definition);
  body.SetMassData(&mass);
}

}  // namespace

World::World(double substep, double scale)
    : world_(b2Vec2(0.0F, 0.0F)), substep_(substep), scale_(scale) {
  static const bool filled = [] {
    fill_contact_table();
    return true;
  }();
  (void)filled;
  world_.SetAllowSleeping(false);
  world_.SetContinuousPhysics(false);  // see World
  const b2BodyDef definition;
  floor_ = world_.CreateBody(&definition);
}

b2Body& World::add_body(const Pose& pose, const Inertia& inertia) {
  b2BodyDef definition;
  definition.type = b2_dynamicBody;
  definition.position = to_world(pose.position);
  definition.angle = static_cast<float>(pose.angle);
  b2Body* body = world_.CreateBody(&definition);
  const double about_origin = inertia.about_center + inertia.mass * inertia.center.squaredNorm();
  b2MassData mass;
  mass.mass = static_cast<float>(inertia.mass);
  mass.center = to_world(inertia.center);
  mass.I = static_cast<float>(about_origin * scale_ * scale_);
  body->SetMassData(&mass);
  return *body;
}

void World::add_sliding_friction(b2Body& body, double friction, double radius) {
  const double force = friction * static_cast<double>(body.GetMass()) * gravity;
  b2FrictionJointDef definition;
  definition.Initialize(floor_, &body, body.GetWorldCenter());
  definition.maxForce = static_cast<float>(force * scale_);
  definition.maxTorque = static_cast<float>(force * radius * scale_ * scale_);
  definition.collideConnected = true;  // the floor's body also carries walls
  world_.CreateJoint(&definition);
}

void World::step() {
  world_.Step(static_cast<float>(substep_), velocity_iterations, position_iterations);
}

void World::add_box(b2Body& body, const Rectangle& box, const Surface& surface) const {
  b2PolygonShape shape;
  shape.SetAsBox(static_cast<float>(0.5 * box.width * scale_),
                 static_cast<float>(0.5 * box.height * scale_), to_world(box.center), 0.0F);
  add_shape(body, shape, surface);
}

void World::add_circle(b2Body& body, const Vector<2>& center, double radius,
                       const Surface& surface) const {
  b2CircleShape shape;
  shape.m_p = to_world(center);
  shape.m_radius = static_cast<float>(radius * scale_);
  add_shape(body, shape, surface);
}

b2Vec2 World::to_world(const Vector<2>& v) const {
  return {static_cast<float>(v(0) * scale_), static_cast<float>(v(1) * scale_)};
}

Vector<2> World::to_si(const b2Vec2& v) const {
  return Vector<2>(static_cast<double>(v.x), static_cast<double>(v.y)) / scale_;
}

Vector<2> World::position(const b2Body& body, const Vector<2>& point) const {
  return to_si(body.GetWorldPoint(to_world(point)));
}

Vector<2> World::velocity(const b2Body& body, const Vector<2>& point) const {
  return to_si(body.GetLinearVelocityFromLocalPoint(to_world(point)));
}

}  // namespace pilqr::contact
