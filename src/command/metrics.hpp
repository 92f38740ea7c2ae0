#pragma once
/// metrics.jsonl: a line per iteration and condition.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pilqr/systems/task.hpp"
#include "pilqr/train/checkpoint.hpp"
#include "pilqr/train/trainer.hpp"

namespace pilqr::command {

/// What guided policy search says of an iteration besides.
struct GuidedFigures {
  double supervision_loss = UpdateReport::none;   ///< see SupervisionReport
  double supervision_error = UpdateReport::none;  ///< the same
  double seconds_fit = 0.0;  ///< of the whole iteration, like the next two; see MdgpsReport
  double seconds_c_step = 0.0;
  double seconds_s_step = 0.0;
  Failure supervision_failure{};
};

/// One line. Numbers that there are none of are NaN, null in the file.
struct MetricsRow {
  IterationRecord record{};
  long samples_total =
      0;                 ///< rollouts made so far in the run, failed ones too, over all conditions
  long steps_total = 0;  ///< control steps of as many whole rollouts
  double success_rate = UpdateReport::none;   ///< of the iteration's samples, noise included
  double distance_mean = UpdateReport::none;  ///< of the iteration's samples, m
  std::optional<GuidedFigures> guided{};      ///< guided policy search only
};

/// @param rollouts what the update used; not looked at if a rollout failed.
/// @param before the run's progress without this batch.
MetricsRow describe_update(const IterationRecord& record, const Rollouts<>& rollouts,
                           const Task& task, const Progress& before);

/// The line, with its end.
std::string to_line(const MetricsRow& row);

/// The part of the text of metrics.jsonl that a run with these conditions has written in its first
/// `iterations` iterations. Throws FileError, beginning with `path`, if it is not all there.
std::string_view finished_lines(std::string_view text, const std::filesystem::path& path,
                                int iterations, const std::vector<int>& conditions);

/// Appends lines to a file, each in the system's hands when append() returns.
class LineWriter {
 public:
  /// Creates the file if there is none. Throws FileError.
  explicit LineWriter(std::filesystem::path path);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Throws FileError; where the file system lets it, nothing of the line is then in the file.
  void append(const std::string& line);
  /// Returns when everything is on the disk.
  void sync();

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace pilqr::command
