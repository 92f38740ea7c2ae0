#pragma once
/// Signals: Ctrl-C, SIGTERM, SIGUSR1 (which mpirun and batch systems pass on), and files above the
/// limit of `ulimit -f`.

namespace pilqr::command {

/// From now on the first signal only sets interrupted(); the second ends the program at once, with
/// the status of interruption_status() for itself.
void catch_interrupts();

[[nodiscard]] bool interrupted();

/// The exit status that the first signal asks for: exit_terminated after SIGTERM, otherwise, also
/// if it was another rank that got one, exit_interrupted.
[[nodiscard]] int interruption_status();

}  // namespace pilqr::command
