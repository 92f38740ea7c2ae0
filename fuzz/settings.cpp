/// Any text as config.toml. What is read comes back from what is written.

#include <cstdint>

#include "expect.hpp"
#include "settings_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  std::string written;
  try {
    written = to_toml(command::resolve({.text = std::string(fuzz::as_text(data, size))}));
  } catch (const InvalidArgument&) {
    return 0;
  }
  fuzz::expect(to_toml(command::resolve({.text = written})) == written, "the same settings");
  return 0;
}
