#include "optimizer_tensors.hpp"

#include <cmath>
#include <deque>
#include <limits>

#include "pilqr/train/share_mixtures.hpp"

namespace pilqr {
namespace {

void write_state(const ModelBasedState& state, const std::string& prefix, SafeTensors& out) {
  out.tensors[prefix + "kl_multiplier"] = to_tensor(state.kl_step.multiplier());
  out.tensors[prefix + "adapt"] = scalar(state.adapt ? 1 : 0);
  out.tensors[prefix + "lqr_dual"] = scalar(state.lqr_dual);
  out.tensors[prefix + "expected_cost"] = scalar(state.expected_cost);
  out.tensors[prefix + "predicted_cost"] = scalar(state.predicted_cost);
  if (state.gmm) write_gmm(*state.gmm, prefix + "gmm/", out);
}

/// @param state one of a new optimizer; its options remain.
void read_state(StateReader& reader, const std::string& prefix, int dim, ModelBasedState& state) {
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

}  // namespace

void write_gmm(const GmmPrior& gmm, const std::string& prefix, SafeTensors& out) {
  out.tensors[prefix + "batches"] = scalar(static_cast<int>(gmm.history().size()));
  for (std::size_t i = 0; i < gmm.history().size(); ++i) {
    out.tensors[fmt::format("{}batch_{}", prefix, i)] = to_tensor(gmm.history()[i]);
  }
  for (std::size_t i = 0; i < gmm.statistics().size(); ++i) {
    const GmmStatistics& s = gmm.statistics()[i];
    out.tensors[fmt::format("{}batch_{}_counts", prefix, i)] = to_tensor(s.counts);
    out.tensors[fmt::format("{}batch_{}_means", prefix, i)] = to_tensor(s.means);
    out.tensors[fmt::format("{}batch_{}_covariances", prefix, i)] = to_tensor(s.covariances);
  }
  if (gmm.mixture().empty()) return;
  const GmmParameters& p = gmm.mixture().parameters();
  out.tensors[prefix + "log_weights"] = to_tensor(p.log_weights);
  out.tensors[prefix + "means"] = to_tensor(p.means);
  out.tensors[prefix + "covariances"] = to_tensor(p.covariances);
  out.tensors[prefix + "points"] = scalar(p.points);
}

void read_gmm(StateReader& reader, const std::string& prefix, int dim, GmmPrior& gmm) {
  constexpr int most_batches = 1'000'000;
  const int batches = reader.count_at(prefix + "batches", 0, most_batches);
  if (batches == 0) return;
  std::deque<MatrixX> history;
  std::deque<GmmStatistics> statistics;
  for (int i = 0; i < batches; ++i) {
    const std::string name = fmt::format("{}batch_{}", prefix, i);
    history.push_back(reader.at(name).matrix(name));
    require(history.back().allFinite(), "{} has a NaN or infinite entry", name);
    if (gmm.options().warm_iterations == 0) continue;
    GmmStatistics& s = statistics.emplace_back();
    s.points = cols(history.back());
    s.counts = reader.at(name + "_counts").vector(name + "_counts");
    s.means = reader.at(name + "_means").matrix(name + "_means");
    s.covariances = reader.at(name + "_covariances").matrix(name + "_covariances");
  }
  GmmParameters p;
  p.log_weights = reader.at(prefix + "log_weights").vector(prefix + "log_weights");
  p.means = reader.at(prefix + "means").matrix(prefix + "means");
  p.covariances =
      reader.at(prefix + "covariances").sequence<Dynamic, Dynamic>(prefix + "covariances");
  p.points = reader.count_at(prefix + "points", 1, std::numeric_limits<int>::max());
  require(rows(p.means) == dim, "{}means has {} rows, expected {}", prefix, rows(p.means), dim);
  gmm.restore(std::move(history), Gmm(std::move(p)), std::move(statistics));
}

int StateReader::count_at(const std::string& name, int low, int high) {
  const auto value = scalar_at<std::int64_t>(name);
  require_file(value >= low && value <= high, reader_.path(), "tensor {} is {}, expected {} to {}",
               in_quotes(name), value, low, high);
  return static_cast<int>(value);
}

void StateReader::require_all_used() const {
  for (const auto& [name, tensor] : reader_.contents().tensors) {
    require_file(used_.count(name) != 0, reader_.path(), "tensor {} is not part of the format",
                 in_quotes(name));
  }
}

void write_optimizer(const LinearGaussianPolicy<>& policy, const ModelBasedState* state,
                     const std::string& prefix, SafeTensors& out) {
  out.tensors[prefix + "K"] = to_tensor(policy.K);
  out.tensors[prefix + "k"] = to_tensor(policy.k);
  out.tensors[prefix + "L"] = to_tensor(policy.L);
  if (state != nullptr) write_state(*state, prefix, out);
}

void read_optimizer(StateReader& reader, const std::string& prefix, OptimizerState& saved) {
  LinearGaussianPolicy<> policy;
  policy.K = reader.at(prefix + "K").sequence<Dynamic, Dynamic>(prefix + "K");
  policy.k = reader.at(prefix + "k").sequence<Dynamic>(prefix + "k");
  policy.L = reader.at(prefix + "L").sequence<Dynamic, Dynamic>(prefix + "L");
  require_same_shape(saved.policy, policy);
  require_valid(policy, prefix.substr(0, prefix.find('/')).c_str());
  if (saved.model) read_state(reader, prefix, 2 * policy.nx() + policy.nu(), *saved.model);
  saved.policy = std::move(policy);
}

std::string encode_optimizer(const OptimizerState& state) {
  SafeTensors out;
  write_optimizer(state.policy, state.model ? &*state.model : nullptr, "", out);
  return encode_safetensors(out);
}

OptimizerState decode_optimizer(std::string_view bytes, OptimizerState fresh) {
  const std::filesystem::path origin = "state of an optimiser";  // begins the messages
  StateReader reader(decode_safetensors(bytes, origin), origin);
  read_optimizer(reader, "", fresh);
  reader.require_all_used();
  return fresh;
}

std::string encode_mixture(const GmmPrior& mixture) {
  SafeTensors out;
  write_gmm(mixture, "", out);
  return encode_safetensors(out);
}

GmmPrior decode_mixture(std::string_view bytes, GmmPrior fresh, int dim) {
  const std::filesystem::path origin = "mixture of another rank";  // begins the messages
  StateReader reader(decode_safetensors(bytes, origin), origin);
  read_gmm(reader, "", dim, fresh);
  reader.require_all_used();
  return fresh;
}

}  // namespace pilqr
