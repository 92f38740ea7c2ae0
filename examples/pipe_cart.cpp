// The simulator of pipe_simulator.cpp: a program of its own that reads commands and writes states,
// one line each. In any language; here with ways to fail:
//
//   reset P        ->  state P V
//   step U         ->  state P V
//   anything else  ->  error TEXT
//
// `pipe_cart crash N` ends, and `pipe_cart hang N` falls silent, at the Nth step.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  const bool crashes = argc == 3 && std::strcmp(argv[1], "crash") == 0;
  const bool hangs = argc == 3 && std::strcmp(argv[1], "hang") == 0;
  int left = argc == 3 ? std::atoi(argv[2]) : -1;
  double p = 0.0;
  double v = 0.0;
  char line[256];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    double number = 0.0;
    if (std::sscanf(line, "reset %lf", &number) == 1) {
      p = number;
      v = 0.0;
    } else if (std::sscanf(line, "step %lf", &number) == 1) {
      if (--left == 0 && crashes) return 3;
      if (left == 0 && hangs) pause();
      const double force = std::clamp(number, -2.0, 2.0);
      for (int i = 0; i < 10; ++i) {
        v += 0.005 * (force - 0.3 * v);
        p += 0.005 * v;
      }
    } else {
      std::printf("error no such command\n");
      std::fflush(stdout);
      continue;
    }
    std::printf("state %.17g %.17g\n", p, v);  // 17 digits: the number itself
    std::fflush(stdout);
  }
}
