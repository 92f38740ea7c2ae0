#pragma once
/// Ranks that are threads of this process: a Team without MPI.

#include <barrier>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace pilqr::test {

/// What the ranks of one team share.
struct ThreadRanks {
  explicit ThreadRanks(int size) : messages(static_cast<std::size_t>(size)), meet(size) {}
  std::vector<std::string> messages;
  std::barrier<> meet;
};

/// One rank.
class ThreadTeam {
 public:
  ThreadTeam(ThreadRanks& ranks, int rank) : ranks_(ranks), rank_(rank) {}
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return static_cast<int>(ranks_.messages.size()); }
  [[nodiscard]] std::vector<std::string> exchange(const std::string& mine) {
    ranks_.messages[static_cast<std::size_t>(rank_)] = mine;
    ranks_.meet.arrive_and_wait();
    std::vector<std::string> all = ranks_.messages;
    ranks_.meet.arrive_and_wait();  // nobody writes before all have read
    ++exchanges;
    return all;
  }
  int exchanges = 0;

 private:
  ThreadRanks& ranks_;
  int rank_;
};

/// Calls action(team) on so many ranks and waits for all.
template <class Action>
void on_ranks(int size, const Action& action) {
  ThreadRanks ranks(size);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&ranks, &action, rank] {
      ThreadTeam team(ranks, rank);
      action(team);
    });
  }
}

}  // namespace pilqr::test
