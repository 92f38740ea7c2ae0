#pragma once
/// A system and a cost, each sound or broken in one way.

#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include "pilqr/initial_policy.hpp"
#include "pilqr/model/concepts.hpp"

namespace pilqr::test {

inline constexpr int T = 12;

enum class Defect {
  none,
  reset_throws,
  step_throws,
  reset_size,
  step_size,
  reset_leaves_entry,
  step_leaves_entry,
  nan_state,
  infinite_state,
  counts_calls,
  own_generator,
  keeps_integrator,
  keeps_start,
  shares_world,
  ignores_control,
};

/// A cart with friction, a random start and random pushes; sizes known at run time. It has an
/// integrator of its own, as a simulator has a world.
struct Cart {
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;

  explicit Cart(Defect defect_) : defect(defect_) {}

  void reset(int condition, RandomStream& stream, VectorX& x) {
    if (defect == Defect::reset_throws) throw std::runtime_error("the brake is on");
    if (defect == Defect::reset_size) x.resize(3);
    if (defect != Defect::keeps_integrator) integral = 0.0;
    if (defect != Defect::shares_world) world = std::make_shared<double>(0.0);
    *world = 0.0;
    x(0) = condition + 0.1 * stream.normal();
    if (defect == Defect::keeps_start) x(0) += std::exchange(offset, 0.5);
    if (defect != Defect::reset_leaves_entry) x(1) = 0.0;
  }

  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) {
    if (defect == Defect::step_throws && t == 6) throw std::runtime_error("the cable is off");
    if (defect == Defect::step_size && t == 6) next.resize(1);
    const double force = defect == Defect::ignores_control ? 1.0 : u(0);
    integral += 0.05 * force;
    *world += 0.05 * force;
    next(0) = x(0) + 0.05 * x(1);
    if (defect == Defect::step_size && t == 6) return;
    if (defect == Defect::step_leaves_entry && t == 6) return;
    next(1) = 0.5 * integral + 0.5 * *world - 0.1 * x(1);
    next(1) += 0.01 * stream.normal();
    if (defect == Defect::nan_state && t == 6) next(1) = std::sqrt(-1.0 - x(1) * x(1));
    if (defect == Defect::infinite_state && t == 6) next(1) = -infinity;
    if (defect == Defect::counts_calls && t == 6) next(1) += 1e-9 * ++calls;
    if (defect == Defect::own_generator && t == 6) next(1) += 1e-9 * own.normal();
  }

  Defect defect;
  double integral = 0.0;
  double offset = 0.0;
  std::shared_ptr<double> world = std::make_shared<double>(0.0);
  RandomStream own{StreamKey{.seed = 99}};
  inline static int calls = 0;
};

inline LinearGaussianPolicy<> policy(int nx = 2) {
  return zero_mean_policy<Dynamic, Dynamic>(T, nx, VectorX::Constant(1, 1.0));
}

/// exp(p/2) + v^2 u^2 / 4 with derivatives by hand, wrong in one way.
struct HandCost {
  enum class Defect {
    none,
    throws,
    nan_value,
    counts_calls,
    resizes,
    infinite_hessian,
    assigns_gradient,
    assigns_value,
    ignores_weight,
    gradient_sign,
    gradient_late,
    hessian_factor,
    hessian_triangle,
    expansion_throws,
  };
  Defect defect = Defect::none;

  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    if (defect == Defect::throws && t == 7) throw std::runtime_error("no cost for this step");
    if (defect == Defect::nan_value && t == 7) return std::log(-1.0 - x(0) * x(0));
    if (defect == Defect::counts_calls && t == 7) return ++calls;
    return value(x, u);
  }

  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    if (defect == Defect::expansion_throws && t == T - 1)
      throw std::runtime_error("no derivatives");
    if (defect == Defect::resizes) out.gradient = VectorX::Zero(2);
    if (defect == Defect::ignores_weight) weight = 1.0;
    if (defect == Defect::assigns_value) out.value = 0.0;
    if (defect == Defect::assigns_gradient) out.gradient.setZero();
    const double e = std::exp(x(0) / 2.0);
    const double v = x(1);
    const double f = u(0);
    out.value += weight * value(x, u);
    if (defect == Defect::resizes) return;
    const bool late = defect == Defect::gradient_late && t == T - 1;
    out.gradient(0) += weight * e / (late ? 2.002 : 2.0);
    out.gradient(1) += weight * v * f * f / 2.0;
    out.gradient(2) += weight * (defect == Defect::gradient_sign ? -0.5 : 0.5) * v * v * f;
    out.hessian(0, 0) += weight * e / 4.0;
    out.hessian(1, 1) += weight * f * f / (defect == Defect::hessian_factor ? 1.0 : 2.0);
    out.hessian(2, 2) += weight * v * v / 2.0;
    out.hessian(1, 2) += weight * v * f;
    if (defect != Defect::hessian_triangle) out.hessian(2, 1) += weight * v * f;
    if (defect == Defect::infinite_hessian && t == 0) out.hessian(0, 0) += weight * infinity;
  }

  static double value(const ConstVectorRef& x, const ConstVectorRef& u) {
    return std::exp(x(0) / 2.0) + 0.25 * x(1) * x(1) * u(0) * u(0);
  }
  inline static int calls = 0;
};

}  // namespace pilqr::test
