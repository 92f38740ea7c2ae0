#include "pilqr/train/checkpoint.hpp"

#include <fmt/ranges.h>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "optimizer_tensors.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/baseline_state.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/io/sealed.hpp"

namespace pilqr {
namespace {

constexpr int most_iterations = 1'000'000;  // as in the settings

void write_history(const ConditionHistory& history, const std::string& prefix, SafeTensors& out) {
  out.tensors[prefix + "failed_updates"] = scalar(history.failed_updates);
  write_optimizer(history.best.policy, nullptr, prefix + "best/", out);
  out.tensors[prefix + "best/cost"] = scalar(history.best.cost);
  out.tensors[prefix + "best/iteration"] = scalar(history.best.iteration);
  out.tensors[prefix + "first_L"] = to_tensor(history.first_L);
  out.tensors[prefix + "spent"] = scalar(history.spent);
}

/// @param like a policy of the condition's shape.
ConditionHistory read_history(StateReader& reader, const std::string& prefix,
                              const LinearGaussianPolicy<>& like) {
  ConditionHistory history;
  history.failed_updates = reader.count_at(prefix + "failed_updates", 0, most_iterations);
  OptimizerState best{like};
  read_optimizer(reader, prefix + "best/", best);
  history.best.policy = std::move(best.policy);
  history.best.cost = reader.scalar_at<double>(prefix + "best/cost");
  history.best.iteration = reader.count_at(prefix + "best/iteration", -1, most_iterations);
  require(!std::isnan(history.best.cost), "{}best/cost is nan", prefix);
  LinearGaussianPolicy<> first = like;
  first.L = reader.at(prefix + "first_L").sequence<Dynamic, Dynamic>(prefix + "first_L");
  require_valid(first, (prefix + "first_L").c_str());
  history.first_L = std::move(first.L);
  history.spent = reader.count_at(prefix + "spent", 0, most_iterations);
  return history;
}

constexpr const char* format_name = "pilqr.checkpoint";
constexpr const char* checkpoint_version = "6";

std::map<std::string, std::string> describe(const Settings& settings) {
  return {{"format", format_name},
          {"format_version", checkpoint_version},
          {"task", settings.task},
          {"algorithm", name(settings.algorithm)},
          {"seed", fmt::format("{}", settings.seed)},
          {"conditions", fmt::format("{}", fmt::join(settings.conditions, ","))}};
}

/// Adds the tensors of a NetworkFile and its metadata that tell the network's shape.
void write_network(const NetworkPolicy& network, const std::string& prefix, SafeTensors& out) {
  SafeTensors file = network_to_safetensors({.policy = network, .dt = 1.0});
  for (auto& [name, tensor] : file.tensors) out.tensors[prefix + name] = std::move(tensor);
  out.metadata[prefix + "normalised"] = file.metadata.at("normalised");
}

/// @param like a network of the same shape, whose options remain.
NetworkPolicy read_network(StateReader& reader, const std::string& prefix,
                           const NetworkPolicy& like) {
  SafeTensors file = network_to_safetensors({.policy = like, .dt = 1.0});
  for (auto& [name, tensor] : file.tensors) {
    const TensorReader& contents = reader.at(prefix + name);
    contents.require_shape(prefix + name, tensor.shape);
    tensor = contents.tensor(prefix + name);
  }
  file.metadata["normalised"] = reader.metadata().text(prefix + "normalised");
  NetworkPolicy network =
      network_from_safetensors(std::move(file), reader.metadata().path()).policy;
  network.set_options(like.options());
  return network;
}

/// What there is of a run's progress where a network learns.
void write_network_progress(const Progress& progress, SafeTensors& out) {
  out.tensors["failed_updates"] = scalar(progress.failed_updates);
  out.tensors["best_network/iteration"] =
      scalar(progress.best_network ? progress.best_network->iteration : -1);
  if (!progress.best_network) return;
  write_network(progress.best_network->policy, "best_network/", out);
  out.tensors["best_network/cost"] = scalar(progress.best_network->cost);
}

/// @param like see read_network().
void read_network_progress(StateReader& reader, const NetworkPolicy& like, Progress& progress) {
  progress.failed_updates = reader.count_at("failed_updates", 0, most_iterations);
  const int iteration = reader.count_at("best_network/iteration", -1, most_iterations);
  if (iteration < 0) return;
  const auto cost = reader.scalar_at<double>("best_network/cost");
  require(!std::isnan(cost), "best_network/cost is nan");
  progress.best_network = {read_network(reader, "best_network/", like), cost, iteration};
}

constexpr std::string_view baseline_prefix = "baseline/";

SafeTensors baseline_to_safetensors(const AnyBaseline& baseline) {
  if (const auto* trpo = std::get_if<Trpo>(&baseline.learner)) return trpo_to_safetensors(*trpo);
  return ddpg_to_safetensors(std::get<Ddpg>(baseline.learner));
}

void write_baseline(const AnyBaseline& baseline, SafeTensors& out) {
  SafeTensors own = baseline_to_safetensors(baseline);
  for (auto& [name, tensor] : own.tensors) {
    out.tensors[std::string(baseline_prefix) + name] = std::move(tensor);
  }
}

/// Takes the tensors of a baseline out of a checkpoint.
SafeTensors extract_baseline(SafeTensors& contents) {
  SafeTensors own;
  for (auto entry = contents.tensors.begin(); entry != contents.tensors.end();) {
    if (entry->first.rfind(baseline_prefix, 0) != 0) {
      ++entry;
      continue;
    }
    own.tensors[entry->first.substr(baseline_prefix.size())] = std::move(entry->second);
    entry = contents.tensors.erase(entry);
  }
  return own;
}

/// @param own see extract_baseline().
void read_baseline(SafeTensors own, const std::filesystem::path& path, AnyBaseline& baseline) {
  own.metadata = baseline_to_safetensors(baseline).metadata;  // the checkpoint names the algorithm
  if (auto* trpo = std::get_if<Trpo>(&baseline.learner)) {
    trpo_from_safetensors(std::move(own), path, *trpo);
  } else {
    ddpg_from_safetensors(std::move(own), path, std::get<Ddpg>(baseline.learner));
  }
}

/// What guided policy search has besides its optimizers.
void write_guided(const Settings& settings, const Progress& progress, const AnyMdgps& guided,
                  SafeTensors& out) {
  write_network(guided.global(), "network/", out);
  out.tensors["trained"] = scalar(guided.trained() ? 1 : 0);
  write_network_progress(progress, out);
  for (std::size_t m = 0; m < guided.priors().size(); ++m) {
    if (!guided.priors()[m]) continue;
    write_gmm(*guided.priors()[m],
              fmt::format("condition_{}/linearize/gmm/", settings.conditions[m]), out);
  }
}

/// @param locals the optimizers that were read already.
AnyMdgps read_guided(StateReader& reader, const Settings& settings,
                     std::vector<AnyOptimizer> locals, const AnyMdgps& fresh, Progress& progress) {
  const bool trained = reader.count_at("trained", 0, 1) == 1;
  AnyMdgps guided(std::move(locals), read_network(reader, "network/", fresh.global()),
                  fresh.observations(), fresh.options(), trained);
  read_network_progress(reader, fresh.global(), progress);
  auto priors = fresh.priors();
  const int dim = fresh.locals().front().policy().nx() + fresh.global().nu();
  for (std::size_t m = 0; m < priors.size(); ++m) {
    if (!priors[m]) continue;
    read_gmm(reader, fmt::format("condition_{}/linearize/gmm/", settings.conditions[m]), dim,
             *priors[m]);
  }
  guided.set_priors(std::move(priors));
  return guided;
}

void require_fits(const Settings& settings, const Learner& learner) {
  const auto* baseline = std::get_if<AnyBaseline>(&learner);
  const std::size_t M =
      baseline != nullptr ? baseline->observations.size() : locals_of(learner).size();
  require(M == settings.conditions.size(), "a learner of {} conditions for {} conditions", M,
          settings.conditions.size());
}

}  // namespace

SafeTensors checkpoint_to_safetensors(const Settings& settings, const Progress& progress,
                                      const Learner& learner) {
  const std::vector<AnyOptimizer>& optimizers = locals_of(learner);
  require_fits(settings, learner);
  SafeTensors out;
  out.metadata = describe(settings);
  out.metadata["iterations"] = fmt::format("{}", progress.iterations);
  out.metadata["samples_total"] = fmt::format("{}", progress.samples_total);
  out.metadata["steps_total"] = fmt::format("{}", progress.steps_total);
  if (const auto* baseline = std::get_if<AnyBaseline>(&learner)) {
    write_baseline(*baseline, out);
    write_network_progress(progress, out);
    return out;
  }
  for (std::size_t m = 0; m < optimizers.size(); ++m) {
    const std::string prefix = fmt::format("condition_{}/", settings.conditions[m]);
    write_optimizer(optimizers[m].policy(), optimizers[m].state(), prefix, out);
  }
  if (const auto* guided = std::get_if<AnyMdgps>(&learner)) {
    write_guided(settings, progress, *guided, out);
    return out;
  }
  const std::vector<ConditionHistory> histories =
      progress.histories.empty() ? new_histories(optimizers) : progress.histories;
  require(histories.size() == optimizers.size(), "{} histories for {} optimizers", histories.size(),
          optimizers.size());
  for (std::size_t m = 0; m < optimizers.size(); ++m) {
    write_history(histories[m], fmt::format("condition_{}/history/", settings.conditions[m]), out);
  }
  return out;
}

Progress checkpoint_from_safetensors(SafeTensors contents, const std::filesystem::path& path,
                                     const Settings& settings, Learner& learner) {
  const std::vector<AnyOptimizer>& optimizers = locals_of(learner);
  require_fits(settings, learner);
  std::optional<SafeTensors> own;
  if (std::holds_alternative<AnyBaseline>(learner)) own = extract_baseline(contents);
  StateReader reader(std::move(contents), path);
  for (const auto& [key, expected] : describe(settings)) {
    const std::string& found = reader.metadata().text(key);
    require_file(found == expected, path, "metadata {} is {}, expected {}", in_quotes(key),
                 in_quotes(found), in_quotes(expected));
  }
  Progress progress;
  progress.iterations = reader.metadata().number<int>("iterations");
  progress.samples_total = reader.metadata().number<long>("samples_total");
  progress.steps_total = reader.metadata().number<long>("steps_total");
  constexpr long most = 1'000'000'000'000'000'000;
  require_file(progress.iterations >= 0 && progress.iterations <= most_iterations, path,
               "metadata \"iterations\" is {}, expected 0 to {}", progress.iterations,
               most_iterations);
  require_file(progress.samples_total >= 0 && progress.samples_total <= most, path,
               "metadata \"samples_total\" is {}, expected 0 to {}", progress.samples_total, most);
  require_file(progress.steps_total >= 0 && progress.steps_total <= most, path,
               "metadata \"steps_total\" is {}, expected 0 to {}", progress.steps_total, most);
  std::vector<AnyOptimizer> restored = optimizers;
  const auto* guided = std::get_if<AnyMdgps>(&learner);
  try {
    if (own) {
      AnyBaseline read = std::get<AnyBaseline>(learner);
      read_network_progress(reader, read.policy(), progress);
      reader.require_all_used();
      read_baseline(std::move(*own), path, read);
      learner = std::move(read);
      return progress;
    }
    for (std::size_t m = 0; m < restored.size(); ++m) {
      OptimizerState saved = state_of(restored[m]);
      const std::string prefix = fmt::format("condition_{}/", settings.conditions[m]);
      read_optimizer(reader, prefix, saved);
      if (!guided) {
        progress.histories.push_back(
            read_history(reader, prefix + "history/", restored[m].policy()));
      }
      restore_state(std::move(saved), restored[m]);
    }
    if (guided != nullptr) {
      AnyMdgps read = read_guided(reader, settings, std::move(restored), *guided, progress);
      reader.require_all_used();
      learner = std::move(read);
      return progress;
    }
  } catch (const InvalidArgument& error) {  // the optimizers' own laws, now about a file
    throw FileError(path, error.what());
  }
  reader.require_all_used();
  learner = std::move(restored);
  return progress;
}

std::filesystem::path previous_checkpoint(const std::filesystem::path& path) {
  return path.parent_path() / "previous.safetensors";
}

void save_checkpoint(const std::filesystem::path& path, const Settings& settings,
                     const Progress& progress, const Learner& learner, Sync sync) {
  const std::string bytes = seal(checkpoint_to_safetensors(settings, progress, learner));
  try {
    Learner copy = learner;
    (void)checkpoint_from_safetensors(unseal(bytes, path), path, settings, copy);
  } catch (const FileError& error) {
    throw FileError(path, fmt::format("is left as it was, no run could go on from the new one: {}",
                                      error.what() + path.string().size() + 2));
  }
  keep_copy(path, previous_checkpoint(path), sync);
  write_atomically(path, bytes, sync);
}

LoadedCheckpoint load_checkpoint(const std::filesystem::path& path, const Settings& settings,
                                 Learner& learner) {
  LoadedCheckpoint loaded;
  std::filesystem::path source = path;
  SafeTensors contents;
  try {
    contents = unseal(read_file(source), source);
  } catch (const FileError& damage) {
    loaded.damage = damage.what();
    source = previous_checkpoint(path);
    try {
      contents = unseal(read_file(source), source);
    } catch (const FileError& worse) {
      throw FileError(path,
                      fmt::format("{}; nor is there another: {}",
                                  loaded.damage.substr(path.string().size() + 2), worse.what()));
    }
  }
  loaded.progress = checkpoint_from_safetensors(std::move(contents), source, settings, learner);
  return loaded;
}

}  // namespace pilqr
