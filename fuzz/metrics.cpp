/// Any text as metrics.jsonl. Of finished lines, the lines of fewer iterations are the beginning.

#include "metrics.hpp"

#include <cstdint>

#include "expect.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  const std::string_view text = fuzz::as_text(data, size);
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
