#include "list_tasks.hpp"

#include <nlohmann/json.hpp>

#include "console.hpp"
#include "exit_status.hpp"
#include "pilqr/systems/task.hpp"

namespace pilqr::command {

int list_tasks_command(bool json) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::string table = fmt::format("{:<15} {:>3} {:>3} {:>5} {:>6} {:>10}  {}\n", "task", "nx", "nu",
                                  "steps", "dt (s)", "conditions", "what it is");
  for (const Task& task : tasks()) {
    list.push_back({{"name", task.name},
                    {"summary", task.summary},
                    {"nx", task.nx},
                    {"nu", task.nu},
                    {"steps", task.steps},
                    {"dt", task.dt},
                    {"conditions", task.conditions}});
    table += fmt::format("{:<15} {:>3} {:>3} {:>5} {:>6} {:>10}  {}\n", task.name, task.nx, task.nu,
                         task.steps, task.dt, task.conditions, task.summary);
  }
  print(json ? list.dump(2) + '\n' : table);
  return exit_done;
}

}  // namespace pilqr::command
