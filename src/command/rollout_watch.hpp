#pragma once
/// Rollouts that take long, told to those who wait.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pilqr/train/rollout_events.hpp"

namespace pilqr::command {

/// Tells of a rollout that has taken so many seconds, and again whenever it has taken twice as long
/// as the last time. It looks at the clock once per rollout, from a thread of its own. A step that
/// does not return cannot be ended: people can.
class RolloutWatch {
 public:
  /// @param seconds > 0; infinity: nothing is told. @param tell called on the watch's thread.
  RolloutWatch(double seconds, std::function<void(const std::string&)> tell);
  ~RolloutWatch();
  RolloutWatch(const RolloutWatch&) = delete;
  RolloutWatch& operator=(const RolloutWatch&) = delete;

  /// See RolloutEvents.
  ///@{
  void begins(const RolloutId& id);
  void ends(const RolloutId& id);
  ///@}

 private:
  using Clock = std::chrono::steady_clock;
  struct Running {
    RolloutId id;
    Clock::time_point start;
    double limit;  // s, until it is told of
  };

  void look();  // until the end

  double seconds_;
  std::function<void(const std::string&)> tell_;
  std::mutex mutex_;
  std::condition_variable over_;
  bool ended_ = false;
  std::vector<Running> running_;
  std::thread thread_;
};

}  // namespace pilqr::command
