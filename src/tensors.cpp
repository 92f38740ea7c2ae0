#include "pilqr/io/tensors.hpp"

#include <fmt/ranges.h>

#include <limits>
#include <utility>

namespace pilqr {

TensorReader::TensorReader(SafeTensors contents, std::filesystem::path path)
    : contents_(std::move(contents)), path_(std::move(path)) {}

const std::string& TensorReader::text(const std::string& key) const {
  const auto found = contents_.metadata.find(key);
  require_file(found != contents_.metadata.end(), path_, "metadata {} is missing", in_quotes(key));
  return found->second;
}

const Tensor& TensorReader::tensor(const std::string& name) const {
  const auto found = contents_.tensors.find(name);
  require_file(found != contents_.tensors.end(), path_, "tensor {} is missing", in_quotes(name));
  return found->second;
}

void TensorReader::require_shape(const std::string& name,
                                 const std::vector<std::int64_t>& shape) const {
  const std::vector<std::int64_t>& found = tensor(name).shape;
  require_file(found == shape, path_, "tensor {} has shape [{}], expected [{}]", in_quotes(name),
               fmt::join(found, ", "), fmt::join(shape, ", "));
}

std::vector<int> TensorReader::dimensions(const std::string& name, std::size_t rank) const {
  const std::vector<std::int64_t>& shape = tensor(name).shape;
  require_file(shape.size() == rank, path_, "tensor {} has shape [{}], expected {} dimensions",
               in_quotes(name), fmt::join(shape, ", "), rank);
  std::vector<int> sizes;
  for (const std::int64_t size : shape) {
    require_file(size <= std::numeric_limits<int>::max(), path_,
                 "tensor {} has shape [{}], too large", in_quotes(name), fmt::join(shape, ", "));
    sizes.push_back(static_cast<int>(size));
  }
  return sizes;
}

VectorX TensorReader::vector(const std::string& name) const {
  const int n = dimensions(name, 1).front();
  return Eigen::Map<const VectorX>(values<double>(name).data(), n);
}

MatrixX TensorReader::matrix(const std::string& name) const {
  const std::vector<int> shape = dimensions(name, 2);
  using RowMajor = Eigen::Matrix<double, Dynamic, Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const RowMajor>(values<double>(name).data(), shape[0], shape[1]);
}

}  // namespace pilqr
