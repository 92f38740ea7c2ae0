#pragma once
/// Signals: Ctrl-C, SIGTERM, SIGUSR1 (which mpirun and batch systems pass on), and files above the
/// limit of `ulimit -f`.

namespace pilqr::command {

/// From now on the first signal only sets interrupted(); the second ends the program with status
/// 130.
void catch_interrupts();

[[nodiscard]] bool interrupted();

}  // namespace pilqr::command
