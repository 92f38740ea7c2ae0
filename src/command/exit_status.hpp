#pragma once
/// What the command's exit statuses mean.

namespace pilqr::command {

inline constexpr int exit_done = 0;
inline constexpr int exit_failure = 1;        ///< training or evaluation stopped on a failure
inline constexpr int exit_bad_input = 2;      ///< wrong usage or bad input; nothing was written
inline constexpr int exit_interrupted = 130;  ///< by Ctrl-C or SIGUSR1
inline constexpr int exit_terminated = 143;   ///< by SIGTERM

}  // namespace pilqr::command
