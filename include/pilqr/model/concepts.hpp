#pragma once
/// What a user brings: a System that moves and a Cost that judges.

#include <concepts>
#include <type_traits>

#include "pilqr/core/random.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// A system is anything that can be started and moved by one control step: a simulator, a robot, a
/// function. It states its sizes as `static constexpr int Nx, Nu` (Dynamic if only known at run
/// time; the policy then tells them).
///
/// Laws:
/// - reset(condition, stream, x) starts an episode in the given condition and writes its first
///   state.
/// - step(t, x, u, stream, next) is called with t = 0, 1, .. T-2 in this order, x being the state
///   that the system wrote last, and writes the successor. Next to x it may keep state of its own.
/// - All randomness comes from the stream: the same calls with the same streams give the same
///   states.
/// - Limits of the actuators belong here: clip u inside step.
/// - A failure throws an exception derived from std::exception; the sampler reports it with its
/// place.
/// - If the type is copyable, copies are independent, and rollouts may run on copies in parallel.
/// A copyable type with whom that goes wrong, such as a simulator with global state, says
/// `static constexpr bool serial = true`; see is_serial().
template <class S>
concept System = requires(S& system, int index, const Vector<S::Nx>& x, const Vector<S::Nu>& u,
                          RandomStream& stream, Vector<S::Nx>& next) {
  system.reset(index, stream, next);
  system.step(index, x, u, stream, next);
};

/// Whether rollouts of this system are made one after the other, on the system itself and the
/// calling thread, whatever the executor: it cannot be copied, or says so with a `bool serial`,
/// constant or not, or a function `bool serial()`; another type's `serial` means something else.
/// Each rank of a team has a system of its own and is not held up by those of others.
template <System S>
[[nodiscard]] constexpr bool is_serial(const S& system) {
  if constexpr (!std::copy_constructible<S>) {
    return true;
  } else if constexpr (requires {
                         requires std::same_as < std::remove_cvref_t<decltype(system.serial)>,
                         bool > ;
                       }) {
    return system.serial;
  } else if constexpr (requires {
                         { system.serial() } -> std::same_as<bool>;
                       }) {
    return system.serial();  // may be known at run time only, as by AnySystem
  } else {
    return false;
  }
}

/// Value, gradient and Hessian of a cost at one y = [x; u], as cost terms accumulate them.
struct CostExpansion {
  double value = 0.0;  ///< of the cost, times the weights
  VectorX gradient;    ///< ny
  MatrixX hessian;     ///< ny x ny, symmetric
  int nx = 0;          ///< entries of x in y

  CostExpansion() = default;
  /// Zeros.
  CostExpansion(int nx_, int nu) : gradient(nx_ + nu), hessian(nx_ + nu, nx_ + nu), nx(nx_) {
    set_zero();
  }

  [[nodiscard]] int nu() const { return rows(gradient) - nx; }  ///< entries of u in y
  /// Value, gradient and Hessian, in their shapes.
  void set_zero() {
    value = 0.0;
    gradient.setZero();
    hessian.setZero();
  }
};

/// A cost judges one step: `cost(t, x, u)` is the true cost, discontinuous parts included.
/// `cost.expand(t, x, u, weight, out)` ADDS weight times the value, gradient and Hessian of its
/// twice differentiable part to `out`; parts that have no useful derivatives are left out of it
/// altogether, the value included.
///
/// Laws: calls are const and may run concurrently; the gradient and Hessian in `out` are the
/// derivatives of the value in `out`; neither call allocates after the first.
template <class C>
concept Cost = requires(const C& cost, int t, ConstVectorRef x, ConstVectorRef u, double weight,
                        CostExpansion& out) {
  { cost(t, x, u) } -> std::convertible_to<double>;
  cost.expand(t, x, u, weight, out);
};

}  // namespace pilqr
