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

/// The lines that are JSON objects; a line that broke off is not.
std::string whole_lines(const std::string& text) {
  std::string whole;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string line = text.substr(begin, end - begin);
    if (nlohmann::json::parse(line, nullptr, false).is_object()) whole += line + '\n';
    begin = end + 1;
  }
  return whole;
}

/// The iteration that a file of the quarantine is of, or -1: of none, or put aside already.
int iteration_of(const std::string& name) {
  const std::string prefix = "iteration_";
  if (name.rfind(prefix, 0) != 0) return -1;
  const std::size_t end = name.find('_', prefix.size());
  int iteration = -1;
  const bool is_number =
      end != std::string::npos &&
      TensorReader::parse_number(name.substr(prefix.size(), end - prefix.size()), iteration);
  return is_number ? iteration : -1;
}

/// Gives the files of later iterations other names.
void put_aside(const fs::path& quarantine, int iterations) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(quarantine, error)) {
    if (iteration_of(entry.path().filename().string()) >= iterations) files.push_back(entry.path());
  }
  for (const fs::path& file : files) {
    fs::path target;
    for (int n = 1; target.empty() || fs::exists(target, error); ++n) {
      target = quarantine / fmt::format("abandoned_{}_{}", n, file.filename().string());
    }
    fs::rename(file, target, error);
    require_file(!error, file, "cannot rename: {}", error.message());
  }
}

}  // namespace

void keep_abandoned(const RunFolder& folder, int iterations, std::size_t finished) {
  put_aside(folder.quarantine(), iterations);
  const std::string lines = whole_lines(read_file(folder.metrics()).substr(finished));
  if (lines.empty()) return;
  std::error_code error;
  std::string kept = fs::exists(folder.abandoned(), error) ? read_file(folder.abandoned()) : "";
  if (kept.ends_with(lines)) return;  // and metrics.jsonl was not cut any more
  write_atomically(folder.abandoned(), kept + lines);
}

}  // namespace pilqr::command
