/// Any bytes as a policy file. What is read is valid and comes back from what is written.

#include <cstdint>

#include "expect.hpp"
#include "pilqr/io/policy_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  PolicyFile file;
  if (!fuzz::accepts([&] {
        file = policy_from_safetensors(decode_safetensors(fuzz::as_text(data, size), "f"), "f");
      })) {
    return 0;
  }
  require_valid(file);
  fuzz::expect(policy_from_safetensors(policy_to_safetensors(file), "f") == file,
               "the same policies");
  return 0;
}
