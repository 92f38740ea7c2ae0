#pragma once
/// Costs chosen at run time: any cost behind one type, and weighted sums.

#include <concepts>
#include <memory>
#include <utility>
#include <vector>

#include "pilqr/model/concepts.hpp"

namespace pilqr {

/// Any cost, immutable; copies share it.
class AnyCost {
 public:
  /// Takes a cost.
  template <class C>
  requires(!std::same_as<C, AnyCost> && Cost<C>)
      AnyCost(C cost)  // NOLINT(google-explicit-constructor): every cost is an AnyCost
      : cost_(std::make_shared<const Model<C>>(std::move(cost))) {}

  // Copies only: a moved-from AnyCost would have no cost to call.
  /// Shares the cost.
  ///@{
  AnyCost(const AnyCost&) = default;
  AnyCost& operator=(const AnyCost&) = default;
  ///@}
  ~AnyCost() = default;

  /// Those of the cost, see Cost.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const {
    return cost_->value(t, x, u);
  }
  /// Those of the cost, see Cost.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const {
    cost_->expand(t, x, u, weight, out);
  }

 private:
  struct Interface {
    Interface() = default;
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;
    virtual ~Interface() = default;
    virtual double value(int t, const ConstVectorRef& x, const ConstVectorRef& u) const = 0;
    virtual void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
                        CostExpansion& out) const = 0;
  };

  template <class C>
  struct Model final : Interface {
    explicit Model(C cost_) : cost(std::move(cost_)) {}
    double value(int t, const ConstVectorRef& x, const ConstVectorRef& u) const override {
      return cost(t, x, u);
    }
    void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
                CostExpansion& out) const override {
      cost.expand(t, x, u, weight, out);
    }
    C cost;
  };

  std::shared_ptr<const Interface> cost_;
};

/// sum_i weight_i cost_i; zero if nothing was added. Calls do not allocate if those of the terms do
/// not.
class CostSum {
 public:
  /// Throws InvalidArgument if the weight is not finite. Returns itself, to be chained.
  CostSum& add(double weight, const AnyCost& cost);

  /// The sum of the true costs.
  double operator()(int t, const ConstVectorRef& x, const ConstVectorRef& u) const;
  /// The sum of the expansions.
  void expand(int t, const ConstVectorRef& x, const ConstVectorRef& u, double weight,
              CostExpansion& out) const;

  /// The number of terms.
  [[nodiscard]] int size() const { return static_cast<int>(terms_.size()); }

 private:
  struct Term {
    double weight;
    AnyCost cost;
  };
  std::vector<Term> terms_;
};

}  // namespace pilqr
