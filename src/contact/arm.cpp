#include "arm.hpp"

#include <cmath>

namespace pilqr::contact {

namespace {

/// A weld joint without stiffness would be rigid; this torque per angle is far below rounding
/// errors of the torques, N m/rad.
constexpr double no_stiffness = 1e-9;

}  // namespace

Arm::Arm(World& world, const ArmOptions& options, const VectorX& q)
    : floor_(&world.floor()),
      scale_(world.scale()),
      inertial_damping_(options.rotor / world.substep()) {
  Pose pose{.position = options.base, .angle = 0.0};
  for (std::size_t j = 0; j < options.links.size(); ++j) {
    const Link& link = options.links[j];
    pose.angle += q(static_cast<Eigen::Index>(j));
    b2Body& body = world.add_body(pose, link.inertia);
    b2Body& previous = j == 0 ? world.floor() : *links_.back();
    b2WeldJointDef joint;
    joint.Initialize(&previous, &body, body.GetPosition());
    joint.stiffness = static_cast<float>(no_stiffness * scale_ * scale_);
    joint.damping = static_cast<float>((inertial_damping_ + options.damping) * scale_ * scale_);
    joint.collideConnected = true;  // with walls of the floor's body
    body.GetWorld()->CreateJoint(&joint);
    links_.push_back(&body);
    pose.position += link.length * Vector<2>(std::cos(pose.angle), std::sin(pose.angle));
  }
}

void Arm::drive(const ConstVectorRef& torque) {
  double after = 0.0;  // torque that the next joint exerts on its link
  for (int j = joints() - 1; j >= 0; --j) {
    const double dq =
        static_cast<double>(link(j).GetAngularVelocity() - before(j).GetAngularVelocity());
    const double at_joint = torque(j) + inertial_damping_ * dq;
    link(j).ApplyTorque(static_cast<float>((at_joint - after) * scale_ * scale_), true);
    after = at_joint;
  }
}

void Arm::read(VectorRef q, VectorRef dq) const {
  for (int j = 0; j < joints(); ++j) {
    q(j) = static_cast<double>(link(j).GetAngle() - before(j).GetAngle());
    dq(j) = static_cast<double>(link(j).GetAngularVelocity() - before(j).GetAngularVelocity());
  }
}

void drive_for(double duration, World& world, Arm& arm, const ConstVectorRef& torque) {
  const long substeps = std::lround(duration / world.substep());
  for (long i = 0; i < substeps; ++i) {
    arm.drive(torque);
    world.step();
  }
}

Link rod(double mass, double length) {
  return {
      .length = length,
      .inertia = {
          .mass = mass, .center = {0.5 * length, 0.0}, .about_center = rod_inertia(mass, length)}};
}

MatrixX chain_points(const Vector<2>& base, const std::vector<double>& lengths,
                     const ConstVectorRef& q) {
  MatrixX points(2, q.size() + 1);
  points.col(0) = base;
  double angle = 0.0;
  for (int j = 0; j < rows(q); ++j) {
    angle += q(j);
    points.col(j + 1) = points.col(j) + lengths[static_cast<std::size_t>(j)] *
                                            Vector<2>(std::cos(angle), std::sin(angle));
  }
  return points;
}

}  // namespace pilqr::contact
