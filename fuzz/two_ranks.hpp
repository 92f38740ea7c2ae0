#pragma once
/// A team of two of which there is only one.

#include <string>
#include <string_view>
#include <vector>

namespace pilqr::fuzz {

/// Rank `rank()`; the other one says `others`.
class HalfTeam {
 public:
  HalfTeam(int rank, std::string_view others) : rank_(rank), others_(others) {}

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return 2; }
  [[nodiscard]] std::vector<std::string> exchange(const std::string& mine) {
    said_ = mine;
    return rank_ == 0 ? std::vector{mine, others_} : std::vector{others_, mine};
  }
  /// What this one said last.
  [[nodiscard]] const std::string& said() const { return said_; }

 private:
  int rank_;
  std::string others_;
  std::string said_;
};

}  // namespace pilqr::fuzz
