/// A program of a user of the tasks.
#include <cstdio>

#include "pilqr/systems/task.hpp"

int main() {
  const pilqr::Task& task = pilqr::find_task("reacher");
  pilqr::AnySystem system = task.system();
  pilqr::RandomStream stream({});
  pilqr::VectorX x(task.nx);
  pilqr::VectorX next(task.nx);
  system.reset(0, stream, x);
  system.step(0, x, pilqr::VectorX::Ones(task.nu), stream, next);
  std::printf("the hand moved by %g m\n", (next - x).segment(4, 2).norm());
  return (next - x).segment(4, 2).norm() > 1e-4 ? 0 : 1;
}
