/// Any bytes as the messages of another rank: the first byte says which, 255: of mixtures.

#include <cstdint>

#include "expect.hpp"
#include "learner_runs.hpp"
#include "pilqr/train/share_mixtures.hpp"
#include "small_runs.hpp"
#include "two_ranks.hpp"

namespace pilqr::fuzz {
namespace {

void read_mixtures(HalfTeam& team, const SmallRun& run) {
  static const LearnerRun guided = mixture_run(1);
  std::vector<IterationRecord> records(run.records.begin(), run.records.begin() + 2);
  auto mixtures = std::get<AnyMdgps>(guided.trained).priors();
  exchange_mixtures(team, records, mixture_dimension, mixtures);
}

}  // namespace
}  // namespace pilqr::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pilqr;
  static const std::vector<fuzz::SmallRun> runs = fuzz::small_runs(1);
  if (size == 0) return 0;
  fuzz::HalfTeam team(0, fuzz::as_text(data + 1, size - 1));
  const fuzz::SmallRun& run = runs[data[0] / 2 % runs.size()];
  try {
    if (data[0] == 255) {
      fuzz::read_mixtures(team, run);
    } else if (data[0] % 2 == 0) {
      std::vector<Rollouts<>> rollouts(2, run.rollouts);
      const auto N = static_cast<std::size_t>(run.rollouts.samples());
      std::vector<Failure> failures(2 * N);
      exchange_rollouts(team, {0, 1, 2, 5, 7}, rollouts, failures);
      for (const Failure& failure : failures) (void)failure.message();
    } else {
      std::vector<IterationRecord> records(run.records.begin(), run.records.begin() + 2);
      std::vector<AnyOptimizer> optimizers = run.fresh;
      exchange_updates(team, records, optimizers);
      for (const IterationRecord& record : records) {
        for (const Failure& failure : record.faults) (void)failure.message();
      }
    }
  } catch (const InvalidArgument&) {
  } catch (const FileError&) {
  }
  return 0;
}
