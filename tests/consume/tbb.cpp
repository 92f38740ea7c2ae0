/// A program of a user that works on threads.
#include "pilqr/parallel/tbb.hpp"

#include <array>

int main() {
  pilqr::TbbExecutor executor(2);
  std::array<int, 100> squares{};
  executor.run(100, [&] { return [&](int i) { squares[static_cast<std::size_t>(i)] = i * i; }; });
  for (int i = 0; i < 100; ++i) {
    if (squares[static_cast<std::size_t>(i)] != i * i) return 1;
  }
  return 0;
}
