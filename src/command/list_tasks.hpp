#pragma once
/// pilqr tasks.

namespace pilqr::command {

/// Returns the exit status.
int list_tasks_command(bool json);

}  // namespace pilqr::command
