#pragma once
/// The report's page, embedded when the command is built; see src/report/.

#include <string_view>

namespace pilqr::command::report_files {

extern const std::string_view
    page;  ///< with the marks STYLE, CHARTS, DATA and SCRIPT, in this order
extern const std::string_view style;
extern const std::string_view chart_js;  ///< empty if it was not found
extern const std::string_view script;

}  // namespace pilqr::command::report_files
