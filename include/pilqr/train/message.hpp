#pragma once
/// Numbers and text as bytes, for Team::exchange(): both ends are the same program.

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// Puts values behind each other.
class MessageWriter {
 public:
  /// The bytes of a number, as this machine has them.
  template <class Number>
  requires std::is_arithmetic_v<Number>
  void put(Number value) { append(&value, sizeof value); }
  /// The length of a text and its bytes.
  void put(std::string_view text) {
    put(text.size());
    append(text.data(), text.size());
  }
  /// The entries of one column, without their number.
  void put_column(const Eigen::Ref<const VectorX>& column) {
    append(column.data(), sizeof(double) * static_cast<std::size_t>(column.size()));
  }

  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }         ///< of the whole message
  [[nodiscard]] const std::string& bytes() const { return bytes_; }  ///< the message

 private:
  void append(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }
  std::string bytes_;
};

/// Gets them back in the same order. Throws InvalidArgument where a message is shorter than what is
/// asked for: the ranks then disagree on what they do.
class MessageReader {
 public:
  /// Reads from the front; the bytes must outlive it.
  explicit MessageReader(std::string_view bytes) : rest_(bytes) {}

  /// What put() wrote of a number of this type. Throws InvalidArgument for a bool not 0 or 1.
  template <class Number>
  requires std::is_arithmetic_v<Number> Number get() {
    if constexpr (std::is_same_v<Number, bool>) {
      const auto byte = get<unsigned char>();
      require(byte <= 1, "a message of another rank has {} for yes or no", byte);
      return byte == 1;
    }
    Number value{};
    copy(&value, sizeof value);
    return value;
  }
  /// What put() wrote of a text.
  std::string get_text() {
    std::string text(taken(get<std::size_t>()));
    return text;
  }
  /// What put_column() wrote of a column of this length.
  template <class Column>
  void get_column(Column&& column) {
    copy(column.data(), sizeof(double) * static_cast<std::size_t>(column.size()));
  }
  /// Throws InvalidArgument unless everything was read.
  void require_end() const {
    require(rest_.empty(), "a message of another rank has {} bytes too many", rest_.size());
  }

 private:
  std::string_view taken(std::size_t size) {
    require(size <= rest_.size(), "a message of another rank ends {} bytes early",
            size - rest_.size());
    const std::string_view head = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return head;
  }
  void copy(void* to, std::size_t size) {
    if (size > 0) std::memcpy(to, taken(size).data(), size);
  }
  std::string_view rest_;
};

}  // namespace pilqr
