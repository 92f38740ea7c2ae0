#pragma once
/// The safetensors format (Hugging Face, github.com/huggingface/safetensors): 8 bytes with the
/// length of the header, little-endian; a JSON header {name: {dtype, shape, data_offsets}} with an
/// optional "__metadata__": {string: string}; then the values, little-endian and row-major.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pilqr/io/atomic_file.hpp"

namespace pilqr {

/// An array of any number of dimensions, the last index fastest. An empty shape is a scalar.
struct Tensor {
  /// Of type F64, I64 or U64.
  using Values =
      std::variant<std::vector<double>, std::vector<std::int64_t>, std::vector<std::uint64_t>>;

  std::vector<std::int64_t> shape;  ///< lengths of the dimensions
  Values values;                    ///< as many as the product of the shape; dtype F64, I64 or U64

  /// Equal shapes, types and numbers.
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

/// The contents of a file.
struct SafeTensors {
  std::map<std::string, std::string> metadata;  ///< text by key
  std::map<std::string, Tensor> tensors;        ///< by name

  /// Equal in all parts.
  friend bool operator==(const SafeTensors&, const SafeTensors&) = default;
};

/// The name of a tensor's type in the file: "F64", "I64" or "U64".
const char* dtype_name(const Tensor& tensor);

/// The bytes of a file: the same contents always give the same bytes, with names sorted and the
/// header padded with spaces so that the values begin at a multiple of 8. Throws InvalidArgument
/// for a shape that does not match the number of values or has more than 64 dimensions, a tensor
/// called "__metadata__", text that is not UTF-8 or a header above 100 MB.
std::string encode_safetensors(const SafeTensors& contents);

/// Reads F64, I64, U64, and F32 widened to F64, of at most 64 dimensions. Every value in the header
/// is checked against the bytes there are, and memory stays within a small multiple of their
/// number. NaN and infinity are values like others here. Throws FileError, beginning with `path`,
/// naming the tensor or key.
SafeTensors decode_safetensors(std::string_view bytes, const std::filesystem::path& path);

/// encode_safetensors to a file, by write_atomically.
void save_safetensors(const std::filesystem::path& path, const SafeTensors& contents,
                      Sync sync = Sync::now);

/// decode_safetensors of a file of at most `largest_file` bytes. Throws FileError, also if it does
/// not fit into memory.
SafeTensors load_safetensors(const std::filesystem::path& path);

}  // namespace pilqr
