/// Any bytes as a network file. What is read is valid, acts, and comes back from what is written.

#include <cstdint>

#include "expect.hpp"
#include "pilqr/io/network_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  SafeTensors contents;
  if (!fuzz::accepts([&] { contents = decode_safetensors(fuzz::as_text(data, size), "f"); })) {
    return 0;
  }
  (void)fuzz::accepts([&] {
    const NetworkFile file = network_from_safetensors(std::move(contents), "f");
    require_valid(file);
    fuzz::expect(network_from_safetensors(network_to_safetensors(file), "f") == file,
                 "the same network");
    MatrixX u;
    file.policy.mean(MatrixX::Zero(file.policy.nx(), 1), u);
    fuzz::expect(u.rows() == file.policy.nu() && u.cols() == 1, "a control of the network's size");
  });
  return 0;
}
