/// Any bytes as the state of an optimiser from another rank.

#include <cstdint>

#include "expect.hpp"
#include "small_runs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  static const std::vector<fuzz::SmallRun> runs = fuzz::small_runs(2);
  for (const fuzz::SmallRun& run : runs) {
    AnyOptimizer optimizer = run.fresh.front();
    try {
      restore_state(decode_optimizer(fuzz::as_text(data, size), state_of(optimizer)), optimizer);
    } catch (const FileError&) {
      continue;
    } catch (const InvalidArgument&) {
      continue;
    }
    const std::string bytes = encode_optimizer(state_of(optimizer));
    restore_state(decode_optimizer(bytes, state_of(optimizer)), optimizer);
    fuzz::expect(encode_optimizer(state_of(optimizer)) == bytes, "the same state");
  }
  return 0;
}
