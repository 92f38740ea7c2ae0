#include "pilqr/io/safetensors.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "pilqr/core/check.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "safetensors_header.hpp"

namespace pilqr {
namespace {

constexpr std::size_t prefix_size = 8;   // the length of the header
constexpr std::uint64_t value_size = 8;  // of all types that are written

void append_little_endian(std::string& out, std::uint64_t value) {
  for (unsigned shift = 0; shift < 64U; shift += 8U) {
    out += static_cast<char>((value >> shift) & 0xFFU);
  }
}

/// An unsigned integer from as many little-endian bytes as it has.
template <class Unsigned>
Unsigned read_little_endian(const char* bytes) {
  Unsigned value = 0;
  for (unsigned i = 0; i < sizeof(Unsigned); ++i) {
    value |= static_cast<Unsigned>(static_cast<unsigned char>(bytes[i])) << (8U * i);
  }
  return value;
}

/// A JSON string literal; InvalidArgument if `text` is not UTF-8.
std::string json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    throw InvalidArgument(fmt::format("safetensors: {} is not UTF-8", in_quotes(text)));
  }
}

std::size_t value_count(const Tensor& tensor) {
  return std::visit([](const auto& values) { return values.size(); }, tensor.values);
}

/// The product of the shape, or the largest number if it overflows.
template <class Shape>
std::uint64_t element_count(const Shape& shape) {
  constexpr std::uint64_t overflow = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t count = 1;
  for (const auto size : shape) {
    const auto n = static_cast<std::uint64_t>(size);
    if (n != 0 && count > overflow / n) return overflow;
    count *= n;
  }
  return count;
}

void require_writable(const std::string& name, const Tensor& tensor) {
  require(name != "__metadata__", "safetensors: a tensor cannot be called {}", name);
  require(tensor.shape.size() <= safetensors_rank_limit,
          "safetensors: tensor {} has {} dimensions, expected at most {}", in_quotes(name),
          tensor.shape.size(), safetensors_rank_limit);
  for (const std::int64_t size : tensor.shape) {
    require(size >= 0, "safetensors: tensor {} has shape [{}]", in_quotes(name),
            fmt::join(tensor.shape, ", "));
  }
  require(element_count(tensor.shape) == value_count(tensor),
          "safetensors: tensor {} has shape [{}] and {} values", in_quotes(name),
          fmt::join(tensor.shape, ", "), value_count(tensor));
}

std::string encode_header(const SafeTensors& contents) {
  std::string header = "{";
  const auto key = [&](const std::string& name) {
    if (header.back() != '{') header += ',';
    header += json_string(name) + ':';
  };
  if (!contents.metadata.empty()) {
    key("__metadata__");
    header += '{';
    for (const auto& [name, text] : contents.metadata) {
      key(name);
      header += json_string(text);
    }
    header += '}';
  }
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : contents.tensors) {
    const std::uint64_t end = offset + value_size * value_count(tensor);
    key(name);
    header += fmt::format(R"({{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          dtype_name(tensor), fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  header += '}';
  header.resize((header.size() + 7U) / 8U * 8U, ' ');
  return header;
}

/// Bytes of one value; 0 for a type that is not supported.
std::uint64_t size_of(std::string_view dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  return dtype == "F32" ? 4 : 0;
}

using NamedEntry = std::pair<const std::string, TensorEntry>;

/// Type, shape and place of one tensor agree with each other and lie in the file.
void check_entry(const NamedEntry& named, std::size_t data_size,
                 const std::filesystem::path& path) {
  const auto& [name, entry] = named;
  const std::uint64_t size = size_of(entry.dtype);
  require_file(size != 0, path, "tensor {} has dtype {}, expected F64, F32, I64 or U64",
               in_quotes(name), in_quotes(entry.dtype));
  require_file(entry.begin <= entry.end && entry.end <= data_size, path,
               "tensor {} has data_offsets [{}, {}], the file has {} bytes of data",
               in_quotes(name), entry.begin, entry.end, data_size);
  const std::uint64_t count = element_count(entry.shape);
  require_file(
      count <= data_size && count * size == entry.end - entry.begin, path,
      "tensor {} has shape [{}] of {} and data_offsets [{}, {}]", in_quotes(name),
      fmt::join(entry.shape.begin(),
                entry.shape.begin() + std::min<std::ptrdiff_t>(std::ssize(entry.shape), 8), ", "),
      entry.dtype, entry.begin, entry.end);
  for (const std::uint64_t n : entry.shape) {
    require_file(n <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()), path,
                 "tensor {} has a dimension {}", in_quotes(name), n);
  }
}

/// The tensors fill the data without overlaps, holes or a rest.
void check_layout(const SafeTensorsHeader& header, std::size_t data_size,
                  const std::filesystem::path& path) {
  std::vector<const NamedEntry*> order;
  order.reserve(header.tensors.size());
  for (const NamedEntry& named : header.tensors) order.push_back(&named);
  std::sort(order.begin(), order.end(), [](const NamedEntry* a, const NamedEntry* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::uint64_t position = 0;
  for (const NamedEntry* named : order) {
    const TensorEntry& entry = named->second;
    require_file(entry.begin == position, path, "tensor {} begins at byte {} of the data, {} {}",
                 in_quotes(named->first), entry.begin,
                 entry.begin < position ? "overlapping the one before, which ends at"
                                        : "leaving a hole after",
                 position);
    position = entry.end;
  }
  require_file(position == data_size, path, "{} bytes of data follow the last tensor",
               data_size - position);
}

/// Values stored as `Stored`, whose bits are an integer of type Bits; `data` is a whole number of
/// them.
template <class Value, class Stored, class Bits>
std::vector<Value> decode_values(std::string_view data) {
  std::vector<Value> values;
  values.reserve(data.size() / sizeof(Bits));
  for (std::size_t i = 0; i < data.size(); i += sizeof(Bits)) {
    const Bits bits = read_little_endian<Bits>(data.data() + i);
    values.push_back(static_cast<Value>(std::bit_cast<Stored>(bits)));
  }
  return values;
}

Tensor decode_tensor(const TensorEntry& entry, std::string_view data) {
  Tensor tensor;
  tensor.shape.assign(entry.shape.begin(), entry.shape.end());
  const std::string_view bytes = data.substr(entry.begin, entry.end - entry.begin);
  if (entry.dtype == "F64") {
    tensor.values = decode_values<double, double, std::uint64_t>(bytes);
  } else if (entry.dtype == "F32") {
    tensor.values = decode_values<double, float, std::uint32_t>(bytes);
  } else if (entry.dtype == "I64") {
    tensor.values = decode_values<std::int64_t, std::int64_t, std::uint64_t>(bytes);
  } else {
    tensor.values = decode_values<std::uint64_t, std::uint64_t, std::uint64_t>(bytes);
  }
  return tensor;
}

}  // namespace

const char* dtype_name(const Tensor& tensor) {
  constexpr const char* names[] = {"F64", "I64", "U64"};
  return names[tensor.values.index()];
}

std::string encode_safetensors(const SafeTensors& contents) {
  std::size_t data_size = 0;
  for (const auto& [name, tensor] : contents.tensors) {
    require_writable(name, tensor);
    data_size += value_size * value_count(tensor);
  }
  const std::string header = encode_header(contents);
  require(header.size() <= safetensors_header_limit,
          "safetensors: the header would have {} bytes, at most {} are allowed", header.size(),
          safetensors_header_limit);

  std::string bytes;
  bytes.reserve(prefix_size + header.size() + data_size);
  append_little_endian(bytes, header.size());
  bytes += header;
  for (const auto& [name, tensor] : contents.tensors) {
    std::visit(
        [&](const auto& values) {
          for (const auto value : values) {
            append_little_endian(bytes, std::bit_cast<std::uint64_t>(value));
          }
        },
        tensor.values);
  }
  return bytes;
}

SafeTensors decode_safetensors(std::string_view bytes, const std::filesystem::path& path) {
  require_file(bytes.size() >= prefix_size, path,
               "is {} bytes long, too short for a safetensors file", bytes.size());
  const auto header_size = read_little_endian<std::uint64_t>(bytes.data());
  bytes.remove_prefix(prefix_size);
  require_file(header_size <= safetensors_header_limit, path,
               "the header claims {} bytes, at most {} are allowed: not a safetensors file?",
               header_size, safetensors_header_limit);
  require_file(header_size <= bytes.size(), path,
               "the header claims {} bytes, the file has {} after its length", header_size,
               bytes.size());
  const std::string_view json = bytes.substr(0, header_size);
  const std::string_view data = bytes.substr(header_size);
  require_file(json.substr(0, 1) == "{", path, "the header begins with {}, expected \"{{\"",
               in_quotes(json.substr(0, 1)));

  SafeTensorsHeader header = parse_safetensors_header(json, path);
  for (const NamedEntry& named : header.tensors) check_entry(named, data.size(), path);
  check_layout(header, data.size(), path);

  SafeTensors contents;
  contents.metadata = std::move(header.metadata);
  for (const auto& [name, entry] : header.tensors) {
    contents.tensors.emplace(name, decode_tensor(entry, data));
  }
  return contents;
}

void save_safetensors(const std::filesystem::path& path, const SafeTensors& contents, Sync sync) {
  write_atomically(path, encode_safetensors(contents), sync);
}

SafeTensors load_safetensors(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  try {
    return decode_safetensors(bytes, path);
  } catch (const std::bad_alloc&) {
    throw FileError(path,
                    fmt::format("the values of its {} bytes do not fit into memory", bytes.size()));
  }
}

}  // namespace pilqr
