/// Real files for the fuzz targets to begin with: fuzz_seeds FOLDER makes a folder for each target,
/// and settings.dict, the words of the settings.

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "details.hpp"
#include "learner_runs.hpp"
#include "metrics.hpp"
#include "pilqr/io/network_file.hpp"
#include "pilqr/io/policy_file.hpp"
#include "pilqr/io/sealed.hpp"
#include "pilqr/train/share_mixtures.hpp"
#include "settings_file.hpp"
#include "small_runs.hpp"
#include "two_ranks.hpp"

namespace pilqr::fuzz {
namespace {

/// Writes numbered files to one folder per target.
class Seeds {
 public:
  explicit Seeds(std::filesystem::path root) : root_(std::move(root)) {}

  void add(const char* target, std::string_view bytes) {
    const std::filesystem::path folder = root_ / target;
    std::filesystem::create_directories(folder);
    write_atomically(folder / fmt::format("seed_{}", count_++), bytes, Sync::later);
  }
  void add_file(const char* name, std::string_view bytes) {
    write_atomically(root_ / name, bytes, Sync::later);
  }

 private:
  std::filesystem::path root_;
  int count_ = 0;
};

void add_policy(const SmallRun& run, Seeds& seeds) {
  PolicyFile file{.task = run.settings.task,
                  .algorithm = name(run.settings.algorithm),
                  .dt = 0.05,
                  .conditions = run.settings.conditions,
                  .extra = {{"note", "text"}}};
  for (const AnyOptimizer& optimizer : run.trained) file.policies.push_back(optimizer.policy());
  const SafeTensors contents = policy_to_safetensors(file);
  seeds.add("policy", encode_safetensors(contents));
  seeds.add("sealed", seal(contents));
}

void add_networks(Seeds& seeds) {
  RandomStream stream({.seed = 1});
  for (const Activation activation : {Activation::tanh, Activation::relu}) {
    NetworkFile file{.policy = NetworkPolicy({4, {5, 3}, 2, activation}, stream), .dt = 0.05};
    seeds.add("network", encode_safetensors(network_to_safetensors(file)));
    file.policy.set_normalisation({VectorX::Ones(4), VectorX::Constant(4, 0.5)});
    file.policy.set_limits(VectorX::Constant(2, -1.0), VectorX::Constant(2, 2.0));
    seeds.add("network", encode_safetensors(network_to_safetensors(file)));
  }
}

void add_tensors(Seeds& seeds) {
  SafeTensors contents;
  seeds.add("safetensors", encode_safetensors(contents));
  contents.metadata = {{"format", "test"}, {"quoted", "a \" and a \\"}};
  contents.tensors["empty"] = {.shape = {2, 0}, .values = std::vector<double>{}};
  contents.tensors["i"] = {.shape = {}, .values = std::vector<std::int64_t>{-1}};
  contents.tensors["u"] = {.shape = {2}, .values = std::vector<std::uint64_t>{1, 2}};
  contents.tensors["x"] = {.shape = {2, 1, 2}, .values = std::vector<double>{1.0, 2.0, -0.0, 4.0}};
  seeds.add("safetensors", encode_safetensors(contents));
  seeds.add("sealed", seal(contents));
}

void add_metrics(const SmallRun& run, Seeds& seeds) {
  std::string text;
  for (const IterationRecord& record : run.records) {
    text += command::to_line({.record = record, .samples_total = 4});
  }
  seeds.add("metrics", text);
  const auto& record = run.records.front();
  const std::string details =
      command::details_line(record, run.rollouts, &run.trained.front().policy());
  seeds.add("report", text + '\0' + details);
  IterationRecord bad = run.records.front();
  bad.faults = {{.kind = FailureKind::system_error, .detail = "the \"arm\" is off"}};
  bad.report.failure = {.kind = FailureKind::singular_fit, .step = 1, .value = -1.0};
  seeds.add("metrics", command::to_line({.record = bad}));
}

/// What the second rank of two says, as the first reads it in the target `message`.
void add_messages(const SmallRun& run, char number, Seeds& seeds) {
  HalfTeam second(1, "");
  const auto said = [&](HalfTeam& team, auto&& talk) {
    try {
      talk(team);
    } catch (const InvalidArgument&) {  // the other one says nothing
    }
    return team.said();
  };
  std::vector<Rollouts<>> rollouts(2, run.rollouts);
  std::vector<Failure> failures(2 * static_cast<std::size_t>(run.rollouts.samples()));
  failures[5] = {.kind = FailureKind::rejected, .sample = 1, .detail = "wet floor"};
  seeds.add("message", static_cast<char>(2 * number) + said(second, [&](HalfTeam& team) {
                         exchange_rollouts(team, {0, 1, 2, 5, 7}, rollouts, failures);
                       }));
  std::vector<IterationRecord> records(run.records.begin(), run.records.begin() + 2);
  std::vector<AnyOptimizer> optimizers = run.trained;
  seeds.add("message", static_cast<char>(2 * number + 1) + said(second, [&](HalfTeam& team) {
                         exchange_updates(team, records, optimizers);
                       }));
}

void add_mixtures(const SmallRun& run, Seeds& seeds) {
  HalfTeam second(1, "");
  const std::vector<IterationRecord> records(run.records.begin(), run.records.begin() + 2);
  auto mixtures = std::get<AnyMdgps>(mixture_run(2).trained).priors();
  try {
    exchange_mixtures(second, records, mixture_dimension, mixtures);
  } catch (const InvalidArgument&) {  // the other one says nothing
  }
  seeds.add("message", '\xff' + second.said());
}

void add_settings(Seeds& seeds) {
  std::string words;
  for (const std::string& key : command::setting_keys()) {
    const std::size_t dot = key.find('.');
    words += fmt::format("\"{}\"\n", key);
    if (dot != std::string::npos) {
      words += fmt::format("\"[{}]\"\n\"{}\"\n", key.substr(0, dot), key.substr(dot + 1));
    }
  }
  seeds.add_file("settings.dict", words);
  for (const char* text :
       {"task = \"point_mass\"\n", "task = 'reacher'\nalgorithm = \"pi2\"\n[pi2]\ncentered = true",
        "task = \"reacher\"\nconditions = [0, 1]\npreset = \"paper\"\n",
        "task = \"point_mass\"\n[fit]\nprior = \"gmm\"\n[gmm]\nstrength = 2\n",
        "task = \"point_mass\"\nnoise = {width = 1e0, antithetic = false}\nkl_step.rule = \"x\""}) {
    seeds.add("settings", text);
  }
  for (const char* task : {"point_mass", "reacher"}) {
    seeds.add("settings", to_toml(command::resolve({.task = task})));
  }
}

}  // namespace
}  // namespace pilqr::fuzz

int main(int count, char** words) {
  using namespace pilqr;
  if (count != 2) {
    std::fputs("usage: pilqr_fuzz_seeds FOLDER\n", stderr);
    return 2;
  }
  try {
    fuzz::Seeds seeds(words[1]);
    fuzz::add_tensors(seeds);
    fuzz::add_networks(seeds);
    fuzz::add_settings(seeds);
    char number = 0;
    for (const fuzz::SmallRun& run : fuzz::small_runs(2)) {
      fuzz::add_policy(run, seeds);
      fuzz::add_metrics(run, seeds);
      fuzz::add_messages(run, number++, seeds);
      seeds.add("optimizer_state", encode_optimizer(state_of(run.trained.front())));
    }
    add_mixtures(fuzz::small_runs(1).front(), seeds);
    for (const fuzz::LearnerRun& run : fuzz::learner_runs(2)) {
      seeds.add("checkpoint",
                seal(checkpoint_to_safetensors(run.settings, run.progress, run.trained)));
      seeds.add("checkpoint", seal(checkpoint_to_safetensors(run.settings, {}, run.fresh)));
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pilqr_fuzz_seeds: %s\n", error.what());
    return 1;
  }
}
