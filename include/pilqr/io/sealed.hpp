#pragma once
/// Safetensors files that notice when they are damaged.

#include <filesystem>
#include <string>
#include <string_view>

#include "pilqr/io/safetensors.hpp"

namespace pilqr {

/// encode_safetensors of the contents with one more entry in the metadata: "checksum", the 16
/// hexadecimal digits of XXH3 (64 bits, github.com/Cyan4973/xxHash) of the whole file with zeros in
/// place of them. Any reader of safetensors reads the file. Throws InvalidArgument as
/// encode_safetensors does, and if there is a "checksum" already.
std::string seal(SafeTensors contents);

/// The inverse; contents without the checksum. Throws FileError, beginning with `path`, if it is
/// missing or wrong, or as decode_safetensors does.
SafeTensors unseal(std::string_view bytes, const std::filesystem::path& path);

}  // namespace pilqr
