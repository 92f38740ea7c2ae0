/// Changes of safetensors files that get past the outer checks: the length of the header and the
/// checksum are mended, and whole contents are changed as values.

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>

#include "expect.hpp"
#include "pilqr/io/safetensors.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace pilqr::fuzz {
namespace {

using Random = std::minstd_rand;

std::size_t below(Random& random, std::size_t n) {
  return random() % n;
}

/// libFuzzer's own change of some bytes.
std::string mutated(std::string bytes) {
  constexpr std::size_t growth = 64;
  const std::size_t size = bytes.size();
  bytes.resize(size + growth);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, bytes.size()));
  return bytes;
}

/// Puts the right checksum where there is one.
void reseal(std::string& bytes) {
  constexpr std::string_view key = R"("checksum":")";
  constexpr std::size_t digits = 16;
  const std::size_t found = bytes.find(key);
  if (found == std::string::npos || bytes.size() - found < key.size() + digits) return;
  bytes.replace(found + key.size(), digits, digits, '0');
  bytes.replace(found + key.size(), digits,
                fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size())));
}

/// Changes the text of the header, and its length with it.
std::string with_other_header(const std::string& bytes) {
  constexpr std::size_t prefix = 8;
  std::uint64_t length = 0;
  if (bytes.size() >= prefix) std::memcpy(&length, bytes.data(), prefix);
  if (bytes.size() < prefix || length > bytes.size() - prefix) return mutated(bytes);
  const std::string header = mutated(bytes.substr(prefix, length));
  const std::string data = bytes.substr(prefix + length);
  length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), prefix) + header + data;
}

template <class Map>
auto any_of(Map& map, Random& random) {
  return std::next(map.begin(), static_cast<std::ptrdiff_t>(below(random, map.size())));
}

double odd_double(Random& random) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double values[] = {
      0.0,    -0.0,   1.0,      -1.0,      1e-300,
      1e308,  -1e308, infinity, -infinity, std::numeric_limits<double>::quiet_NaN(),
      5e-324, 0.5,    2.0,      1e16};
  return values[below(random, std::size(values))];
}
std::int64_t odd_integer(Random& random) {
  using Limits = std::numeric_limits<std::int64_t>;
  constexpr std::int64_t values[] = {
      0, 1, 2, -1, 1'000'000, 2147483647, 2147483648, 4294967296, Limits::max(), Limits::min()};
  return values[below(random, std::size(values))];
}

std::string odd_text(const std::string& text, Random& random) {
  constexpr const char* values[] = {
      "",   "0",          "-1",         "1",   "2",    "1e999", "nan",
      "1,", "2147483647", "2147483648", "0,0", "0,3,", "relu",  "9223372036854775807"};
  const std::size_t i = below(random, std::size(values) + 4);
  return i < std::size(values) ? values[i] : mutated(text);
}

/// Other values, another shape or another type.
void change(Tensor& tensor, Random& random) {
  constexpr std::size_t most = 1000;  // values of a tensor that grows
  switch (below(random, 4)) {
    case 0: {
      auto* values = std::get_if<std::vector<double>>(&tensor.values);
      if (values != nullptr && !values->empty()) {
        (*values)[below(random, values->size())] = odd_double(random);
      } else if (auto* integers = std::get_if<std::vector<std::int64_t>>(&tensor.values);
                 integers != nullptr && !integers->empty()) {
        (*integers)[below(random, integers->size())] = odd_integer(random);
      }
      return;
    }
    case 1: {
      if (tensor.shape.empty()) {
        tensor.shape = {1};
      } else {
        tensor.shape[below(random, tensor.shape.size())] =
            std::max<std::int64_t>(0, odd_integer(random));
      }
      std::size_t count = 1;
      for (const std::int64_t n : tensor.shape) {
        count = n == 0 ? 0 : count * std::min(static_cast<std::size_t>(n), most + 1);
        if (count > most) {  // as many as the format allows without values
          tensor.shape.push_back(0);
          count = 0;
          break;
        }
      }
      std::visit([&](auto& values) { values.resize(count); }, tensor.values);
      return;
    }
    case 2:
      if (below(random, 2) == 0 && !tensor.shape.empty()) {
        std::swap(tensor.shape.front(), tensor.shape.back());
      } else {
        tensor.shape.push_back(1);
      }
      return;
    default: {
      const std::size_t count =
          std::visit([](const auto& values) { return values.size(); }, tensor.values);
      if (below(random, 2) == 0) {
        tensor.values = std::vector<std::int64_t>(count, odd_integer(random));
      } else {
        tensor.values = std::vector<double>(count, odd_double(random));
      }
    }
  }
}

void change(SafeTensors& contents, Random& random) {
  const bool metadata = !contents.metadata.empty() && below(random, 3) == 0;
  if (metadata || contents.tensors.empty()) {
    if (contents.metadata.empty()) {
      contents.metadata["format"] = odd_text("", random);
      return;
    }
    const auto entry = any_of(contents.metadata, random);
    if (below(random, 8) == 0) {
      contents.metadata.erase(entry);
    } else {
      entry->second = odd_text(entry->second, random);
    }
    return;
  }
  const auto entry = any_of(contents.tensors, random);
  switch (below(random, 8)) {
    case 0:
      contents.tensors.erase(entry);
      return;
    case 1:
      contents.tensors[mutated(entry->first)] = entry->second;
      return;
    case 2:
      entry->second = any_of(contents.tensors, random)->second;
      return;
    default:
      change(entry->second, random);
  }
}

/// Contents changed as values; any other change of what is no safetensors file.
std::string with_other_contents(const std::string& bytes, Random& random) {
  try {
    SafeTensors contents = decode_safetensors(bytes, "f");
    const std::size_t changes = 1 + below(random, 3);
    for (std::size_t i = 0; i < changes; ++i) change(contents, random);
    return encode_safetensors(contents);
  } catch (const std::runtime_error&) {  // FileError
  } catch (const std::invalid_argument&) {
  }
  return mutated(bytes);
}

}  // namespace
}  // namespace pilqr::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  using namespace pilqr::fuzz;
  Random random(seed);
  std::string bytes(as_text(data, size));
  switch (below(random, 5)) {
    case 0:
      bytes = mutated(bytes);
      break;
    case 1:
      bytes = with_other_header(bytes);
      break;
    default:
      bytes = with_other_contents(bytes, random);
  }
  if (below(random, 8) != 0) reseal(bytes);
  if (bytes.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
