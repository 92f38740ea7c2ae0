// A simulator with a C interface: a handle, functions that get it, errors as return values.
//
//   state    x = [p, v]            position of a cart on a rail (m), velocity (m/s)
//   control  u                     force (N), clipped to +-2 by the simulator
//   motion   v' = v + h (u - 0.3 v) / m,  p' = p + h v',  m = 1 kg, 10 substeps of 5 ms
//   cost     (p - 1)^2 + 0.05 v^2 + 0.01 u^2               per step of 0.05 s, 40 steps
//
// The struct CartSystem is all that connects it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/check_system.hpp"

// The simulator: in reality a header and a library of somebody else.
extern "C" {
struct sim {
  double p, v;
  void (*force)(const double* wanted, double* applied, void* user);
  void* user;
};
static sim* sim_create() {
  return new sim{};
}
static void sim_destroy(sim* s) {
  delete s;
}
/// The callback that the simulator asks for the force, in each substep.
static void sim_on_force(sim* s, void (*force)(const double*, double*, void*), void* user) {
  s->force = force;
  s->user = user;
}
static int sim_reset(sim* s, double p) {
  s->p = p;
  s->v = 0.0;
  return 0;
}
static int sim_advance(sim* s, const double* u) {
  for (int i = 0; i < 10; ++i) {
    double force = 0.0;
    s->force(u, &force, s->user);
    s->v += 0.005 * (force - 0.3 * s->v);
    s->p += 0.005 * s->v;
  }
  return std::abs(s->p) > 100.0 ? -1 : 0;  // off the rail
}
static void sim_read(const sim* s, double* x) {
  x[0] = s->p;
  x[1] = s->v;
}
}

namespace {

/// One handle per object and no copies: rollouts are made one after the other. With a function that
/// clones a handle, a copy constructor would let them run in parallel.
class CartSystem {
 public:
  static constexpr int Nx = 2;
  static constexpr int Nu = 1;

  CartSystem() : sim_(sim_create(), &sim_destroy) {
    sim_on_force(sim_.get(), &CartSystem::clip, this);
  }
  CartSystem(const CartSystem&) = delete;  // the simulator holds a pointer to this object
  CartSystem& operator=(const CartSystem&) = delete;
  ~CartSystem() = default;

  void reset(int /*condition*/, pilqr::RandomStream& stream, pilqr::Vector<2>& x) {
    if (sim_reset(sim_.get(), 0.05 * stream.normal()) != 0) {
      throw std::runtime_error("the cart does not start");
    }
    sim_read(sim_.get(), x.data());
  }
  void step(int /*t*/, const pilqr::Vector<2>& /*x: the simulator has it*/,
            const pilqr::Vector<1>& u, pilqr::RandomStream& /*stream*/, pilqr::Vector<2>& next) {
    if (sim_advance(sim_.get(), u.data()) != 0) throw std::runtime_error("the cart left the rail");
    sim_read(sim_.get(), next.data());
  }

 private:
  static void clip(const double* wanted, double* applied, void* user) {
    const double limit = static_cast<const CartSystem*>(user)->limit_;
    *applied = std::clamp(*wanted, -limit, limit);
  }

  std::unique_ptr<sim, void (*)(sim*)> sim_;
  double limit_ = 2.0;  // N
};

}  // namespace

int main() {
  CartSystem system;
  const auto cost = pilqr::make_autodiff_cost<2, 1>([](int, const auto& x, const auto& u) {
    return (x(0) - 1.0) * (x(0) - 1.0) + 0.05 * x(1) * x(1) + 0.01 * u(0) * u(0);
  });
  pilqr::Pilqr<2, 1> optimizer(pilqr::zero_mean_policy<2, 1>(40, 2, pilqr::Vector<1>(0.5)));

  const pilqr::SystemReport report = pilqr::check_system(system, cost, optimizer.policy());
  std::fputs(report.message().c_str(), stdout);
  if (!report.ok()) return 1;

  double first = 0.0;
  double last = 0.0;
  for (int iteration = 0; iteration < 6; ++iteration) {
    const auto batch = pilqr::sample(system, cost, optimizer.policy(),
                                     {.samples = 10, .seed = 1, .iteration = iteration});
    if (!batch.ok()) return std::puts(batch.failure.message().c_str()), 1;
    const auto update = optimizer.update(batch.rollouts, cost);
    if (!update.ok()) return std::puts(update.failure.message().c_str()), 1;
    std::printf("%2d  cost %7.3f +- %6.3f\n", iteration, update.cost_mean, update.cost_std);
    last = update.cost_mean;
    if (iteration == 0) first = last;
  }
  return last < 0.5 * first ? 0 : 1;
}
