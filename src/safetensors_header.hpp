#pragma once
/// The JSON header of a safetensors file, parsed strictly.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pilqr {

/// Longest header of the format, bytes.
inline constexpr std::uint64_t safetensors_header_limit = 100'000'000;

/// Most dimensions of a tensor that is read; the format sets no limit.
inline constexpr std::size_t safetensors_rank_limit = 64;

/// What the header says about one tensor; nothing of it is checked against the data.
struct TensorEntry {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  ///< bytes from the start of the data
  std::uint64_t end = 0;
};

struct SafeTensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, TensorEntry> tensors;
};

/// Throws FileError for text that is not JSON or says anything but the format allows: other keys,
/// missing or duplicate keys, other types, negative or fractional numbers. Never builds more than
/// what it returns, however the text is nested.
SafeTensorsHeader parse_safetensors_header(std::string_view json,
                                           const std::filesystem::path& path);

}  // namespace pilqr
