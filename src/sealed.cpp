#include "pilqr/io/sealed.hpp"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "pilqr/core/check.hpp"
#include "pilqr/io/file_error.hpp"

namespace pilqr {
namespace {

constexpr std::string_view zeros = "0000000000000000";
// Quotes inside of names and texts are escaped, and a tensor's name is followed by a brace: these
// bytes stand in a header only before the checksum.
constexpr std::string_view key = R"("checksum":")";

/// Of bytes that have zeros in place of the digits.
std::string digits_of(std::string_view bytes) {
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace

std::string seal(SafeTensors contents) {
  const bool added = contents.metadata.emplace("checksum", zeros).second;
  require(added, "seal: the metadata have a checksum already");
  std::string bytes = encode_safetensors(contents);
  bytes.replace(bytes.find(key) + key.size(), zeros.size(), digits_of(bytes));
  return bytes;
}

SafeTensors unseal(std::string_view bytes, const std::filesystem::path& path) {
  const std::size_t found = bytes.find(key);
  const bool has_digits =
      found != std::string_view::npos && bytes.size() - found >= key.size() + zeros.size();
  std::string digits;
  if (has_digits) {
    std::string plain(bytes);
    digits = plain.substr(found + key.size(), zeros.size());
    plain.replace(found + key.size(), zeros.size(), zeros);
    require_file(digits == digits_of(plain), path,
                 "is damaged: its checksum is not that of its {} bytes", bytes.size());
  }
  SafeTensors contents = decode_safetensors(bytes, path);
  const auto entry = contents.metadata.find("checksum");
  require_file(entry != contents.metadata.end(), path, "has no checksum");
  // What was compared has to be what the file calls its checksum: JSON allows other ways to write.
  require_file(has_digits && entry->second == digits, path,
               "is damaged: its checksum is {}, which is not as it was written",
               in_quotes(entry->second));
  contents.metadata.erase(entry);
  return contents;
}

}  // namespace pilqr
