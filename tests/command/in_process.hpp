#pragma once
/// Trainings in a run folder on systems that no task has: by the command's parts, in this process
/// or in a child of it.

#include <functional>
#include <vector>

#include "command/process.hpp"
#include "interrupt.hpp"
#include "train.hpp"

namespace pilqr::test {

/// A training as `pilqr train` begins it.
struct InProcess {
  /// @param sets the arguments of --set.
  InProcess(const std::filesystem::path& path, const std::string& task,
            const std::vector<std::string>& sets) {
    command::SettingsRequest request{.task = task};
    for (const std::string& text : sets) request.assignments.push_back(command::parse_set(text));
    run = command::resolve(request);
    learner = make_learner(run.settings, find_task(task));
    folder = command::create_run(path, run, learner, Sync::later);
    how.sync = Sync::later;
    how.on_update = [this](const command::MetricsRow& row) { rows.push_back(row); };
  }

  command::RunOutcome train() {
    command::Ranks alone;
    return run_training(folder, run, {}, learner, how, alone);
  }
  template <class S>
  command::RunOutcome train_on(const S& system) {
    const Task& task = find_task(run.settings.task);
    how.system = AnySystem(system, task.nx, task.nu);
    return train();
  }

  command::RunSettings run;
  Learner learner;
  command::RunFolder folder;
  command::RunOptions how;
  std::vector<command::MetricsRow> rows;
};

/// Calls the action in a child of this process, which catches signals as the program does; stderr
/// goes to the file.
inline pid_t start_child(const std::filesystem::path& err, const std::function<void()>& action) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int fd = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0 || ::dup2(fd, STDERR_FILENO) < 0) ::_exit(99);
  command::catch_interrupts();
  action();
  ::_exit(98);
}

}  // namespace pilqr::test
