#pragma once
/// Files of JSON lines, which others may have written.

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace pilqr::command {

/// visit(object) of each whole line; one without its end is still being written, or broke off.
/// Throws FileError, naming the line, for one that is not JSON or of which visit throws
/// InvalidArgument or an exception of JSON.
void for_each_line(std::string_view text, const std::filesystem::path& path,
                   const std::function<void(const nlohmann::ordered_json&)>& visit);

/// A whole number, 0 or more. Throws InvalidArgument if it is anything else or more than an int
/// holds, an exception of JSON if there is none.
int count_at(const nlohmann::ordered_json& object, const char* key);

/// NaN for null; throws an exception of JSON unless it is a number.
double number_or_none(const nlohmann::ordered_json& value);

}  // namespace pilqr::command
