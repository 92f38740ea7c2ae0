#pragma once
/// What every fuzz target asks for.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "pilqr/core/check.hpp"
#include "pilqr/io/file_error.hpp"

namespace pilqr::fuzz {

/// Ends the program with a finding unless the condition holds.
inline void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "pilqr fuzz: expected: %s\n", what);
  std::abort();
}

/// The bytes that libFuzzer gives.
inline std::string_view as_text(const unsigned char* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Runs the action; true unless it throws FileError, whose message has to begin with the file "f".
/// Whatever else it throws is a finding.
template <class Action>
bool accepts(const Action& action) {
  try {
    action();
    return true;
  } catch (const FileError& error) {
    expect(std::string_view(error.what()).substr(0, 3) == "f: ", "an error that names the file");
    expect(std::string_view(error.what()).size() < 4000, "an error that fits on a page");
    return false;
  }
}

}  // namespace pilqr::fuzz
