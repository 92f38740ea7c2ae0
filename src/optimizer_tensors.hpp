#pragma once
/// The tensors of one optimiser, in checkpoints and in messages between ranks.

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pilqr/io/tensors.hpp"
#include "pilqr/train/optimizer_state.hpp"

namespace pilqr {

/// A number as a tensor.
inline Tensor scalar(double value) {
  return {{}, std::vector<double>{value}};
}
inline Tensor scalar(int value) {
  return {{}, std::vector<std::int64_t>{value}};
}
inline Tensor scalar(long value) {
  return {{}, std::vector<std::int64_t>{value}};
}

/// A TensorReader that remembers what was asked for.
class StateReader {
 public:
  StateReader(SafeTensors contents, const std::filesystem::path& path)
      : reader_(std::move(contents), path) {}

  [[nodiscard]] const TensorReader& at(const std::string& name) {
    used_.insert(name);
    return reader_;
  }
  [[nodiscard]] const TensorReader& metadata() const { return reader_; }

  template <class Value>
  [[nodiscard]] Value scalar_at(const std::string& name) {
    at(name).require_shape(name, {});
    return reader_.values<Value>(name).front();
  }
  /// An integer tensor; FileError unless it is from `low` to `high`.
  [[nodiscard]] int count_at(const std::string& name, int low, int high);
  /// FileError if a tensor was never asked for.
  void require_all_used() const;

 private:
  TensorReader reader_;
  std::set<std::string> used_;
};

/// Adds tensors whose names begin with `prefix`; checkpoint.hpp lists them.
void write_gmm(const GmmPrior& gmm, const std::string& prefix, SafeTensors& out);
/// The inverse, of points with `dim` entries, into a mixture with the same options. Throws
/// FileError or InvalidArgument for what is missing or not valid.
void read_gmm(StateReader& reader, const std::string& prefix, int dim, GmmPrior& gmm);

/// Adds tensors whose names begin with `prefix`; checkpoint.hpp lists them.
/// @param state null: of an optimiser that carries nothing besides the policy.
void write_optimizer(const LinearGaussianPolicy<>& policy, const ModelBasedState* state,
                     const std::string& prefix, SafeTensors& out);

/// The inverse. Throws FileError or InvalidArgument for what is missing, not valid or of another
/// shape than `saved.policy`; `saved` may then be changed in part.
/// @param saved as of a new optimiser; the options of its state remain.
void read_optimizer(StateReader& reader, const std::string& prefix, OptimizerState& saved);

}  // namespace pilqr
