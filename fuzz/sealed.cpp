/// Any bytes as a sealed file. No other checksum than the right one is taken.

#include "pilqr/io/sealed.hpp"

#include <cstdint>

#include "expect.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  const std::string_view bytes = fuzz::as_text(data, size);
  SafeTensors contents;
  if (!fuzz::accepts([&] { contents = unseal(bytes, "f"); })) return 0;
  const std::string sealed = seal(contents);
  fuzz::expect(seal(unseal(sealed, "f")) == sealed, "the same contents");
  std::string flipped(bytes);
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  fuzz::expect(!fuzz::accepts([&] { (void)unseal(flipped, "f"); }), "a flipped bit to be seen");
  return 0;
}
