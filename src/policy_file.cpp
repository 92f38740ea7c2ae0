#include "pilqr/io/policy_file.hpp"

#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/tensors.hpp"

namespace pilqr {
namespace {

constexpr std::string_view format_name = "pilqr.tvlg_policy";
constexpr std::string_view format_version = "1";
constexpr std::array<const char*, 12> own_keys = {
    "format", "format_version", "task",          "algorithm", "nx",        "nu", "steps",
    "dt",     "seed",           "samples_total", "iteration", "conditions"};

std::string tensor_name(int condition, const char* part) {
  return fmt::format("condition_{}/{}", condition, part);
}

/// Everything but the policies.
void require_valid_description(const PolicyFile& file) {
  require(std::isfinite(file.dt) && file.dt > 0.0, "dt is {} s, expected a positive number",
          file.dt);
  require(file.samples_total >= 0, "samples_total is {}, expected >= 0", file.samples_total);
  require(file.iteration >= 0, "iteration is {}, expected >= 0", file.iteration);
  require(!file.conditions.empty(), "there are no conditions");
  std::set<int> seen;
  for (const int condition : file.conditions) {
    require(condition >= 0, "condition {}, expected >= 0", condition);
    require(seen.insert(condition).second, "condition {} is there twice", condition);
  }
  for (const char* key : own_keys) {
    require(file.extra.count(key) == 0, "extra metadata cannot be called \"{}\"", key);
  }
}

/// "0,1,2" as numbers.
std::vector<int> parse_conditions(const TensorReader& reader) {
  std::vector<int> conditions;
  std::string_view rest = reader.text("conditions");
  require_file(!rest.empty(), reader.path(), "metadata \"conditions\" is empty");
  while (true) {
    const std::size_t comma = rest.find(',');
    int condition = 0;
    require_file(TensorReader::parse_number(rest.substr(0, comma), condition), reader.path(),
                 "metadata \"conditions\" is {}, expected numbers separated by commas",
                 in_quotes(reader.text("conditions")));
    conditions.push_back(condition);
    if (comma == std::string_view::npos) return conditions;
    rest.remove_prefix(comma + 1);
  }
}

PolicyFile read_description(const TensorReader& reader) {
  const std::string& format = reader.text("format");
  require_file(format == format_name, reader.path(), "metadata \"format\" is {}, expected \"{}\"",
               in_quotes(format), format_name);
  const std::string& version = reader.text("format_version");
  require_file(version == format_version, reader.path(),
               "metadata \"format_version\" is {}, this program reads \"{}\"", in_quotes(version),
               format_version);
  PolicyFile file;
  file.task = reader.text("task");
  file.algorithm = reader.text("algorithm");
  file.dt = reader.number<double>("dt");
  file.seed = reader.number<std::uint64_t>("seed");
  file.samples_total = reader.number<long>("samples_total");
  file.iteration = reader.number<int>("iteration");
  file.conditions = parse_conditions(reader);
  file.extra = reader.contents().metadata;
  for (const char* key : own_keys) file.extra.erase(key);
  return file;
}

/// No tensor beyond those of the conditions.
void require_known_tensors(const TensorReader& reader, const std::vector<int>& conditions) {
  std::set<std::string> known;
  for (const int condition : conditions) {
    for (const char* part : {"K", "k", "L"}) known.insert(tensor_name(condition, part));
  }
  for (const auto& [name, tensor] : reader.contents().tensors) {
    require_file(known.count(name) != 0, reader.path(), "tensor {} is not part of the format",
                 in_quotes(name));
  }
}

LinearGaussianPolicy<> read_policy(const TensorReader& reader, int condition) {
  const int nx = reader.number<int>("nx");
  const int nu = reader.number<int>("nu");
  const int T = reader.number<int>("steps");
  const std::string K = tensor_name(condition, "K");
  const std::string k = tensor_name(condition, "k");
  const std::string L = tensor_name(condition, "L");
  reader.require_shape(K, {T, nu, nx});
  reader.require_shape(k, {T, nu});
  reader.require_shape(L, {T, nu, nu});
  LinearGaussianPolicy<> policy;
  policy.K = reader.sequence<Dynamic, Dynamic>(K);
  policy.k = reader.sequence<Dynamic>(k);
  policy.L = reader.sequence<Dynamic, Dynamic>(L);
  return policy;
}

}  // namespace

void require_valid(const PolicyFile& file) {
  require_valid_description(file);
  require(file.policies.size() == file.conditions.size(), "{} policies for {} conditions",
          file.policies.size(), file.conditions.size());
  const LinearGaussianPolicy<>& first = file.policies.front();
  for (std::size_t m = 0; m < file.policies.size(); ++m) {
    const LinearGaussianPolicy<>& policy = file.policies[m];
    const std::string what = fmt::format("condition_{}", file.conditions[m]);
    require_valid(policy, what.c_str());
    require(
        policy.steps() == first.steps() && policy.nx() == first.nx() && policy.nu() == first.nu(),
        "{} has {} steps, nx = {}, nu = {}, the first condition {}, {}, {}", what, policy.steps(),
        policy.nx(), policy.nu(), first.steps(), first.nx(), first.nu());
  }
}

SafeTensors policy_to_safetensors(const PolicyFile& file) {
  require_valid(file);
  SafeTensors contents;
  contents.metadata = file.extra;
  const LinearGaussianPolicy<>& first = file.policies.front();
  contents.metadata["format"] = std::string(format_name);
  contents.metadata["format_version"] = std::string(format_version);
  contents.metadata["task"] = file.task;
  contents.metadata["algorithm"] = file.algorithm;
  contents.metadata["nx"] = fmt::format("{}", first.nx());
  contents.metadata["nu"] = fmt::format("{}", first.nu());
  contents.metadata["steps"] = fmt::format("{}", first.steps());
  contents.metadata["dt"] = fmt::format("{}", file.dt);
  contents.metadata["seed"] = fmt::format("{}", file.seed);
  contents.metadata["samples_total"] = fmt::format("{}", file.samples_total);
  contents.metadata["iteration"] = fmt::format("{}", file.iteration);
  contents.metadata["conditions"] = fmt::format("{}", fmt::join(file.conditions, ","));
  for (std::size_t m = 0; m < file.policies.size(); ++m) {
    const int condition = file.conditions[m];
    contents.tensors[tensor_name(condition, "K")] = to_tensor(file.policies[m].K);
    contents.tensors[tensor_name(condition, "k")] = to_tensor(file.policies[m].k);
    contents.tensors[tensor_name(condition, "L")] = to_tensor(file.policies[m].L);
  }
  return contents;
}

PolicyFile policy_from_safetensors(SafeTensors contents, const std::filesystem::path& path) {
  const TensorReader reader(std::move(contents), path);
  try {
    PolicyFile file = read_description(reader);
    require_valid_description(file);
    const std::size_t tensors = reader.contents().tensors.size();
    require_file(file.conditions.size() <= tensors, path,
                 "metadata \"conditions\" names {} conditions, the file has {} tensors",
                 file.conditions.size(), tensors);
    require_known_tensors(reader, file.conditions);
    for (const int condition : file.conditions) {
      file.policies.push_back(read_policy(reader, condition));
    }
    require_valid(file);
    return file;
  } catch (const InvalidArgument& error) {  // the same laws as for saving, now about a file
    throw FileError(path, error.what());
  }
}

void save_policy(const std::filesystem::path& path, const PolicyFile& file, Sync sync) {
  save_safetensors(path, policy_to_safetensors(file), sync);
}

PolicyFile load_policy(const std::filesystem::path& path) {
  return policy_from_safetensors(load_safetensors(path), path);
}

}  // namespace pilqr
