#pragma once
/// Rollouts on several cores through oneTBB. The program that includes this links
/// pilqr::tbb.

#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include "pilqr/core/check.hpp"

namespace pilqr {

/// An Executor that runs pieces on at most `threads` threads, one worker per thread. The results
/// are those of SerialExecutor, bit by bit: pieces share nothing.
class TbbExecutor {
 public:
  /// Throws InvalidArgument unless threads >= 1.
  explicit TbbExecutor(int threads) : arena_(checked(threads)) {}

  /// See the concept Executor.
  template <class MakeWorker>
  void run(int count, MakeWorker&& make_worker) {
    arena_.execute([&] {
      using Worker = decltype(make_worker());
      tbb::enumerable_thread_specific<Worker> workers([&] { return make_worker(); });
      tbb::parallel_for(0, count, [&](int i) {
        // A worker that waits inside must not pick up another piece with the same copy of a system.
        tbb::this_task_arena::isolate([&] { workers.local()(i); });
      });
    });
  }

 private:
  static int checked(int threads) {
    require(threads >= 1, "{} threads, expected at least 1", threads);
    return threads;
  }
  tbb::task_arena arena_;
};

}  // namespace pilqr
