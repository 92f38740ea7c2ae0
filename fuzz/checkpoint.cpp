/// Any bytes as a checkpoint, of each kind of learner; and a checkpoint folder whose last file they
/// are.

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "expect.hpp"
#include "learner_runs.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/sealed.hpp"

namespace pilqr::fuzz {
namespace {

/// A folder of a run with a good checkpoint as the previous one; it removes itself.
class Folder {
 public:
  explicit Folder(const LearnerRun& run) {
    std::string name = (std::filesystem::temp_directory_path() / "pilqr_fuzz_XXXXXX").string();
    expect(::mkdtemp(name.data()) != nullptr, "a temporary folder");
    path_ = name;
    save_checkpoint(state(), run.settings, run.progress, run.trained, Sync::later);
    std::filesystem::rename(state(), previous_checkpoint(state()));
    Learner learner = run.fresh;
    progress_ = load_checkpoint(state(), run.settings, learner).progress;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  /// That of the good one.
  [[nodiscard]] const Progress& progress() const { return progress_; }
  [[nodiscard]] std::filesystem::path state() const { return path_ / "state.safetensors"; }

 private:
  std::filesystem::path path_;
  Progress progress_;
};

/// What was read can act: for any numbers, without a fault.
void act_once(const Learner& learner) {
  VectorX u;
  const auto act = [&](auto policy) {
    policy.act(0, VectorX::Ones(policy.nx()), VectorX::Ones(policy.nu()), u);
    expect(rows(u) == policy.nu(), "a control");
  };
  if (const std::optional<NetworkPolicy> network = network_of(learner)) act(*network);
  for (const AnyOptimizer& optimizer : locals_of(learner)) act(optimizer.policy());
}

void read_contents(const SafeTensors& contents, const LearnerRun& run) {
  Learner learner = run.fresh;
  Progress progress;
  if (!accepts(
          [&] { progress = checkpoint_from_safetensors(contents, "f", run.settings, learner); })) {
    return;
  }
  act_once(learner);
  const auto save = [&] { return checkpoint_to_safetensors(run.settings, progress, learner); };
  const std::string bytes = encode_safetensors(save());
  learner = run.fresh;
  progress =
      checkpoint_from_safetensors(decode_safetensors(bytes, "f"), "f", run.settings, learner);
  expect(encode_safetensors(save()) == bytes, "the same checkpoint");
}

}  // namespace
}  // namespace pilqr::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  static const std::vector<fuzz::LearnerRun> runs = fuzz::learner_runs(2);
  static const fuzz::Folder folder(runs.front());
  const std::string_view bytes = fuzz::as_text(data, size);
  SafeTensors contents;
  const bool whole = fuzz::accepts([&] { contents = unseal(bytes, "f"); });
  if (whole) {
    for (const fuzz::LearnerRun& run : runs) fuzz::read_contents(contents, run);
  }
  // A file that is not whole is passed over for the one before; for some only, as disks are slow.
  if (std::hash<std::string_view>()(bytes) % 8 != 0) return 0;
  write_atomically(folder.state(), bytes, Sync::later);
  Learner learner = runs.front().fresh;
  try {
    const LoadedCheckpoint loaded = load_checkpoint(folder.state(), runs.front().settings, learner);
    fuzz::expect(loaded.damage.empty() == whole, "damage to be told");
    if (!whole) fuzz::expect(loaded.progress == folder.progress(), "that of the one before");
  } catch (const FileError&) {
    fuzz::expect(whole, "the one before to be loaded");
  }
  return 0;
}
