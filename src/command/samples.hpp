#pragma once
/// samples/: the good rollouts of a run, in a file before an update uses them.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pilqr/train/rollout_events.hpp"
#include "run_folder.hpp"

namespace pilqr::command {

/// Writes every good rollout as it is made. Each iteration has a safetensors file of R rows, one
/// for each of the N samples of each condition: condition, sample and attempt [R], x [R, T, nx], u
/// and xi [R, T, nu], cost [R, T]. The file has its full length from the first rollout on; a row
/// with attempt 0 has not been made, or has failed, and its numbers mean nothing. Otherwise attempt
/// is 1 or more, as in the names of quarantine/, and is written after the rest of its row. So the
/// file can be read at any time, also when the program was killed.
class SampleWriter {
 public:
  /// @param sync with Sync::now a rollout is on the disk when add() returns if none was added in
  /// the second before: each trial of a robot. Others, as those of a simulation, are as often as
  /// takes a fiftieth of the time, and at most once in a second.
  SampleWriter(const RunFolder& folder, const Settings& settings, KeepSamples keep, Sync sync);
  ~SampleWriter();
  SampleWriter(const SampleWriter&) = delete;
  SampleWriter& operator=(const SampleWriter&) = delete;

  /// See RolloutEvents::good. With KeepSamples::last the first of an iteration takes the place of
  /// the file of the iteration before the last. Throws FileError.
  void add(const RolloutId& id, const RolloutsView& batch);

 private:
  /// A tensor of the file.
  struct Part {
    const char* name;
    std::vector<std::int64_t> shape;
    const char* dtype = "F64";
    std::uint64_t offset = 0;  // of its first byte in the file
    std::uint64_t row = 0;     // bytes of one row
  };

  void sync_if_due();
  void begin(int iteration, const RolloutsView& batch);
  void write(const Part& part, std::uint64_t row);  // the numbers at hand, as that row
  void close();
  [[nodiscard]] std::filesystem::path file_of(int iteration) const;

  RunFolder folder_;
  Settings settings_;
  KeepSamples keep_;
  Sync sync_;
  int iteration_ = -1;  // of the open file
  std::filesystem::path path_;
  int fd_ = -1;
  std::vector<Part> parts_;  // by name: attempt, condition, cost, sample, u, x, xi
  std::vector<std::uint64_t> numbers_;
  using Clock = std::chrono::steady_clock;
  Clock::time_point added_ = Clock::now();  // the last one
  Clock::time_point synced_ = added_;
  Clock::duration sync_takes_{};
};

}  // namespace pilqr::command
