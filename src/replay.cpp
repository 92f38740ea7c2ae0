#include "pilqr/baselines/replay.hpp"

#include <algorithm>

#include "pilqr/core/check.hpp"

namespace pilqr {

Replay::Replay(int nx, int nu, int capacity) {
  require(nx >= 1 && nu >= 1 && capacity >= 1, "replay of {} transitions with nx = {}, nu = {}",
          capacity, nx, nu);
  x.resize(nx, capacity);
  u.resize(nu, capacity);
  after.resize(nx, capacity);
  cost.resize(capacity);
  step.resize(capacity);
}

void Replay::add(int t, const ConstVectorRef& state, const ConstVectorRef& control, double c,
                 const ConstVectorRef& successor) {
  x.col(next) = state;
  u.col(next) = control;
  after.col(next) = successor;
  cost(next) = c;
  step(next) = t;
  size = std::max(size, next + 1);
  next = (next + 1) % capacity();
}

void Replay::add(const RolloutsView& r) {
  require_valid(r);
  require(r.nx() == x.rows() && r.nu() == u.rows(),
          "replay of nx = {}, nu = {}: rollouts of {}, {}", x.rows(), u.rows(), r.nx(), r.nu());
  for (int i = 0; i < r.samples(); ++i) {
    for (int t = 0; t < r.steps(); ++t) {
      add(t, r.x[t].col(i), r.u[t].col(i), r.cost(i, t),
          r.x[std::min(t + 1, r.steps() - 1)].col(i));
    }
  }
}

ReplacedTransitions::ReplacedTransitions(const Replay& replay, long count)
    : size_(replay.size), next_(replay.next) {
  const long empty = replay.capacity() - size_;  // places that are taken first
  const auto replaced = static_cast<int>(std::clamp<long>(count - empty, 0, size_));
  if (replaced == 0) return;
  first_ = (next_ + static_cast<int>(empty)) % replay.capacity();
  old_ = Replay(rows(replay.x), rows(replay.u), replaced);
  for (int i = 0; i < replaced; ++i) {
    const int j = (first_ + i) % replay.capacity();
    old_.add(static_cast<int>(replay.step(j)), replay.x.col(j), replay.u.col(j), replay.cost(j),
             replay.after.col(j));
  }
}

void ReplacedTransitions::put_back(Replay& replay) const {
  replay.next = first_;
  for (int i = 0; i < old_.size; ++i) {
    replay.add(static_cast<int>(old_.step(i)), old_.x.col(i), old_.u.col(i), old_.cost(i),
               old_.after.col(i));
  }
  replay.size = size_;
  replay.next = next_;
}

bool operator==(const Replay& a, const Replay& b) {
  const int n = a.size;
  return n == b.size && a.next == b.next && a.capacity() == b.capacity() &&
         a.x.leftCols(n) == b.x.leftCols(n) && a.u.leftCols(n) == b.u.leftCols(n) &&
         a.after.leftCols(n) == b.after.leftCols(n) && a.cost.head(n) == b.cost.head(n) &&
         a.step.head(n) == b.step.head(n);
}

}  // namespace pilqr
