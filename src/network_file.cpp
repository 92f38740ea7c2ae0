#include "pilqr/io/network_file.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/tensors.hpp"

namespace pilqr {
namespace {

constexpr std::string_view network_format = "pilqr.network_policy";
constexpr std::string_view network_version = "1";
constexpr std::array<const char*, 13> network_keys = {
    "format",     "format_version", "task",     "algorithm", "layers",
    "activation", "normalised",     "nx",       "nu",        "dt",
    "seed",       "samples_total",  "iteration"};

std::string layer_tensor(int layer, const char* part) {
  return fmt::format("layer_{}/{}", layer, part);
}

void require_finite(const ConstMatrixRef& values, const std::string& name) {
  require(values.allFinite(), "tensor \"{}\" has a NaN or infinite entry", name);
}

void require_known_format(const TensorReader& reader) {
  const std::string& format = reader.text("format");
  require_file(format == network_format, reader.path(),
               "metadata \"format\" is {}, expected \"{}\"", in_quotes(format), network_format);
  const std::string& version = reader.text("format_version");
  require_file(version == network_version, reader.path(),
               "metadata \"format_version\" is {}, this program reads \"{}\"", in_quotes(version),
               network_version);
}

/// No tensor beyond those of the layers and the policy.
void require_known_tensors(const TensorReader& reader, int layers) {
  std::set<std::string> known = {"normalisation/mean", "normalisation/scale", "covariance_factor",
                                 "action_lower", "action_upper"};
  for (int l = 0; l < layers; ++l) {
    for (const char* part : {"weight", "bias"}) known.insert(layer_tensor(l, part));
  }
  for (const auto& [name, tensor] : reader.contents().tensors) {
    require_file(known.count(name) != 0, reader.path(), "tensor {} is not part of the format",
                 in_quotes(name));
  }
}

Activation read_activation(const TensorReader& reader) {
  const std::string& text = reader.text("activation");
  for (const Activation activation : {Activation::tanh, Activation::relu}) {
    if (text == name(activation)) return activation;
  }
  throw FileError(reader.path(), fmt::format("metadata \"activation\" is {}, expected \"tanh\" or "
                                             "\"relu\"",
                                             in_quotes(text)));
}

/// The widths, from the shapes of the weights, which are checked against each other.
MlpShape read_shape(const TensorReader& reader) {
  MlpShape shape;
  shape.inputs = reader.number<int>("nx");
  shape.outputs = reader.number<int>("nu");
  shape.activation = read_activation(reader);
  const int layers = reader.number<int>("layers");
  require_file(layers >= 1 && layers <= 1000, reader.path(),
               "metadata \"layers\" is {}, expected 1 to 1000", layers);
  require_known_tensors(reader, layers);
  int width = shape.inputs;
  for (int l = 0; l < layers; ++l) {
    const std::string weight = layer_tensor(l, "weight");
    const std::vector<std::int64_t>& found = reader.tensor(weight).shape;
    std::int64_t outputs = shape.outputs;
    if (l + 1 < layers && !found.empty()) outputs = found.front();
    reader.require_shape(weight, {outputs, width});
    reader.require_shape(layer_tensor(l, "bias"), {outputs});
    require_file(outputs >= 1 && outputs <= std::numeric_limits<int>::max(), reader.path(),
                 "tensor {} has {} rows", in_quotes(weight), outputs);
    width = static_cast<int>(outputs);
    if (l + 1 < layers) shape.hidden.push_back(width);
  }
  return shape;
}

/// A tensor of this shape.
VectorX read_vector(const TensorReader& reader, const std::string& name, int n) {
  reader.require_shape(name, {n});
  return reader.vector(name);
}

/// `set` refuses what the tensor `name` of the file holds with InvalidArgument.
template <class Set>
void with_name(const TensorReader& reader, const char* name, const Set& set) {
  try {
    set();
  } catch (const InvalidArgument& error) {
    throw FileError(reader.path(), fmt::format("tensor \"{}\": {}", name, error.what()));
  }
}

NetworkPolicy read_policy(const TensorReader& reader) {
  Mlp network(read_shape(reader));
  for (int l = 0; l < network.shape().layers(); ++l) {
    network.weight(l) = reader.matrix(layer_tensor(l, "weight"));
    network.bias(l) = reader.vector(layer_tensor(l, "bias"));
  }
  NetworkPolicy policy(std::move(network));
  const int nx = policy.nx();
  const int nu = policy.nu();
  const Normalisation normalisation{read_vector(reader, "normalisation/mean", nx),
                                    read_vector(reader, "normalisation/scale", nx)};
  const std::string& normalised = reader.text("normalised");
  require_file(normalised == "0" || normalised == "1", reader.path(),
               "metadata \"normalised\" is {}, expected \"0\" or \"1\"", in_quotes(normalised));
  if (normalised == "1") {
    require_finite(normalisation.mean, "normalisation/mean");
    with_name(reader, "normalisation/scale", [&] { policy.set_normalisation(normalisation); });
  } else {
    require_file(normalisation == policy.normalisation(), reader.path(),
                 "tensors \"normalisation/mean\" and \"normalisation/scale\" are not 0 and 1, but "
                 "metadata \"normalised\" is \"0\"");
  }
  reader.require_shape("covariance_factor", {nu, nu});
  with_name(reader, "covariance_factor",
            [&] { policy.set_covariance_factor(reader.matrix("covariance_factor")); });
  const VectorX lower = read_vector(reader, "action_lower", nu);
  const VectorX upper = read_vector(reader, "action_upper", nu);
  with_name(reader, "action_lower", [&] { policy.set_limits(lower, upper); });
  return policy;
}

}  // namespace

void require_valid(const NetworkFile& file) {
  require(std::isfinite(file.dt) && file.dt > 0.0, "dt is {} s, expected a positive number",
          file.dt);
  require(file.samples_total >= 0, "samples_total is {}, expected >= 0", file.samples_total);
  require(file.iteration >= 0, "iteration is {}, expected >= 0", file.iteration);
  for (const char* key : network_keys) {
    require(file.extra.count(key) == 0, "extra metadata cannot be called \"{}\"", key);
  }
  const Mlp& network = file.policy.network();
  for (int l = 0; l < network.shape().layers(); ++l) {
    require_finite(network.weight(l), layer_tensor(l, "weight"));
    require_finite(network.bias(l), layer_tensor(l, "bias"));
  }
}

SafeTensors network_to_safetensors(const NetworkFile& file) {
  require_valid(file);
  const NetworkPolicy& policy = file.policy;
  const Mlp& network = policy.network();
  SafeTensors contents;
  contents.metadata = file.extra;
  contents.metadata["format"] = std::string(network_format);
  contents.metadata["format_version"] = std::string(network_version);
  contents.metadata["task"] = file.task;
  contents.metadata["algorithm"] = file.algorithm;
  contents.metadata["layers"] = fmt::format("{}", network.shape().layers());
  contents.metadata["activation"] = name(network.shape().activation);
  contents.metadata["normalised"] = fmt::format("{:d}", policy.normalised());
  contents.metadata["nx"] = fmt::format("{}", policy.nx());
  contents.metadata["nu"] = fmt::format("{}", policy.nu());
  contents.metadata["dt"] = fmt::format("{}", file.dt);
  contents.metadata["seed"] = fmt::format("{}", file.seed);
  contents.metadata["samples_total"] = fmt::format("{}", file.samples_total);
  contents.metadata["iteration"] = fmt::format("{}", file.iteration);
  for (int l = 0; l < network.shape().layers(); ++l) {
    contents.tensors[layer_tensor(l, "weight")] = to_tensor(network.weight(l));
    contents.tensors[layer_tensor(l, "bias")] = to_tensor(network.bias(l));
  }
  contents.tensors["normalisation/mean"] = to_tensor(policy.normalisation().mean);
  contents.tensors["normalisation/scale"] = to_tensor(policy.normalisation().scale);
  contents.tensors["covariance_factor"] = to_tensor(policy.covariance_factor());
  contents.tensors["action_lower"] = to_tensor(policy.lower());
  contents.tensors["action_upper"] = to_tensor(policy.upper());
  return contents;
}

NetworkFile network_from_safetensors(SafeTensors contents, const std::filesystem::path& path) {
  const TensorReader reader(std::move(contents), path);
  try {
    require_known_format(reader);
    NetworkFile file{.policy = read_policy(reader)};
    file.task = reader.text("task");
    file.algorithm = reader.text("algorithm");
    file.dt = reader.number<double>("dt");
    file.seed = reader.number<std::uint64_t>("seed");
    file.samples_total = reader.number<long>("samples_total");
    file.iteration = reader.number<int>("iteration");
    file.extra = reader.contents().metadata;
    for (const char* key : network_keys) file.extra.erase(key);
    require_valid(file);
    return file;
  } catch (const InvalidArgument& error) {  // the same laws as for saving, now about a file
    throw FileError(path, error.what());
  }
}

void save_network(const std::filesystem::path& path, const NetworkFile& file, Sync sync) {
  save_safetensors(path, network_to_safetensors(file), sync);
}

NetworkFile load_network(const std::filesystem::path& path) {
  return network_from_safetensors(load_safetensors(path), path);
}

}  // namespace pilqr
