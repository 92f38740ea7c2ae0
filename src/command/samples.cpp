#include "samples.hpp"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "pilqr/io/file_error.hpp"

namespace pilqr::command {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_write(const fs::path& path) {
  throw FileError(path, fmt::format("cannot write: {}", std::generic_category().message(errno)));
}

/// The number as the file has it.
std::uint64_t little_endian(std::uint64_t bits) {
  if constexpr (std::endian::native == std::endian::little) return bits;
  std::uint64_t swapped = 0;
  for (unsigned i = 0; i < 8U; ++i) swapped = (swapped << 8U) | ((bits >> (8U * i)) & 0xFFU);
  return swapped;
}

void write_at(int fd, const void* data, std::size_t size, std::uint64_t offset,
              const fs::path& path) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, bytes, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot_write(path);
    bytes += written;
    offset += static_cast<std::uint64_t>(written);
    size -= static_cast<std::size_t>(written);
  }
}

}  // namespace

SampleWriter::SampleWriter(const RunFolder& folder, const Settings& settings, KeepSamples keep,
                           Sync sync)
    : folder_(folder), settings_(settings), keep_(keep), sync_(sync) {}

SampleWriter::~SampleWriter() {
  close();
}

void SampleWriter::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

fs::path SampleWriter::file_of(int iteration) const {
  return folder_.samples() / fmt::format("iteration_{}.safetensors", iteration);
}

void SampleWriter::write(const Part& part, std::uint64_t row) {
  std::transform(numbers_.begin(), numbers_.end(), numbers_.begin(), little_endian);
  write_at(fd_, numbers_.data(), 8 * numbers_.size(), part.offset + row * part.row, path_);
}

void SampleWriter::begin(int iteration, const RolloutsView& batch) {
  close();
  std::error_code error;
  fs::create_directory(folder_.samples(), error);
  require_file(!error, folder_.samples(), "cannot create the folder: {}", error.message());

  const auto N = std::int64_t{batch.samples()};
  const auto R = N * static_cast<std::int64_t>(settings_.conditions.size());
  const auto T = std::int64_t{batch.steps()};
  parts_ = {{"attempt", {R}, "I64"},   {"condition", {R}, "I64"}, {"cost", {R, T}},
            {"sample", {R}, "I64"},    {"u", {R, T, batch.nu()}}, {"x", {R, T, batch.nx()}},
            {"xi", {R, T, batch.nu()}}};
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pilqr.samples"},
                            {"format_version", "1"},
                            {"task", settings_.task},
                            {"algorithm", name(settings_.algorithm)},
                            {"seed", fmt::format("{}", settings_.seed)},
                            {"iteration", fmt::format("{}", iteration)}};
  std::uint64_t end = 0;
  for (Part& part : parts_) {
    part.row = 8;
    for (std::size_t i = 1; i < part.shape.size(); ++i) {
      part.row *= static_cast<std::uint64_t>(part.shape[i]);
    }
    part.offset = end;
    end += part.row * static_cast<std::uint64_t>(R);
    header[part.name] = {
        {"dtype", part.dtype}, {"shape", part.shape}, {"data_offsets", {part.offset, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7U) / 8U * 8U, ' ');
  const std::uint64_t front = 8 + text.size();
  for (Part& part : parts_) part.offset += front;

  // Whole under another name first: whoever reads it finds all of a header. A file that is no
  // longer wanted takes less time than a new one.
  path_ = file_of(iteration);
  const fs::path temporary = folder_.samples() / fmt::format(".pilqr-{}-0.tmp", ::getpid());
  if (keep_ == KeepSamples::last) fs::rename(file_of(iteration - 2), temporary, error);
  fd_ = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) cannot_write(path_);
  try {
    const std::uint64_t length = little_endian(text.size());
    write_at(fd_, &length, sizeof length, 0, path_);
    write_at(fd_, text.data(), text.size(), sizeof length, path_);
    if (::ftruncate(fd_, static_cast<off_t>(front + end)) != 0) cannot_write(path_);
    numbers_.assign(static_cast<std::size_t>(R), 0);
    write(parts_[0], 0);
    numbers_.clear();
    for (const int condition : settings_.conditions) {
      numbers_.insert(numbers_.end(), static_cast<std::size_t>(N),
                      static_cast<std::uint64_t>(condition));
    }
    write(parts_[1], 0);
    for (std::size_t i = 0; i < numbers_.size(); ++i) numbers_[i] = i % static_cast<std::size_t>(N);
    write(parts_[3], 0);
    if (::rename(temporary.c_str(), path_.c_str()) != 0) cannot_write(path_);
  } catch (const FileError&) {
    close();
    fs::remove(temporary, error);
    throw;
  }
  iteration_ = iteration;
}

void SampleWriter::add(const RolloutId& id, const RolloutsView& batch) {
  if (fd_ < 0 || id.iteration != iteration_) begin(id.iteration, batch);
  const auto m = static_cast<std::uint64_t>(
      std::find(settings_.conditions.begin(), settings_.conditions.end(), id.condition) -
      settings_.conditions.begin());
  const std::uint64_t row =
      m * static_cast<std::uint64_t>(batch.samples()) + static_cast<std::uint64_t>(id.sample);
  const auto add_steps = [&](const Part& part, const SequenceView<>& steps) {
    numbers_.clear();
    for (int t = 0; t < batch.steps(); ++t) {
      for (const double value : steps[t].col(id.sample)) {
        numbers_.push_back(std::bit_cast<std::uint64_t>(value));
      }
    }
    write(part, row);
  };
  add_steps(parts_[4], batch.u);
  add_steps(parts_[5], batch.x);
  add_steps(parts_[6], batch.xi);
  numbers_.clear();
  for (const double value : batch.cost.row(id.sample)) {
    numbers_.push_back(std::bit_cast<std::uint64_t>(value));
  }
  write(parts_[2], row);
  numbers_ = {static_cast<std::uint64_t>(id.attempt) + 1};
  write(parts_[0], row);
  sync_if_due();
}

void SampleWriter::sync_if_due() {
  constexpr std::chrono::seconds second(1);
  const Clock::time_point now = Clock::now();
  const bool seldom = now - added_ >= second;
  const bool long_ago = now - synced_ >= std::max<Clock::duration>(second, 50 * sync_takes_);
  added_ = now;
  if (sync_ != Sync::now || !(seldom || long_ago)) return;
  sync_file(path_);
  synced_ = Clock::now();
  sync_takes_ = synced_ - now;
}

}  // namespace pilqr::command
