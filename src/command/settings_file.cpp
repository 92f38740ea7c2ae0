#include "settings_file.hpp"

#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string_view>
#include <type_traits>
#include <utility>

#include "choices.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "settings_table.hpp"

namespace pilqr::command {
namespace {

/// True if a setting of this type is written as text in quotes.
template <class Field>
constexpr bool is_text = std::is_same_v<Field, std::string> || std::is_enum_v<Field>;

/// Reads a value into a setting; what it should have been, or nothing if it is.
template <class Field>
std::string read(const toml::node& node, Field& field) {
  if constexpr (std::is_same_v<Field, bool>) {
    if (!node.is_boolean()) return "true or false";
    field = **node.as_boolean();
  } else if constexpr (std::is_integral_v<Field>) {
    std::string range =
        fmt::format("an integer from {} to {}", std::numeric_limits<Field>::min(),
                    std::min<std::uint64_t>(std::numeric_limits<Field>::max(),
                                            std::numeric_limits<std::int64_t>::max()));
    // A seed that is too large for TOML is no integer here.
    if (!node.is_integer()) return std::is_unsigned_v<Field> ? range : "an integer";
    const std::int64_t value = **node.as_integer();
    if (std::cmp_less(value, std::numeric_limits<Field>::min()) ||
        std::cmp_greater(value, std::numeric_limits<Field>::max())) {
      return range;
    }
    field = static_cast<Field>(value);
  } else if constexpr (std::is_floating_point_v<Field>) {
    if (!node.is_number() || std::isnan(*node.value<double>())) return "a number";
    field = *node.value<double>();
  } else if constexpr (std::is_same_v<Field, std::string>) {
    if (!node.is_string()) return "text in quotes";
    field = **node.as_string();
  } else if constexpr (std::is_enum_v<Field>) {
    std::string names;
    for (const auto& [name, value] : choices(Field{})) {
      if (node.is_string() && **node.as_string() == name) {
        field = value;
        return {};
      }
      names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
    }
    return "one of " + names;
  } else {
    const toml::array* list = node.as_array();
    Field numbers;
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
      int number = 0;
      if (!read((*list)[i], number).empty()) list = nullptr;
      numbers.push_back(number);
    }
    if (list == nullptr) return "a list of integers like [0, 1]";
    field = std::move(numbers);
  }
  return {};
}

template <class Field>
std::string write(const Field& field) {
  if constexpr (std::is_floating_point_v<Field>) {
    std::string text = fmt::format("{}", field);  // the shortest that reads back the same
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    return text;
  } else if constexpr (std::is_same_v<Field, std::string>) {
    return fmt::format("\"{}\"", field);
  } else if constexpr (std::is_enum_v<Field>) {
    for (const auto& [name, value] : choices(Field{})) {
      if (value == field) return fmt::format("\"{}\"", name);
    }
    throw InvalidArgument("a choice without a name");
  } else if constexpr (std::is_same_v<Field, std::vector<int>>) {
    return fmt::format("[{}]", fmt::join(field, ", "));
  } else {
    return fmt::format("{}", field);
  }
}

/// One setting with a value that has been parsed.
struct Value {
  std::string origin;  ///< begins messages: "--set samples=5", "my.toml: samples"
  std::string key;
  const toml::node* node;
  toml::table owner{};  ///< holds the node if it is not part of a file
};

std::string text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return in_quotes(**text);
  constexpr std::size_t longest = 80;
  std::ostringstream out;
  out << toml::node_view<const toml::node>(node);
  return out.str().substr(0, longest);
}

void assign(RunSettings& run, const Value& value) {
  bool known = false;
  for_each_setting(run, [&](std::string_view key, auto& field) {
    if (key != value.key) return;
    known = true;
    const std::string expected = read(*value.node, field);
    require(expected.empty(), "{}: expected {}, not {}", value.origin, expected,
            text_of(*value.node));
  });
  require(known, "{}: unknown setting", value.origin);
}

/// Each dot may be a table in a table, which takes a piece of the stack; values in values are
/// limited by the parser.
void require_shallow(std::string_view text, const std::string& origin) {
  constexpr std::ptrdiff_t most = 1000;
  const auto dots = std::count(text.begin(), text.end(), '.');
  require(dots <= most, "{}: has {} dots, expected at most {}", origin, dots, most);
}

toml::table parse(std::string_view text, const std::string& origin) {
  require_shallow(text, origin);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw InvalidArgument(fmt::format("{}: line {}: {}", origin, error.source().begin.line,
                                      std::string(error.description())));
  }
}

void require_section(const std::string& section, const std::string& origin) {
  const std::vector<std::string> keys = setting_keys();
  require(std::any_of(keys.begin(), keys.end(),
                      [&](const std::string& key) { return key.rfind(section + '.', 0) == 0; }),
          "{}: {}: unknown section", origin, section);
}

void flatten(const toml::table& table, const std::string& file, const std::string& prefix,
             std::vector<Value>& out) {
  for (const auto& [name, node] : table) {
    constexpr std::size_t longest = 80;  // of any setting's name, and of a message
    const std::string key = prefix + std::string(name.str().substr(0, longest));
    if (const toml::table* section = node.as_table()) {
      require_section(key, file);
      flatten(*section, file, key + '.', out);
    } else {
      out.push_back({.origin = fmt::format("{}: {}", file, key), .key = key, .node = &node});
    }
  }
}

/// The value of an assignment. Text may stand without quotes; so may what is no value at all, whose
/// type is then found to be wrong.
Value parse_value(const Assignment& assignment) {
  bool text = false;
  RunSettings any;
  for_each_setting(any, [&](std::string_view key, auto& field) {
    if (key == assignment.key) text = is_text<std::decay_t<decltype(field)>>;
  });
  Value value{.origin = assignment.origin, .key = assignment.key, .node = nullptr};
  const bool bare = text && assignment.value.find_first_of("\"'") != 0;
  if (!bare && assignment.value.find_first_of("\n\r#") == std::string::npos) {
    try {
      value.owner = toml::parse("value = " + assignment.value);
    } catch (const toml::parse_error&) {
      value.owner.clear();
    }
  }
  if (value.owner.empty()) value.owner.insert("value", assignment.value);
  value.node = value.owner.get("value");
  return value;
}

/// Throws InvalidArgument for a value that none of the request's algorithms uses.
void require_used(const Value& value, const SettingsRequest& request, Algorithm chosen) {
  std::vector<std::string> names = request.algorithms;
  if (names.empty()) names = {name(chosen)};
  for (const auto& [text, algorithm] : choices(Algorithm{})) {
    if (std::count(names.begin(), names.end(), text) != 0 && uses(algorithm, value.key)) return;
  }
  throw InvalidArgument(fmt::format("{}: not used by {}", value.origin, fmt::join(names, " or ")));
}

void require_task(const std::string& name, const std::string& origin) {
  try {
    (void)find_task(name);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("{}: {}", origin, error.what()));
  }
}

/// The message of what is not valid in these settings, or nothing.
std::string fault(const RunSettings& run, const Task& task) {
  try {
    require_valid(run.neighbours);
    require_valid(run.gmm);
    require(run.tell_after > 0.0, "faults: tell_after is {}, expected > 0", run.tell_after);
    require_valid(run.settings, task);
    return {};
  } catch (const InvalidArgument& error) {
    return error.what();
  }
}

}  // namespace

Assignment parse_set(const std::string& text) {
  const std::size_t equals = text.find('=');
  require(equals != std::string::npos && equals > 0, "--set {}: expected key=value", text);
  return {
      .origin = "--set " + text, .key = text.substr(0, equals), .value = text.substr(equals + 1)};
}

RunSettings resolve(const SettingsRequest& request) {
  toml::table file;
  std::vector<Value> values;
  if (request.file) {
    constexpr std::uint64_t most = std::uint64_t{1} << 20U;  // bytes
    file = parse(read_file(*request.file, most), request.file->string());
    flatten(file, request.file->string(), "", values);
  } else if (request.text) {
    file = parse(*request.text, "settings");
    flatten(file, "settings", "", values);
  }
  for (const Assignment& assignment : request.assignments) {
    values.push_back(parse_value(assignment));
  }

  // What the defaults depend on comes first.
  RunSettings named;
  named.settings.task = request.task;
  for (const Value& value : values) {
    if (value.key != "task" && value.key != "algorithm" && value.key != "preset") continue;
    assign(named, value);
    require(request.task.empty() || named.settings.task == request.task,
            "{}: is {}, but the command line names {}", value.origin,
            in_quotes(named.settings.task), in_quotes(request.task));
    if (value.key == "task") require_task(named.settings.task, value.origin);
  }
  require(!named.settings.task.empty(), "{}: task: is missing",
          request.file ? request.file->string() : "settings");
  const Task& task = find_task(named.settings.task);

  RunSettings run;
  run.preset = named.preset;
  run.keep_samples = request.keep_samples;
  run.settings = default_settings(task, named.settings.algorithm);
  if (run.preset == Preset::paper) apply_paper_preset(run.settings);
  ModelOptions& model = run.settings.model;
  if (model.neighbours) {
    run.prior = Prior::neighbours;
    run.neighbours = *model.neighbours;
  }
  // Of values that are wrong together, the one that made them so is named.
  std::string culprit;
  std::string wrong = fault(run, task);
  RunSettings unused;
  for (const Value& value : values) {
    if (!uses(run.settings.algorithm, value.key)) {
      assign(unused, value);
      require_used(value, request, run.settings.algorithm);
      continue;
    }
    assign(run, value);
    const std::string now = fault(run, task);
    if (!now.empty() && wrong.empty()) culprit = value.origin + ": ";
    wrong = now;
  }
  require(wrong.empty(), "{}{}", culprit, wrong);
  model.neighbours.reset();
  model.gmm.reset();
  if (run.prior == Prior::neighbours) model.neighbours = run.neighbours;
  if (run.prior == Prior::gmm) model.gmm = run.gmm;
  LinearizeOptions& linearize = run.settings.mdgps.linearize;
  linearize.neighbours.reset();
  linearize.gmm.reset();
  if (run.linearize_prior == Prior::neighbours) linearize.neighbours = run.neighbours;
  if (run.linearize_prior == Prior::gmm) linearize.gmm = run.gmm;
  return run;
}

std::string to_toml(const RunSettings& run) {
  std::string out;
  std::string section;
  for_each_setting(run, [&](std::string_view key, const auto& field) {
    if (!uses(run.settings.algorithm, key)) return;
    const std::size_t dot = key.find('.');
    if (dot != std::string_view::npos && key.substr(0, dot) != section) {
      section = key.substr(0, dot);
      out += fmt::format("\n[{}]\n", section);
    }
    out += fmt::format("{} = {}\n", dot == std::string_view::npos ? key : key.substr(dot + 1),
                       write(field));
  });
  return out;
}

std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  for (const auto& [name, algorithm] : choices(Algorithm{})) names.emplace_back(name);
  return names;
}

std::vector<std::string> setting_keys() {
  std::vector<std::string> keys;
  RunSettings any;
  for_each_setting(any, [&](std::string_view key, auto&) { keys.emplace_back(key); });
  return keys;
}

}  // namespace pilqr::command
