#pragma once
/// Between the library's values and the tensors of a file. Matrices are column-major in memory and
/// row-major in a file.

#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/io/safetensors.hpp"

namespace pilqr {

/// An n x m matrix as [n, m]; a vector (one column at compile time) as [n].
template <class Derived>
Tensor to_tensor(const Eigen::MatrixBase<Derived>& matrix) {
  Tensor tensor;
  tensor.shape.push_back(matrix.rows());
  if constexpr (Derived::ColsAtCompileTime != 1) tensor.shape.push_back(matrix.cols());
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(matrix.size()));
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    for (Eigen::Index j = 0; j < matrix.cols(); ++j) values.push_back(matrix(i, j));
  }
  tensor.values = std::move(values);
  return tensor;
}

/// T matrices as [T, rows, cols]; T vectors (one column at compile time) as [T, rows].
template <int Rows, int Cols>
Tensor to_tensor(const Sequence<Rows, Cols>& sequence) {
  Tensor tensor;
  tensor.shape = {sequence.steps(), sequence.rows()};
  if constexpr (Cols != 1) tensor.shape.push_back(sequence.cols());
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(sequence.flat().size()));
  for (int t = 0; t < sequence.steps(); ++t) {
    for (int i = 0; i < sequence.rows(); ++i) {
      for (int j = 0; j < sequence.cols(); ++j) values.push_back(sequence[t](i, j));
    }
  }
  tensor.values = std::move(values);
  return tensor;
}

/// Reads a file's contents by name. Everything throws FileError, naming the file and the tensor or
/// metadata key, for what is missing or is not what was asked for.
class TensorReader {
 public:
  /// @param path begins the messages.
  TensorReader(SafeTensors contents, std::filesystem::path path);

  /// Everything in the file, and the path that begins the messages.
  ///@{
  [[nodiscard]] const SafeTensors& contents() const { return contents_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  ///@}

  /// The metadata value of a key.
  [[nodiscard]] const std::string& text(const std::string& key) const;

  /// A metadata value that is a number, and nothing but a number, which Number can hold. A
  /// floating-point number is finite.
  template <class Number>
  [[nodiscard]] Number number(const std::string& key) const {
    const std::string& digits = text(key);
    Number value{};
    require_file(parse_number(digits, value), path_, "metadata {} is {}, expected a number",
                 in_quotes(key), in_quotes(digits));
    return value;
  }

  /// A tensor of any type and shape.
  [[nodiscard]] const Tensor& tensor(const std::string& name) const;
  /// Throws FileError unless the tensor has this shape.
  void require_shape(const std::string& name, const std::vector<std::int64_t>& shape) const;

  /// The values of a tensor of type double, std::int64_t or std::uint64_t, row-major.
  template <class Value>
  [[nodiscard]] const std::vector<Value>& values(const std::string& name) const {
    const Tensor& found = tensor(name);
    const auto* values = std::get_if<std::vector<Value>>(&found.values);
    require_file(values != nullptr, path_, "tensor {} holds {}, expected {}", in_quotes(name),
                 dtype_name(found), dtype_name(Tensor{{}, std::vector<Value>{}}));
    return *values;
  }

  /// A tensor of double with one dimension [n], or two [rows, columns].
  ///@{
  [[nodiscard]] VectorX vector(const std::string& name) const;
  [[nodiscard]] MatrixX matrix(const std::string& name) const;
  ///@}

  /// The inverse of to_tensor(Sequence).
  template <int Rows, int Cols = 1>
  [[nodiscard]] Sequence<Rows, Cols> sequence(const std::string& name) const {
    const std::vector<int> shape = dimensions(name, Cols == 1 ? 2 : 3);
    const int n = shape[1];
    const int m = Cols == 1 ? 1 : shape[2];
    require_file(fits(Rows, n) && fits(Cols, m), path_,
                 "tensor {} has elements {}x{}, expected {}x{}", in_quotes(name), n, m, Rows, Cols);
    const std::vector<double>& entries = values<double>(name);
    Sequence<Rows, Cols> sequence(shape[0], n, m);
    if (entries.empty()) return sequence;  // whatever its dimensions claim beside a zero
    std::size_t next = 0;
    for (int t = 0; t < shape[0]; ++t) {
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < m; ++j) sequence[t](i, j) = entries[next++];
      }
    }
    return sequence;
  }

  /// The whole of `text` as a number; false if it is not one or does not fit.
  template <class Number>
  [[nodiscard]] static bool parse_number(std::string_view text, Number& value) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end) return false;
    if constexpr (std::is_floating_point_v<Number>) return std::isfinite(value);
    return true;
  }

 private:
  /// The shape of a tensor with `rank` dimensions, each of which fits an int.
  [[nodiscard]] std::vector<int> dimensions(const std::string& name, std::size_t rank) const;

  SafeTensors contents_;
  std::filesystem::path path_;
};

}  // namespace pilqr
