#include "interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "exit_status.hpp"

namespace pilqr::command {
namespace {

std::atomic<int> seen{0};  // the first signal's number
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait");

int status_for(int signal) {
  return signal == SIGTERM ? exit_terminated : exit_interrupted;
}

extern "C" void on_signal(int signal) {
  int none = 0;
  if (!seen.compare_exchange_strong(none, signal)) ::_exit(status_for(signal));
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
  return seen.load() != 0;
}

int interruption_status() {
  return status_for(seen.load());
}

}  // namespace pilqr::command
