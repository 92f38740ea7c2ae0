#include "export.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "console.hpp"
#include "exit_status.hpp"
#include "pilqr/deploy/header_export.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/systems/task.hpp"
#include "run_folder.hpp"

namespace pilqr::command {

namespace fs = std::filesystem;

namespace {

/// What is written, and what the command says about it.
struct Exported {
  std::string bytes;
  std::string summary;
};

/// What both kinds of policy have in common: where it comes from.
template <class File>
std::string origin(const File& file) {
  return fmt::format("Task {}, algorithm {}, seed {}, iteration {}, {} rollouts", file.task,
                     file.algorithm, file.seed, file.iteration, file.samples_total);
}

template <class File>
HeaderOptions options_for(const ExportArguments& arguments, const File& file) {
  return {.name = arguments.name.value_or(file.task),
          .single = arguments.single,
          .lower = arguments.lower,
          .upper = arguments.upper,
          .dt = file.dt,
          .about = origin(file)};
}

/// Whether the name is of any use.
bool named(const ExportArguments& arguments) {
  return arguments.to == "header" || !arguments.out;
}

const char* number_type(const ExportArguments& arguments) {
  return arguments.single ? "float" : "double";
}

Exported export_policy(PolicyFile file, const ExportArguments& arguments) {
  const std::string all = fmt::format("{}", fmt::join(file.conditions, ","));
  std::size_t m = 0;
  if (arguments.condition) {
    const auto found =
        std::find(file.conditions.begin(), file.conditions.end(), *arguments.condition);
    require(found != file.conditions.end(), "--condition {}: the policy has the conditions {}",
            *arguments.condition, all);
    m = static_cast<std::size_t>(found - file.conditions.begin());
  }
  HeaderOptions options = options_for(arguments, file);
  const LinearGaussianPolicy<>& policy = file.policies[m];
  if (named(arguments)) require_valid(options, policy.nu());
  const std::string sizes =
      fmt::format("{} steps, {} states, {} controls", policy.steps(), policy.nx(), policy.nu());
  if (arguments.to == "header") {
    const int condition = file.conditions[m];
    options.about += fmt::format(", condition {}.", condition);
    return {to_c_header(policy, options), fmt::format("condition {} of {}, {}, {}", condition, all,
                                                      sizes, number_type(arguments))};
  }
  if (arguments.condition) {
    file.conditions = {*arguments.condition};
    file.policies = {LinearGaussianPolicy<>(policy)};
  }
  std::string summary = fmt::format("conditions {}, {}", fmt::join(file.conditions, ","), sizes);
  return {encode_safetensors(policy_to_safetensors(file)), std::move(summary)};
}

/// The task that a network was trained on; none if it is not one of this pilqr.
const Task* task_of(const NetworkFile& file) {
  for (const Task& task : tasks()) {
    if (task.name == file.task) return &task;
  }
  return nullptr;
}

/// What the network saw in a condition of its task. Throws InvalidArgument, naming the flag.
Observation observation_of(const NetworkFile& file, int condition) {
  const Task* task = task_of(file);
  require(
      task != nullptr,
      "--condition {}: a network is one policy for all conditions, and what it sees in this one "
      "is not known, since its task {} is not one of pilqr's",
      condition, file.task);
  int count = task->conditions;
  for (const HeldOut& group : task->held_out) count += group.count;
  require(condition >= 0 && condition < count,
          "--condition {}: the task {} has the conditions 0 to {}", condition, task->name,
          count - 1);
  Observation observation = task->observation(condition);
  require(file.policy.nx() == task->nx + observation.extra(),
          "--condition {}: the network has {} inputs, the task {} has {} states and {} entries of "
          "its observation",
          condition, file.policy.nx(), task->name, task->nx, observation.extra());
  return observation;
}

/// What the inputs are, if they are more than the state.
std::string about_inputs(const NetworkFile& file) {
  const Task* task = task_of(file);
  if (task == nullptr) return {};
  const int extra = task->observation(0).extra();
  if (extra == 0 || file.policy.nx() != task->nx + extra) return {};
  return fmt::format(" ({} states, {} of the task's observation)", task->nx, extra);
}

Exported export_network(const NetworkFile& file, const ExportArguments& arguments) {
  const bool header = arguments.to == "header";
  require(header || !arguments.condition,
          "--condition {}: a network is one policy for all conditions; with --to header it chooses "
          "what the network sees",
          arguments.condition.value_or(0));
  HeaderOptions options = options_for(arguments, file);
  if (named(arguments)) require_valid(options, file.policy.nu());
  const std::string inputs = fmt::format("{} inputs{}, {} controls", file.policy.nx(),
                                         about_inputs(file), file.policy.nu());
  if (!header) {
    return {encode_safetensors(network_to_safetensors(file)), fmt::format("network, {}", inputs)};
  }
  if (!arguments.condition) {
    options.about += '.';
    return {to_c_header(file.policy, options),
            fmt::format("network, {}, {}", inputs, number_type(arguments))};
  }
  options.about += fmt::format(", condition {}.", *arguments.condition);
  options.observation = observation_of(file, *arguments.condition);
  return {to_c_header(file.policy, options),
          fmt::format("network in condition {}, {} states, {} controls, {}", *arguments.condition,
                      file.policy.nx() - options.observation.extra(), file.policy.nu(),
                      number_type(arguments))};
}

}  // namespace

int export_command(const ExportArguments& arguments) {
  const bool header = arguments.to == "header";
  require(header || arguments.to == "safetensors", "--to {}: expected header or safetensors",
          arguments.to);
  require(header || (!arguments.single && arguments.lower.size() + arguments.upper.size() == 0),
          "--float, --lower and --upper go with --to header");
  require(!arguments.out || !arguments.out->empty(), "--out is empty, expected a file");
  std::error_code error;
  const bool folder = fs::is_directory(arguments.source, error);
  const fs::path source = folder ? RunFolder{arguments.source}.policy() : arguments.source;
  SafeTensors contents = load_safetensors(source);
  Exported exported;
  std::string name;
  if (contents.metadata["format"] == "pilqr.network_policy") {
    const NetworkFile file = network_from_safetensors(std::move(contents), source);
    name = file.task;
    exported = export_network(file, arguments);
  } else {
    PolicyFile file = folder ? load_trained({arguments.source}).policy
                             : policy_from_safetensors(std::move(contents), source);
    name = file.task;
    exported = export_policy(std::move(file), arguments);
  }
  const fs::path out =
      arguments.out.value_or(arguments.name.value_or(name) + (header ? ".h" : ".safetensors"));
  require_file(!fs::equivalent(out, source, error), out, "is the policy that is to be exported");
  write_atomically(out, exported.bytes);
  print(fmt::format("{}: {}\n", out.string(), exported.summary));
  return exit_done;
}

}  // namespace pilqr::command
