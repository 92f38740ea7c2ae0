/// A program of a user of a system with contact.
#include <cstdio>

#include "pilqr/systems/door.hpp"

int main() {
  using pilqr::systems::Door;
  Door door;
  pilqr::RandomStream stream({});
  pilqr::Vector<Door::Nx> x;
  pilqr::Vector<Door::Nx> next;
  door.reset(0, stream, x);
  door.step(0, x, pilqr::Vector<Door::Nu>::Ones(), stream, next);
  std::printf("the state moved by %g\n", (next - x).norm());
  return (next - x).norm() > 1e-4 ? 0 : 1;
}
