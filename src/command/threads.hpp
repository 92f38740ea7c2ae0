#pragma once
/// Work on one or several threads.

#include <string_view>

#include "console.hpp"
#include "pilqr/core/check.hpp"
#include "pilqr/core/executor.hpp"

#if defined(PILQR_HAS_TBB)
#include "pilqr/parallel/tbb.hpp"
#endif

namespace pilqr::command {

#if defined(PILQR_HAS_TBB)
inline constexpr bool has_threads = true;
#else
inline constexpr bool has_threads = false;
#endif

/// Throws InvalidArgument for a number of threads that this program cannot use.
inline void require_threads(int threads) {
  constexpr int most = 1024;
  require(threads >= 1 && threads <= most, "--threads {}: expected 1 to {}", threads, most);
  require(has_threads || threads == 1,
          "--threads {}: this program was built without oneTBB and has one thread", threads);
}

/// Says, if several threads were asked for, that rollouts of a system that is_serial() use one.
inline void tell_if_serial(std::string_view task, bool serial, int threads) {
  if (serial && threads > 1) {
    print_error(fmt::format("--threads {}: rollouts of {} run on one thread, its system is serial",
                            threads, task));
  }
}

/// Calls `action(executor)` with an executor of this many threads; see require_threads.
template <class Action>
decltype(auto) with_executor(int threads, Action&& action) {
#if defined(PILQR_HAS_TBB)
  if (threads > 1) {
    TbbExecutor parallel(threads);
    return action(parallel);
  }
#endif
  require_threads(threads);
  SerialExecutor serial;
  return action(serial);
}

}  // namespace pilqr::command
