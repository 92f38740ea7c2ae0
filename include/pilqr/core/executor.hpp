#pragma once
/// How independent pieces of work are spread over workers. Executors never change results: each
/// piece writes to its own place and draws from its own random stream.

#include <concepts>
#include <functional>
#include <utility>

namespace pilqr {

/// `executor.run(count, make_worker)` calls `worker(i)` exactly once for each i in [0, count). Each
/// worker comes from `make_worker()` and is used by one thread at a time, so that it can own a copy
/// of the system. Returns when all are done; an exception of a worker is passed on.
template <class E>
concept Executor = requires(E& executor, std::function<std::function<void(int)>()> make_worker) {
  executor.run(1, make_worker);
};

/// Everything in order, on the calling thread, by one worker.
struct SerialExecutor {
  /// See Executor; `make_worker` is called once, or not at all if `count` <= 0.
  template <class MakeWorker>
  void run(int count, MakeWorker&& make_worker) const {
    if (count <= 0) return;
    auto worker = std::forward<MakeWorker>(make_worker)();
    for (int i = 0; i < count; ++i) worker(i);
  }
};

}  // namespace pilqr
