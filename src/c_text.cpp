#include "c_text.hpp"

#include <cctype>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "pilqr/core/check.hpp"

namespace pilqr {

CText::CText(std::string name, bool single)
    : name_(std::move(name)), capitals_(name_), single_(single) {
  for (char& c : capitals_) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
}

double CText::rounded_down(double limit) const {
  if (!single_ || !std::isfinite(limit)) return limit;
  const auto nearest = static_cast<float>(limit);
  if (nearest <= limit) return nearest;
  return std::nextafter(nearest, -std::numeric_limits<float>::infinity());
}

std::string CText::number(double value) const {
  const auto narrow = static_cast<float>(value);
  require(std::isfinite(value), "export: a number is {}", value);
  require(!single_ || std::isfinite(narrow), "export: {} is too large for a float", value);
  std::string text = single_ ? fmt::format("{}", narrow) : fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  if (single_) text += 'f';
  return text;
}

void CText::add(std::string_view text) {
  for (const char c : text) {
    if (c == '@') {
      text_ += name_;
    } else if (c == '$') {
      text_ += capitals_;
    } else {
      text_ += c;
    }
  }
}

std::string CText::guarded() const {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text_) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  const std::size_t comment = text_.find("*/\n") + 3;
  return text_.substr(0, comment) +
         fmt::format(
             "#ifndef PILQR_EXPORT_{0}_{1:016x}\n#define PILQR_EXPORT_{0}_{1:016x}\n"
             "#ifdef {2}_NX\n#error \"two headers with names that begin with {2}_: export one with "
             "another --name\"\n#endif\n",
             name_, hash, capitals_) +
         text_.substr(comment) + "\n#endif\n";
}

/// In braces, on as many lines as it takes.
void CText::row(const Eigen::Ref<const Eigen::RowVectorXd, 0, Eigen::InnerStride<>>& values) {
  constexpr std::size_t width = 100;
  std::string line = "    {";
  for (Eigen::Index j = 0; j < values.size(); ++j) {
    const std::string constant = number(values(j)) + (j + 1 < values.size() ? "," : "}");
    if (line.size() + constant.size() + 2 > width) {
      text_ += line + '\n';
      line = "    ";
    }
    if (line.back() == ',') line += ' ';
    line += constant;
  }
  text_ += line;
}

void CText::rows_in_braces(const ConstMatrixRef& values) {
  text_ += "{\n";
  for (int i = 0; i < rows(values); ++i) {
    row(values.row(i));
    text_ += i + 1 < rows(values) ? ",\n" : "}";
  }
}

void CText::table(const char* what, const ConstMatrixRef& values) {
  add(fmt::format("  static const @_real {}[{}][{}] = ", what, rows(values), cols(values)));
  rows_in_braces(values);
  text_ += ";\n";
}

void CText::list(const char* what, const ConstVectorRef& values) {
  add(fmt::format("  static const @_real {}[{}] =\n", what, rows(values)));
  row(values.transpose());
  text_ += ";\n";
}

void CText::tables(const char* what, const SequenceView<>& values) {
  add(fmt::format("  static const @_real {}[{}][{}][{}] = {{", what, values.steps(), values.rows(),
                  values.cols()));
  for (int t = 0; t < values.steps(); ++t) {
    rows_in_braces(values[t]);
    text_ += t + 1 < values.steps() ? "," : "";
  }
  text_ += "};\n";
}

}  // namespace pilqr
