#include "pilqr/train/checkpoint.hpp"

#include <fmt/ranges.h>

#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "pilqr/io/tensors.hpp"

namespace pilqr {
namespace {

constexpr const char* format_name = "pilqr.checkpoint";
constexpr const char* format_version = "1";

Tensor scalar(double value) {
  return {{}, std::vector<double>{value}};
}
Tensor scalar(int value) {
  return {{}, std::vector<std::int64_t>{value}};
}

/// Adds tensors whose names begin with `prefix`.
void write_gmm(const GmmPrior& gmm, const std::string& prefix, SafeTensors& out) {
  out.tensors[prefix + "batches"] = scalar(static_cast<int>(gmm.history().size()));
  for (std::size_t i = 0; i < gmm.history().size(); ++i) {
    out.tensors[fmt::format("{}batch_{}", prefix, i)] = to_tensor(gmm.history()[i]);
  }
  if (gmm.mixture().empty()) return;
  const GmmParameters& p = gmm.mixture().parameters();
  out.tensors[prefix + "log_weights"] = to_tensor(p.log_weights);
  out.tensors[prefix + "means"] = to_tensor(p.means);
  out.tensors[prefix + "covariances"] = to_tensor(p.covariances);
  out.tensors[prefix + "points"] = scalar(p.points);
}

void write_state(const ModelBasedState& state, const std::string& prefix, SafeTensors& out) {
  out.tensors[prefix + "kl_multiplier"] = to_tensor(state.kl_step.multiplier());
  out.tensors[prefix + "adapt"] = scalar(state.adapt ? 1 : 0);
  out.tensors[prefix + "lqr_dual"] = scalar(state.lqr_dual);
  out.tensors[prefix + "expected_cost"] = scalar(state.expected_cost);
  out.tensors[prefix + "predicted_cost"] = scalar(state.predicted_cost);
  if (state.gmm) write_gmm(*state.gmm, prefix + "gmm/", out);
}

/// A TensorReader that remembers what was asked for.
class Reader {
 public:
  Reader(SafeTensors contents, const std::filesystem::path& path)
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
  [[nodiscard]] int count_at(const std::string& name, int low, int high) {
    const auto value = scalar_at<std::int64_t>(name);
    require_file(value >= low && value <= high, reader_.path(),
                 "tensor {} is {}, expected {} to {}", in_quotes(name), value, low, high);
    return static_cast<int>(value);
  }

  void require_all_used() const {
    for (const auto& [name, tensor] : reader_.contents().tensors) {
      require_file(used_.count(name) != 0, reader_.path(), "tensor {} is not part of the format",
                   in_quotes(name));
    }
  }

 private:
  TensorReader reader_;
  std::set<std::string> used_;
};

void read_gmm(Reader& reader, const std::string& prefix, int dim, GmmPrior& gmm) {
  constexpr int most_batches = 1'000'000;
  const int batches = reader.count_at(prefix + "batches", 0, most_batches);
  if (batches == 0) return;
  std::deque<MatrixX> history;
  for (int i = 0; i < batches; ++i) {
    const std::string name = fmt::format("{}batch_{}", prefix, i);
    history.push_back(reader.at(name).matrix(name));
    require(history.back().allFinite(), "{} has a NaN or infinite entry", name);
  }
  GmmParameters p;
  p.log_weights = reader.at(prefix + "log_weights").vector(prefix + "log_weights");
  p.means = reader.at(prefix + "means").matrix(prefix + "means");
  p.covariances =
      reader.at(prefix + "covariances").sequence<Dynamic, Dynamic>(prefix + "covariances");
  p.points = reader.count_at(prefix + "points", 1, std::numeric_limits<int>::max());
  require(rows(p.means) == dim, "{}means has {} rows, expected 2 nx + nu = {}", prefix,
          rows(p.means), dim);
  gmm.restore(std::move(history), Gmm(std::move(p)));
}

/// @param state one of a new optimizer; its options remain.
void read_state(Reader& reader, const std::string& prefix, int dim, ModelBasedState& state) {
  state.kl_step.set_multiplier(
      reader.at(prefix + "kl_multiplier").vector(prefix + "kl_multiplier"));
  state.adapt = reader.count_at(prefix + "adapt", 0, 1) == 1;
  state.lqr_dual = reader.scalar_at<double>(prefix + "lqr_dual");
  require(std::isfinite(state.lqr_dual) && state.lqr_dual > 0.0, "{}lqr_dual is {}, expected > 0",
          prefix, state.lqr_dual);
  // Costs expected under a model may overflow; the KL step's rule knows what to do then.
  state.expected_cost = reader.scalar_at<double>(prefix + "expected_cost");
  state.predicted_cost = reader.scalar_at<double>(prefix + "predicted_cost");
  if (state.gmm) read_gmm(reader, prefix + "gmm/", dim, *state.gmm);
}

void read_optimizer(Reader& reader, int condition, AnyOptimizer& optimizer) {
  const std::string prefix = fmt::format("condition_{}/", condition);
  LinearGaussianPolicy<> policy;
  policy.K = reader.at(prefix + "K").sequence<Dynamic, Dynamic>(prefix + "K");
  policy.k = reader.at(prefix + "k").sequence<Dynamic>(prefix + "k");
  policy.L = reader.at(prefix + "L").sequence<Dynamic, Dynamic>(prefix + "L");
  require_same_shape(optimizer.policy(), policy);
  require_valid(policy, fmt::format("condition_{}", condition).c_str());
  std::optional<ModelBasedState> state;
  if (optimizer.state() != nullptr) {
    state = *optimizer.state();
    read_state(reader, prefix, 2 * policy.nx() + policy.nu(), *state);
  }
  optimizer.restore(std::move(policy), state ? &*state : nullptr);
}

std::map<std::string, std::string> describe(const Settings& settings) {
  return {{"format", format_name},
          {"format_version", format_version},
          {"task", settings.task},
          {"algorithm", name(settings.algorithm)},
          {"seed", fmt::format("{}", settings.seed)},
          {"conditions", fmt::format("{}", fmt::join(settings.conditions, ","))}};
}

}  // namespace

SafeTensors checkpoint_to_safetensors(const Settings& settings, const Progress& progress,
                                      const std::vector<AnyOptimizer>& optimizers) {
  require(optimizers.size() == settings.conditions.size(), "{} optimizers for {} conditions",
          optimizers.size(), settings.conditions.size());
  SafeTensors out;
  out.metadata = describe(settings);
  out.metadata["iterations"] = fmt::format("{}", progress.iterations);
  out.metadata["samples_total"] = fmt::format("{}", progress.samples_total);
  out.metadata["steps_total"] = fmt::format("{}", progress.steps_total);
  for (std::size_t m = 0; m < optimizers.size(); ++m) {
    const std::string prefix = fmt::format("condition_{}/", settings.conditions[m]);
    const LinearGaussianPolicy<>& policy = optimizers[m].policy();
    out.tensors[prefix + "K"] = to_tensor(policy.K);
    out.tensors[prefix + "k"] = to_tensor(policy.k);
    out.tensors[prefix + "L"] = to_tensor(policy.L);
    if (const ModelBasedState* state = optimizers[m].state()) write_state(*state, prefix, out);
  }
  return out;
}

Progress checkpoint_from_safetensors(SafeTensors contents, const std::filesystem::path& path,
                                     const Settings& settings,
                                     std::vector<AnyOptimizer>& optimizers) {
  require(optimizers.size() == settings.conditions.size(), "{} optimizers for {} conditions",
          optimizers.size(), settings.conditions.size());
  Reader reader(std::move(contents), path);
  for (const auto& [key, expected] : describe(settings)) {
    const std::string& found = reader.metadata().text(key);
    require_file(found == expected, path, "metadata {} is {}, expected {}", in_quotes(key),
                 in_quotes(found), in_quotes(expected));
  }
  Progress progress;
  progress.iterations = reader.metadata().number<int>("iterations");
  progress.samples_total = reader.metadata().number<long>("samples_total");
  progress.steps_total = reader.metadata().number<long>("steps_total");
  require_file(progress.iterations >= 0 && progress.samples_total >= 0 && progress.steps_total >= 0,
               path, "{} iterations, {} rollouts, {} steps, expected none to be negative",
               progress.iterations, progress.samples_total, progress.steps_total);
  std::vector<AnyOptimizer> restored = optimizers;
  try {
    for (std::size_t m = 0; m < restored.size(); ++m) {
      read_optimizer(reader, settings.conditions[m], restored[m]);
    }
  } catch (const InvalidArgument& error) {  // the optimizers' own laws, now about a file
    throw FileError(path, error.what());
  }
  reader.require_all_used();
  optimizers = std::move(restored);
  return progress;
}

void save_checkpoint(const std::filesystem::path& path, const Settings& settings,
                     const Progress& progress, const std::vector<AnyOptimizer>& optimizers,
                     Sync sync) {
  save_safetensors(path, checkpoint_to_safetensors(settings, progress, optimizers), sync);
}

Progress load_checkpoint(const std::filesystem::path& path, const Settings& settings,
                         std::vector<AnyOptimizer>& optimizers) {
  return checkpoint_from_safetensors(load_safetensors(path), path, settings, optimizers);
}

}  // namespace pilqr
