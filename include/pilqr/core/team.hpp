#pragma once
/// Several processes that do one piece of work together. A team never changes results: it only says
/// who computes what, and everybody learns everything.

#include <concepts>
#include <string>
#include <vector>

namespace pilqr {

/// `team.size()` processes of one program, the ranks 0, 1, ..; this one is `team.rank()`.
/// `team.exchange(mine)` gives every rank the bytes of all ranks, in their order.
///
/// Laws: all ranks call exchange() equally often and in the same order, each from one thread at a
/// time; it returns when the bytes of all are there. All ranks are the same program on the same
/// kind of machine, so that numbers have the same bytes.
template <class T>
concept Team = requires(T& team, const std::string& mine) {
  { team.rank() } -> std::convertible_to<int>;
  { team.size() } -> std::convertible_to<int>;
  { team.exchange(mine) } -> std::same_as<std::vector<std::string>>;
};

/// This process alone.
struct SingleRank {
  [[nodiscard]] int rank() const { return 0; }  ///< the only one
  [[nodiscard]] int size() const { return 1; }  ///< one process
  /// Its own bytes alone.
  [[nodiscard]] std::vector<std::string> exchange(const std::string& mine) const { return {mine}; }
};

}  // namespace pilqr
