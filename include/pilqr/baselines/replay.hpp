#pragma once
/// The last transitions, to learn from again.

#include "pilqr/core/types.hpp"
#include "pilqr/model/rollout.hpp"

namespace pilqr {

/// A ring of transitions (t, x, u, cost, x'): the newest ones up to its capacity. Place j of
/// size() is any of them; the oldest is at next() once it is full. Transitions stand in columns.
struct Replay {
  MatrixX x;      ///< nx x capacity
  MatrixX u;      ///< nu x capacity
  MatrixX after;  ///< nx x capacity, x'; x itself at the last step of an episode
  VectorX cost;   ///< capacity, of the step
  VectorX step;   ///< capacity, t
  int size = 0;   ///< transitions there are
  int next = 0;   ///< place of the next one

  Replay() = default;
  /// Throws InvalidArgument unless all are at least 1.
  Replay(int nx, int nu, int capacity);

  [[nodiscard]] int capacity() const { return static_cast<int>(cost.size()); }  ///< places

  /// Takes in one transition. Sizes must be those of the replay. Does not allocate.
  void add(int t, const ConstVectorRef& state, const ConstVectorRef& control, double c,
           const ConstVectorRef& successor);

  /// All steps of all rollouts, sample after sample. Throws InvalidArgument on other sizes.
  void add(const RolloutsView& rollouts);
};

/// The transitions whose places new ones will take, to be put back.
class ReplacedTransitions {
 public:
  /// @param count of transitions that will be added, >= 1.
  ReplacedTransitions(const Replay& replay, long count);
  /// Makes the replay as it was, after no more than so many additions.
  void put_back(Replay& replay) const;

 private:
  int size_, next_;
  int first_ = 0;  // place of the first of them
  Replay old_;     // in the order of their places
};

/// Equal transitions in equal places; what else is in the memory does not count.
bool operator==(const Replay& a, const Replay& b);

}  // namespace pilqr
