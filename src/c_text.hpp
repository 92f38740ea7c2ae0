#pragma once
/// Constants and tables of C source text.

#include <string>
#include <string_view>

#include "pilqr/core/sequence.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr {

/// C text of one exported policy, whose names begin with `name` and whose numbers are double or
/// float.
class CText {
 public:
  CText(std::string name, bool single);

  [[nodiscard]] const char* real() const { return single_ ? "float" : "double"; }
  /// float: the nearest one that is not above an upper limit, or not below a lower one.
  [[nodiscard]] double rounded_down(double limit) const;
  [[nodiscard]] double rounded_up(double limit) const { return -rounded_down(-limit); }

  /// The shortest constant that is this number. Throws InvalidArgument unless it is finite, for a
  /// float too.
  [[nodiscard]] std::string number(double value) const;

  /// Appends text, with the name for @ and the name in capitals for $.
  void add(std::string_view text);

  /// Appends "static const @_real what[rows][cols] = {..};", each row in braces.
  void table(const char* what, const ConstMatrixRef& values);
  /// The same for "what[n]".
  void list(const char* what, const ConstVectorRef& values);
  /// The same for "what[T][rows][cols]" and all matrices of a sequence.
  void tables(const char* what, const SequenceView<>& values);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// The text in an include guard of its own: another policy's header of an equal name, or of one
  /// with the same capitals, is an error and not passed over.
  [[nodiscard]] std::string guarded() const;

 private:
  void row(const Eigen::Ref<const Eigen::RowVectorXd, 0, Eigen::InnerStride<>>& values);
  void rows_in_braces(const ConstMatrixRef& values);

  std::string name_, capitals_;
  bool single_;
  std::string text_;
};

}  // namespace pilqr
