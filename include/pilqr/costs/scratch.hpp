#pragma once
/// Temporary memory for const functions that may run concurrently and must not allocate.

#include <cstddef>
#include <vector>

namespace pilqr {

/// A block of doubles for the lifetime of the object. Each thread keeps its blocks for reuse, one
/// per level of nesting, so that only the first call of a thread allocates. The contents are those
/// of the last use. An object must be destroyed by the thread that made it, in reverse order.
class Scratch {
 public:
  /// Room for `size` doubles.
  explicit Scratch(int size) : level_(blocks().depth) {
    Blocks& mine = blocks();
    const auto needed = static_cast<std::size_t>(size);
    if (mine.data.size() <= level_) mine.data.resize(level_ + 1);
    if (mine.data[level_].size() < needed) mine.data[level_].resize(needed);
    data_ = mine.data[level_].data();
    ++mine.depth;  // last: nothing above may throw after it
  }
  ~Scratch() { --blocks().depth; }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] double* data() const { return data_; }  ///< the block

 private:
  struct Blocks {
    std::vector<std::vector<double>> data;  // moving the inner vectors keeps their memory in place
    std::size_t depth = 0;
  };
  static Blocks& blocks() {
    static thread_local Blocks mine;
    return mine;
  }

  std::size_t level_;
  double* data_ = nullptr;
};

}  // namespace pilqr
