#include "abandoned.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "metrics.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/tensors.hpp"

namespace pilqr::command {
namespace {

namespace fs = std::filesystem;

/// The iteration that a file of quarantine/ or samples/ is of, or -1: of none, or put aside
/// already.
int iteration_of(const std::string& name) {
  const std::string prefix = "iteration_";
  if (name.rfind(prefix, 0) != 0) return -1;
  const std::size_t end = name.find_first_not_of("0123456789", prefix.size());
  int iteration = -1;
  const bool is_number =
      end != std::string::npos && (name[end] == '_' || name[end] == '.') &&
      TensorReader::parse_number(name.substr(prefix.size(), end - prefix.size()), iteration);
  return is_number ? iteration : -1;
}

/// Gives the files of later iterations other names.
void put_aside(const fs::path& directory, int iterations) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (iteration_of(entry.path().filename().string()) >= iterations) files.push_back(entry.path());
  }
  for (const fs::path& file : files) {
    fs::rename(file, free_name(directory, file.filename().string()), error);
    require_file(!error, file, "cannot rename: {}", error.message());
  }
}

}  // namespace

std::string whole_lines(std::string_view text) {
  std::string whole;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(begin, end - begin);
    const std::size_t front = line.find_first_not_of(" \t\r");
    const bool is_object = front != std::string_view::npos && line[front] == '{';
    if (is_object && nlohmann::json::accept(line)) whole.append(line) += '\n';
    begin = end + 1;
  }
  return whole;
}

fs::path free_name(const fs::path& directory, const std::string& name) {
  std::error_code error;
  fs::path path;
  for (int n = 1; path.empty() || fs::exists(path, error); ++n) {
    path = directory / fmt::format("abandoned_{}_{}", n, name);
  }
  return path;
}

void keep_abandoned(const RunFolder& folder, int iterations, std::size_t finished) {
  put_aside(folder.quarantine(), iterations);
  put_aside(folder.samples(), iterations);
  const std::string metrics = read_file(folder.metrics());
  const std::string lines = whole_lines(std::string_view(metrics).substr(finished));
  if (lines.empty()) return;
  std::error_code error;
  std::string kept = fs::exists(folder.abandoned(), error) ? read_file(folder.abandoned()) : "";
  if (kept.ends_with(lines)) return;  // and metrics.jsonl was not cut any more
  write_atomically(folder.abandoned(), kept + lines);
}

}  // namespace pilqr::command
