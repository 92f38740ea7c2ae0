/// Any text as metrics.jsonl, and as details.jsonl, of a run that goes on. Of finished lines, the
/// lines of fewer iterations are the beginning; abandoned lines are objects, and stay what they
/// are.

#include "metrics.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "abandoned.hpp"
#include "details.hpp"
#include "expect.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  const std::string_view text = fuzz::as_text(data, size);
  const std::string abandoned = command::whole_lines(text);
  fuzz::expect(command::whole_lines(abandoned) == abandoned, "lines that are whole");
  for (std::size_t begin = 0; begin < abandoned.size();) {
    const std::size_t end = abandoned.find('\n', begin);
    const auto one = nlohmann::json::parse(abandoned.substr(begin, end - begin), nullptr, false);
    fuzz::expect(one.is_object(), "an object");
    begin = end + 1;
  }
  std::string_view details;
  for (int iterations = 0; iterations <= 3; ++iterations) {
    const std::string_view more = command::details_before(text, iterations);
    fuzz::expect(text.substr(0, more.size()) == more, "the beginning of the details");
    fuzz::expect(more.substr(0, details.size()) == details, "the details before");
    fuzz::expect(more.empty() || more.back() == '\n', "whole details");
    details = more;
  }
  std::string_view before;
  for (int iterations = 0; iterations <= 3; ++iterations) {
    std::string_view lines;
    if (!fuzz::accepts([&] { lines = command::finished_lines(text, "f", iterations, {0, 3}); })) {
      return 0;
    }
    fuzz::expect(text.substr(0, lines.size()) == lines, "the beginning of the text");
    fuzz::expect(lines.substr(0, before.size()) == before, "the lines before");
    fuzz::expect(lines.empty() || lines.back() == '\n', "whole lines");
    before = lines;
  }
  return 0;
}
