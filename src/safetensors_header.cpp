#include "safetensors_header.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "pilqr/io/file_error.hpp"

namespace pilqr {
namespace {

using Json = nlohmann::json;
using Numbers = std::vector<std::uint64_t>;

/// Follows the parser through {name: {"dtype": "", "shape": [], "data_offsets": []}} and refuses
/// everything else as it comes.
class HeaderHandler : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderHandler(const std::filesystem::path& path) : path_(path) {}

  SafeTensorsHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool value) override { unexpected(value ? "true" : "false"); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_integer(number_integer_t value) override {
    if (value < 0) not_a_size(fmt::format("{}", value));
    return number_unsigned(static_cast<std::uint64_t>(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::array) unexpected("a number");
    require_file(numbers_->size() < safetensors_rank_limit, path_,
                 "{}: {} has more than {} numbers", place(), key_, safetensors_rank_limit);
    numbers_->push_back(value);
    return true;
  }
  bool number_float(number_float_t, const string_t& text) override { not_a_size(text); }

  bool string(string_t& text) override {
    if (level_ == Level::metadata) {
      header_.metadata[key_] = std::move(text);
    } else if (level_ == Level::tensor && key_ == "dtype") {
      dtype_ = std::move(text);
    } else {
      unexpected(in_quotes(text));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (level_ == Level::outside) {
      level_ = Level::root;
    } else if (level_ == Level::root) {
      level_ = name_ == metadata_name ? Level::metadata : Level::tensor;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& text) override {
    if (level_ == Level::root) {
      const bool seen = text == metadata_name ? has_metadata_ : header_.tensors.count(text) != 0;
      require_file(!seen, path_, "the header has {} twice", in_quotes(text));
      if (text == metadata_name) has_metadata_ = true;
      name_ = std::move(text);
      key_.clear();
      return true;
    }
    key_ = std::move(text);
    const bool seen = level_ == Level::metadata
                          ? header_.metadata.count(key_) != 0
                          : (key_ == "dtype" && dtype_.has_value()) ||
                                (key_ == "shape" && shape_.has_value()) ||
                                (key_ == "data_offsets" && offsets_.has_value());
    require_file(!seen, path_, "{} has {} twice", place(), in_quotes(key_));
    return true;
  }

  bool end_object() override {
    if (level_ == Level::tensor) add_tensor();
    level_ = level_ == Level::root ? Level::outside : Level::root;
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ != Level::tensor || (key_ != "shape" && key_ != "data_offsets")) {
      unexpected("an array");
    }
    numbers_ = &(key_ == "shape" ? shape_ : offsets_).emplace();
    level_ = Level::array;
    return true;
  }
  bool end_array() override {
    level_ = Level::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    throw FileError(path_, fmt::format("the header is not valid JSON at its byte {}", position));
  }

 private:
  enum class Level { outside, root, metadata, tensor, array };
  static constexpr std::string_view metadata_name = "__metadata__";

  /// Where the parser is, for messages.
  [[nodiscard]] std::string place() const {
    if (level_ == Level::metadata) return "metadata";
    return "tensor " + in_quotes(name_);
  }
  [[noreturn]] void unexpected(std::string_view what) const {
    if (level_ == Level::outside) {
      throw FileError(path_, fmt::format("the header is {}, expected an object", what));
    }
    const std::string of =
        level_ == Level::root ? in_quotes(name_) : in_quotes(key_) + " of " + place();
    throw FileError(path_, fmt::format("the header has {} for {}", what, of));
  }
  [[noreturn]] void not_a_size(const std::string& number) const {
    if (level_ != Level::array) unexpected("the number " + number);
    throw FileError(path_, fmt::format("{}: {} has {}, expected a non-negative 64-bit integer",
                                       place(), key_, number.substr(0, 80)));
  }

  void add_tensor() {
    require_file(dtype_.has_value(), path_, "{} has no \"dtype\"", place());
    require_file(shape_.has_value(), path_, "{} has no \"shape\"", place());
    require_file(offsets_.has_value(), path_, "{} has no \"data_offsets\"", place());
    require_file(offsets_->size() == 2, path_, "{} has {} data_offsets, expected 2", place(),
                 offsets_->size());
    header_.tensors.emplace(name_, TensorEntry{std::move(*dtype_), std::move(*shape_),
                                               offsets_->front(), offsets_->back()});
    dtype_.reset();
    shape_.reset();
    offsets_.reset();
  }

  const std::filesystem::path& path_;
  SafeTensorsHeader header_;
  Level level_ = Level::outside;
  bool has_metadata_ = false;
  std::string name_;  ///< key of the root object
  std::string key_;   ///< key of the object inside
  Numbers* numbers_ = nullptr;
  std::optional<std::string> dtype_;
  std::optional<Numbers> shape_;
  std::optional<Numbers> offsets_;
};

}  // namespace

SafeTensorsHeader parse_safetensors_header(std::string_view json,
                                           const std::filesystem::path& path) {
  HeaderHandler handler(path);
  Json::sax_parse(json.begin(), json.end(), &handler);
  return handler.take();
}

}  // namespace pilqr
