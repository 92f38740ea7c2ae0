// A simulator in a process of its own, behind two pipes: any language, any library, and a crash
// costs a rollout, not the training. The cart is that of callback_simulator.cpp.
//
//   pipe_simulator PROGRAM             checks and trains
//   pipe_simulator PROGRAM crash|hang  the program does that at its 30th step: one failed rollout
//
// A failure of the process is an exception of the system, with what is known: sample() reports it
// with its place, train() makes the rollout again, and the next reset starts a new process.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "pilqr/costs/autodiff_cost.hpp"
#include "pilqr/initial_policy.hpp"
#include "pilqr/pilqr.hpp"
#include "pilqr/train/check_system.hpp"
#include "pilqr/train/trainer.hpp"

namespace {

/// A running program that answers each line with a line.
class LineProcess {
 public:
  explicit LineProcess(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    int to[2];
    int from[2];
    if (pipe2(to, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    if (pipe2(from, O_CLOEXEC) != 0) {
      close(to[0]);
      close(to[1]);
      throw std::runtime_error("no pipe");
    }
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_ = to[1];
    from_ = from[0];
    if (child_ < 0) {
      close(to_);
      close(from_);
      throw std::runtime_error("no process for the simulator");
    }
  }
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;
  ~LineProcess() {
    close(to_);
    close(from_);
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  /// Throws std::runtime_error if the process ends, or says nothing for `seconds`.
  std::string ask(const std::string& line, double seconds) {
    const std::string text = line + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = write(to_, text.data() + sent, text.size() - sent);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw std::runtime_error("the simulator does not listen: " + fate());
      sent += static_cast<std::size_t>(n);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (unread_.find('\n') == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      pollfd wait{.fd = from_, .events = POLLIN, .revents = 0};
      const int ready = left.count() > 0 ? poll(&wait, 1, static_cast<int>(left.count())) : 0;
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) {
        throw std::runtime_error("the simulator has not answered for " + std::to_string(seconds) +
                                 " s");
      }
      char buffer[512];
      const ssize_t n = read(from_, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw std::runtime_error("the simulator is gone: " + fate());
      unread_.append(buffer, static_cast<std::size_t>(n));
    }
    const std::size_t length = unread_.find('\n');
    const std::string answer = unread_.substr(0, length);
    unread_.erase(0, length + 1);
    return answer;
  }

 private:
  /// How the process ended, without waiting long for it.
  std::string fate() {
    for (int i = 0; i < 100; ++i) {
      siginfo_t info{};
      const int known =
          waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT);
      if (known == 0 && info.si_pid == child_) {
        if (info.si_code != CLD_EXITED) return "signal " + std::to_string(info.si_status);
        if (info.si_status == 127) return "it could not be started (exit status 127)";
        return "exit status " + std::to_string(info.si_status);
      }
      usleep(10'000);
    }
    return "it closed the pipe and goes on";
  }

  pid_t child_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string unread_;
};

/// A copy starts a process of its own at its first reset, so that rollouts can run in parallel.
class PipeSystem {
 public:
  static constexpr int Nx = 2;
  static constexpr int Nu = 1;

  explicit PipeSystem(std::vector<std::string> command) : command_(std::move(command)) {}
  PipeSystem(const PipeSystem& other) : command_(other.command_) {}
  PipeSystem& operator=(const PipeSystem&) = delete;
  ~PipeSystem() = default;

  void reset(int /*condition*/, pilqr::RandomStream& stream, pilqr::Vector<2>& x) {
    if (!process_) process_ = std::make_unique<LineProcess>(command_);
    // The randomness of the simulator comes from here as well: a number, or a seed.
    ask("reset", 0.05 * stream.normal(), x);
  }
  void step(int /*t*/, const pilqr::Vector<2>& /*x*/, const pilqr::Vector<1>& u,
            pilqr::RandomStream& /*stream*/, pilqr::Vector<2>& next) {
    ask("step", u(0), next);
  }

 private:
  void ask(const char* verb, double number, pilqr::Vector<2>& x) {
    if (!process_) throw std::runtime_error("the simulator is stepped before its reset");
    try {
      char line[64];
      std::snprintf(line, sizeof line, "%s %.17g", verb, number);
      const std::string answer = process_->ask(line, 2.0);
      if (std::sscanf(answer.c_str(), "state %lf %lf", &x(0), &x(1)) != 2) {
        throw std::runtime_error("the simulator says: " + answer);
      }
    } catch (const std::exception&) {
      process_.reset();  // whatever state it is in; the next reset starts another
      throw;
    }
  }

  std::vector<std::string> command_;
  std::unique_ptr<LineProcess> process_;
};

const auto cost = pilqr::make_autodiff_cost<2, 1>([](int, const auto& x, const auto& u) {
  return (x(0) - 1.0) * (x(0) - 1.0) + 0.05 * x(1) * x(1) + 0.01 * u(0) * u(0);
});
using Optimizer = pilqr::Pilqr<2, 1>;
const auto start = pilqr::zero_mean_policy<2, 1>(40, 2, pilqr::Vector<1>(0.5));

/// The 30th step of the process fails, which is in the first rollout.
int fail(const std::string& program, const std::string& how) {
  PipeSystem system({program, how, "30"});
  const auto batch = pilqr::sample(system, cost, start, {.samples = 1});
  std::puts(batch.failure.message().c_str());
  const char* reason = how == "crash" ? "exit status 3" : "not answered";
  const bool told = batch.failure.kind == pilqr::FailureKind::system_error &&
                    batch.failure.step == 29 &&
                    batch.failure.detail.find(reason) != std::string::npos;
  // Another process, and the next failure: the system is as good as before.
  pilqr::RandomStream stream({});
  pilqr::Vector<2> x;
  system.reset(0, stream, x);
  return told && x.allFinite() ? 0 : 1;
}

int check_and_train(const std::string& program) {
  PipeSystem system({program});
  const pilqr::SystemReport report = pilqr::check_system(system, cost, start);
  std::fputs(report.message().c_str(), stdout);
  if (!report.ok()) return 1;

  std::vector<Optimizer> optimizers{Optimizer(start)};
  double first = 0.0;
  pilqr::TrainCallbacks<2, 1> callbacks;
  callbacks.on_update = [&](const pilqr::IterationRecord& record, const auto&) {
    std::printf("%2d  cost %7.3f\n", record.iteration, record.report.cost_mean);
    if (record.iteration == 0) first = record.report.cost_mean;
  };
  pilqr::SerialExecutor executor;
  const auto result =
      pilqr::train(system, std::vector{cost}, optimizers,
                   {.iterations = 6, .samples = 10, .seed = 1}, callbacks, executor);
  if (!result.ok()) return std::puts(result.failure.message().c_str()), 1;
  return result.last.front().report.cost_mean < 0.5 * first ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) return std::puts("usage: pipe_simulator PROGRAM [crash|hang]"), 2;
  signal(SIGPIPE, SIG_IGN);  // a write to a process that is gone is an error, not the end
  return argc == 3 ? fail(argv[1], argv[2]) : check_and_train(argv[1]);
}
