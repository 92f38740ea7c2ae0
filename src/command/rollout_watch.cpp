#include "rollout_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace pilqr::command {

RolloutWatch::RolloutWatch(double seconds, std::function<void(const std::string&)> tell)
    : seconds_(seconds), tell_(std::move(tell)) {
  if (std::isfinite(seconds)) thread_ = std::thread([this] { look(); });
}

RolloutWatch::~RolloutWatch() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  over_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void RolloutWatch::begins(const RolloutId& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  running_.push_back({id, Clock::now(), seconds_});
}

void RolloutWatch::ends(const RolloutId& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(running_, [&](const Running& one) { return one.id == id; });
}

void RolloutWatch::look() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!ended_) {
    const auto now = Clock::now();
    double next = seconds_;  // what begins now is not told of before
    for (Running& one : running_) {
      const double taken = std::chrono::duration<double>(now - one.start).count();
      if (taken >= one.limit) {
        tell_(
            fmt::format("rollout of condition {}, sample {} has taken {:.1f} s (iteration {}); "
                        "Ctrl-C or SIGTERM twice ends the run, which can be resumed",
                        one.id.condition, one.id.sample, taken, one.id.iteration + 1));
        one.limit = 2 * taken;
      }
      next = std::min(next, one.limit - taken);
    }
    constexpr double longest = 3600.0;  // s; more than the clock can count is no wait
    over_.wait_for(lock, std::chrono::duration<double>(std::min(next, longest)));
  }
}

}  // namespace pilqr::command
