#pragma once
/// Systems whose rollouts fail, and trainings with them.

#include <atomic>
#include <chrono>
#include <cmath>
#include <set>
#include <thread>

#include "pilqr/train/settings.hpp"
#include "train/moody_reacher.hpp"

namespace pilqr::test {

/// A task's system of which a share of the rollouts goes wrong, each in one of four ways, at a step
/// and in a way that its random stream decides.
class Faulty {
 public:
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  enum Way { throws, gives_nan, wrong_size, slow, fine };

  Faulty(const Task& task, double share, std::vector<Way> ways = {throws, gives_nan, wrong_size})
      : inner_(task.system()), steps_(task.steps), share_(share), ways_(std::move(ways)) {}

  void reset(int condition, RandomStream& stream, VectorX& x) {
    inner_.reset(condition, stream, x);
    const bool bad = stream.uniform() < share_;
    way_ = bad ? ways_[static_cast<std::size_t>(stream()) % ways_.size()] : fine;
    when_ = static_cast<int>(stream() % static_cast<std::uint64_t>(steps_ - 1));
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) {
    if (way_ == throws && t == when_) throw std::runtime_error("the gripper is stuck");
    inner_.step(t, x, u, stream, next);
    if (t != when_) return;
    if (way_ == gives_nan) next(0) = std::numeric_limits<double>::quiet_NaN();
    if (way_ == wrong_size) next.conservativeResize(next.size() - 1);
    if (way_ == slow) std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }

 private:
  AnySystem inner_;
  int steps_;
  double share_;
  std::vector<Way> ways_;
  Way way_ = fine;
  int when_ = 0;
};

inline Settings settings_for(const char* task, Algorithm algorithm, int seed = 3) {
  Settings settings = default_settings(find_task(task), algorithm);
  settings.conditions = {0};
  settings.seed = static_cast<std::uint64_t>(seed);
  return settings;
}

/// The reacher, of which some rollouts throw at step 5 and some begin far away; rollouts are
/// counted as they begin.
class Counted {
 public:
  static constexpr int Nx = Dynamic;
  static constexpr int Nu = Dynamic;
  static constexpr double far = 1e6;
  static constexpr int when = 5;

  Counted(int& begun, std::set<int> throwing, std::set<int> far_away = {})
      : inner_(find_task("reacher").system()),
        begun_(&begun),
        throwing_(std::move(throwing)),
        far_away_(std::move(far_away)) {}

  void reset(int condition, RandomStream& stream, VectorX& x) {
    inner_.reset(condition, stream, x);
    number_ = (*begun_)++;
    if (far_away_.count(number_) != 0) x(0) += far;
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) {
    if (throwing_.count(number_) != 0 && t == when) throw std::runtime_error("stuck");
    inner_.step(t, x, u, stream, next);
  }

 private:
  AnySystem inner_;
  int* begun_;
  std::set<int> throwing_, far_away_;
  int number_ = 0;
};

template <class S, class Executor, class R>
TrainResult train_with_system(const S& system, RecordedRun& run, const TrainCallbacks<>& callbacks,
                              Executor& executor, R&& team) {
  const Task& task = find_task("reacher");
  AnySystem any(system, task.nx, task.nu);
  return train(any, run.costs, run.optimizers, run.options, callbacks, executor, team);
}

}  // namespace pilqr::test
