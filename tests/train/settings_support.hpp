#pragma once
/// Settings as a command line or a file gives them.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/io_support.hpp"
#include "settings_file.hpp"

namespace pilqr::test {

/// The settings for reacher with these --set arguments.
inline command::RunSettings with(const std::vector<std::string>& sets,
                                 const std::string& task = "reacher") {
  command::SettingsRequest request{.task = task};
  for (const std::string& text : sets) request.assignments.push_back(command::parse_set(text));
  return command::resolve(request);
}

/// The settings that a file with this text gives.
inline command::RunSettings from_file(const std::string& text,
                                      const std::string& task = "reacher") {
  const TemporaryDirectory directory;
  write_plainly(directory / "s.toml", text);
  return command::resolve({.task = task, .file = directory / "s.toml"});
}

/// What the message of InvalidArgument says, without the folder of a file.
template <class Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    const std::size_t file = message.find("s.toml");
    return file == std::string::npos ? message : message.substr(file);
  }
  ADD_FAILURE() << "no InvalidArgument";
  return {};
}

}  // namespace pilqr::test
