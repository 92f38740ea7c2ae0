#include "json_lines.hpp"

#include <cstdint>
#include <limits>

#include "console.hpp"
#include "pilqr/core/check.hpp"
#include "pilqr/io/file_error.hpp"
#include "statistics.hpp"

namespace pilqr::command {

using Json = nlohmann::ordered_json;

void for_each_line(std::string_view text, const std::filesystem::path& path,
                   const std::function<void(const Json&)>& visit) {
  for (int number = 1;; ++number) {
    const std::size_t stop = text.find('\n');
    if (stop == std::string_view::npos) return;
    std::string fault;
    try {
      visit(Json::parse(text.substr(0, stop)));
    } catch (const Json::exception& error) {
      fault = error.what();
    } catch (const InvalidArgument& error) {
      fault = error.what();
    }
    constexpr std::size_t longest = 200;  // the fault may quote the line
    require_file(fault.empty(), path, "line {} is damaged: {}", number, shortened(fault, longest));
    text.remove_prefix(stop + 1);
  }
}

int count_at(const Json& object, const char* key) {
  const Json& value = object.at(key);
  constexpr int most = std::numeric_limits<int>::max();
  require(value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{most},
          "{} is not a whole number of 0 to {}", key, most);
  return static_cast<int>(value.get<std::uint64_t>());
}

double number_or_none(const Json& value) {
  return value.is_null() ? none : value.get<double>();
}

}  // namespace pilqr::command
