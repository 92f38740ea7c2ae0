#pragma once
/// details.jsonl: what a report shows beyond metrics.jsonl. A run is complete without it.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "metrics.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/train/trainer.hpp"

namespace pilqr::command {

/// The line of a good update, with its end: iteration and condition; the arrays over time steps
/// kl_step, kl, residual_ratio, temperature and effective_samples, those that the algorithm has;
/// exploration, the root mean variance of the controls under the new policy; and rollout, the
/// states of the sample with the median cost, at every `every`-th step. Numbers have four digits,
/// null where there is none.
/// @param rollouts what the update used. @param policy its result; null where
/// a network learns alone: there is then no exploration.
std::string details_line(const IterationRecord& record, const Rollouts<>& rollouts,
                         const LinearGaussianPolicy<>* policy);

/// Appends lines to details.jsonl. A file that cannot be written is told of once, and no reason to
/// stop; nobody waits until the lines are on the disk.
class DetailsWriter {
 public:
  explicit DetailsWriter(std::filesystem::path path) : path_(std::move(path)) {}
  void append(const std::string& line);

 private:
  std::filesystem::path path_;
  std::optional<LineWriter> lines_{};
  bool failed_ = false;
};

/// The part of the text of details.jsonl that is whole lines of the first `iterations` iterations,
/// up to the first that is damaged.
std::string_view details_before(std::string_view text, int iterations);

/// The same of a file; empty if there is none. Throws FileError if it cannot be read.
std::string kept_details(const std::filesystem::path& path, int iterations);

}  // namespace pilqr::command
