#pragma once
/// A random order.

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "pilqr/core/random.hpp"

namespace pilqr {

/// A number of [0, count), each as likely.
inline int uniform_index(RandomStream& stream, int count) {
  return std::min(count - 1, static_cast<int>(stream.uniform() * count));
}

/// The numbers of [0, count) in random order (Fisher-Yates). Does not allocate if `order` has had
/// as many before.
inline void shuffle(int count, RandomStream& stream, std::vector<int>& order) {
  order.resize(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (int i = count - 1; i > 0; --i) {
    std::swap(order[static_cast<std::size_t>(i)],
              order[static_cast<std::size_t>(uniform_index(stream, i + 1))]);
  }
}

}  // namespace pilqr
