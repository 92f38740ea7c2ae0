#include "pilqr/train/checkpoint.hpp"

#include <fmt/ranges.h>

#include <string>
#include <utility>

#include "optimizer_tensors.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/sealed.hpp"

namespace pilqr {
namespace {

constexpr const char* format_name = "pilqr.checkpoint";
constexpr const char* format_version = "3";

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
    write_optimizer(optimizers[m].policy(), optimizers[m].state(), prefix, out);
  }
  return out;
}

Progress checkpoint_from_safetensors(SafeTensors contents, const std::filesystem::path& path,
                                     const Settings& settings,
                                     std::vector<AnyOptimizer>& optimizers) {
  require(optimizers.size() == settings.conditions.size(), "{} optimizers for {} conditions",
          optimizers.size(), settings.conditions.size());
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
  constexpr int most_iterations = 1'000'000;  // as in the settings
  constexpr long most = 1'000'000'000'000'000'000;
  require_file(progress.iterations >= 0 && progress.iterations <= most_iterations, path,
               "metadata \"iterations\" is {}, expected 0 to {}", progress.iterations,
               most_iterations);
  require_file(progress.samples_total >= 0 && progress.samples_total <= most, path,
               "metadata \"samples_total\" is {}, expected 0 to {}", progress.samples_total, most);
  require_file(progress.steps_total >= 0 && progress.steps_total <= most, path,
               "metadata \"steps_total\" is {}, expected 0 to {}", progress.steps_total, most);
  std::vector<AnyOptimizer> restored = optimizers;
  try {
    for (std::size_t m = 0; m < restored.size(); ++m) {
      OptimizerState saved = state_of(restored[m]);
      read_optimizer(reader, fmt::format("condition_{}/", settings.conditions[m]), saved);
      restore_state(std::move(saved), restored[m]);
    }
  } catch (const InvalidArgument& error) {  // the optimizers' own laws, now about a file
    throw FileError(path, error.what());
  }
  reader.require_all_used();
  optimizers = std::move(restored);
  return progress;
}

std::filesystem::path previous_checkpoint(const std::filesystem::path& path) {
  return path.parent_path() / "previous.safetensors";
}

void save_checkpoint(const std::filesystem::path& path, const Settings& settings,
                     const Progress& progress, const std::vector<AnyOptimizer>& optimizers,
                     Sync sync) {
  const std::string bytes = seal(checkpoint_to_safetensors(settings, progress, optimizers));
  keep_copy(path, previous_checkpoint(path), sync);
  write_atomically(path, bytes, sync);
}

LoadedCheckpoint load_checkpoint(const std::filesystem::path& path, const Settings& settings,
                                 std::vector<AnyOptimizer>& optimizers) {
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
  loaded.progress = checkpoint_from_safetensors(std::move(contents), source, settings, optimizers);
  return loaded;
}

}  // namespace pilqr
