/// Any bytes as a safetensors file. What is read comes back from what is written.

#include "pilqr/io/safetensors.hpp"

#include <cstdint>

#include "expect.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  SafeTensors contents;
  if (!fuzz::accepts([&] { contents = decode_safetensors(fuzz::as_text(data, size), "f"); })) {
    return 0;
  }
  const std::string bytes = encode_safetensors(contents);
  // Bytes, because a NaN is not equal to itself.
  fuzz::expect(encode_safetensors(decode_safetensors(bytes, "f")) == bytes, "the same contents");
  return 0;
}
