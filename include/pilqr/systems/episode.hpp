#pragma once
/// What a system with a world of its own keeps of the running episode.

#include <memory>
#include <utility>
#include <vector>

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr::systems {

/// A world that is built anew by every reset, and the controls since then. Worlds cannot be copied:
/// a copy of an episode has none, and builds its own by replaying the controls when it is first
/// moved, which gives the same state bit for bit. A copy that is reset first replays nothing.
///
/// World is constructible from a condition and has move(u). It may be incomplete where the episode
/// is declared, which is why the pointer, never shared, is one that knows how to delete.
template <class World, int Nu>
class Episode {
 public:
  Episode() = default;
  /// A copy has the episode's controls and no world.
  ///@{
  Episode(const Episode& other) : condition_(other.condition_), controls_(other.controls_) {}
  Episode(Episode&&) noexcept = default;
  /// The same.
  Episode& operator=(const Episode& other) {
    if (this != &other) *this = Episode(other);
    return *this;
  }
  Episode& operator=(Episode&&) noexcept = default;
  ///@}
  ~Episode() = default;

  /// A new world in its first state. Throws what the world throws for a condition.
  World& begin(int condition) {
    world_ = std::make_shared<World>(condition);
    condition_ = condition;
    controls_.clear();
    return *world_;
  }

  /// The world, one control period later. Throws InvalidArgument if there was no reset or if a
  /// control is not finite.
  World& move(const Vector<Nu>& u) {
    require(condition_ >= 0, "a system is stepped before its first reset");
    require(u.allFinite(), "a control of a system is not finite: {}", u.sum());
    if (!world_) {
      world_ = std::make_shared<World>(condition_);
      for (const Vector<Nu>& control : controls_) world_->move(control);
    }
    controls_.push_back(u);
    world_->move(u);
    return *world_;
  }

 private:
  std::shared_ptr<World> world_;
  int condition_ = -1;
  std::vector<Vector<Nu>> controls_;  // since the reset
};

}  // namespace pilqr::systems
