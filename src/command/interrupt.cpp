#include "interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace pilqr::command {
namespace {

std::atomic<bool> seen{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not wait");

extern "C" void on_signal(int /*signal*/) {
  constexpr int interrupted_twice = 130;
  if (seen.exchange(true)) ::_exit(interrupted_twice);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGUSR1, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGXFSZ, &action, nullptr);
}

bool interrupted() {
  return seen.load();
}

}  // namespace pilqr::command
