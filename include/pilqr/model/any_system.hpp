#pragma once
/// Any system behind one type with dynamic sizes, for programs that choose at run time.

#include <memory>
#include <type_traits>
#include <utility>

#include "pilqr/core/check.hpp"
#include "pilqr/model/concepts.hpp"

namespace pilqr {

/// Holds a copyable system of any sizes; copies are independent. A fixed-size system is called
/// through fixed-size buffers, so that nothing is allocated per step.
class AnySystem {
 public:
  static constexpr int Nx = Dynamic;  ///< told by nx()
  static constexpr int Nu = Dynamic;  ///< told by nu()

  /// @param nx, nu sizes of a system whose own are Dynamic; those of a fixed-size system are known.
  template <class S>
  requires(!std::is_same_v<S, AnySystem> && System<S> &&
           std::is_copy_constructible_v<S>) explicit AnySystem(S system, int nx = S::Nx,
                                                               int nu = S::Nu)
      : model_(std::make_unique<Model<S>>(std::move(system))), nx_(nx), nu_(nu) {
    require(fits(S::Nx, nx) && fits(S::Nu, nu) && nx >= 1 && nu >= 1,
            "a system of nx = {}, nu = {}; its type says {}, {}", nx, nu, S::Nx, S::Nu);
  }
  /// A copy of the system.
  ///@{
  AnySystem(const AnySystem& other)
      : model_(other.model_->clone()), nx_(other.nx_), nu_(other.nu_) {}
  AnySystem& operator=(const AnySystem& other) {
    if (this != &other) {
      model_ = other.model_->clone();
      nx_ = other.nx_;
      nu_ = other.nu_;
    }
    return *this;
  }
  ///@}
  ~AnySystem() = default;

  /// Entries of the state and of the control.
  ///@{
  [[nodiscard]] int nx() const { return nx_; }
  [[nodiscard]] int nu() const { return nu_; }
  ///@}

  /// Whether the system says that rollouts of it cannot run in parallel, see is_serial().
  [[nodiscard]] bool serial() const { return model_->serial(); }

  /// Those of the system, see System.
  ///@{
  void reset(int condition, RandomStream& stream, VectorX& x) {
    x.resize(nx_);
    model_->reset(condition, stream, x);
  }
  void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream, VectorX& next) {
    require(rows(x) == nx_ && rows(u) == nu_, "system: x has {} entries and u {}, expected {}, {}",
            rows(x), rows(u), nx_, nu_);
    next.resize(nx_);
    model_->step(t, x, u, stream, next);
  }
  ///@}

 private:
  struct Interface {
    Interface() = default;
    Interface(const Interface&) = default;
    Interface& operator=(const Interface&) = delete;
    virtual ~Interface() = default;
    [[nodiscard]] virtual std::unique_ptr<Interface> clone() const = 0;
    [[nodiscard]] virtual bool serial() const = 0;
    virtual void reset(int condition, RandomStream& stream, VectorX& x) = 0;
    virtual void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream,
                      VectorX& next) = 0;
  };

  template <class S>
  struct Model final : Interface {
    explicit Model(S system_) : system(std::move(system_)) {}
    [[nodiscard]] std::unique_ptr<Interface> clone() const override {
      return std::make_unique<Model>(*this);
    }
    [[nodiscard]] bool serial() const override { return is_serial(system); }
    void reset(int condition, RandomStream& stream, VectorX& x) override {
      Vector<S::Nx> first(x.size());
      system.reset(condition, stream, first);
      x = first;
    }
    void step(int t, const VectorX& x, const VectorX& u, RandomStream& stream,
              VectorX& next) override {
      if constexpr (S::Nx == Dynamic && S::Nu == Dynamic) {
        system.step(t, x, u, stream, next);
      } else {
        Vector<S::Nx> successor(next.size());
        system.step(t, Vector<S::Nx>(x), Vector<S::Nu>(u), stream, successor);
        next = successor;
      }
    }
    S system;
  };

  std::unique_ptr<Interface> model_;
  int nx_;
  int nu_;
};

}  // namespace pilqr
