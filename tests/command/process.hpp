#pragma once
/// The built pilqr program as a child process in a folder of its own.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "io/io_support.hpp"
#include "pilqr/io/safetensors.hpp"

namespace pilqr::test {

/// What a program left: its exit status (128 + n if signal n ended it) and its output.
struct Outcome {
  int status = -1;
  std::string out{};
  std::string err{};
};

class Command {
 public:
  /// Everything runs in this folder.
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return folder_.path() / "work" / name;
  }
  Command() { std::filesystem::create_directory(path("")); }

  /// Starts `pilqr arguments...`; one at a time.
  /// @param file_limit largest file that it may write, bytes; 0: any.
  /// @param launcher words in front of it, such as those of mpirun.
  pid_t start(const std::vector<std::string>& arguments, rlim_t file_limit = 0,
              const std::vector<std::string>& launcher = {}) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    const auto redirect = [](const std::filesystem::path& file, int to) {
      const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
      if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(99);
    };
    redirect(folder_.path() / "out", STDOUT_FILENO);
    redirect(folder_.path() / "err", STDERR_FILENO);
    if (::chdir(path("").c_str()) != 0) ::_exit(99);
    if (file_limit != 0) {
      const rlimit limit{file_limit, file_limit};
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(99);
    }
    std::vector<std::string> words = launcher;
    words.emplace_back(PILQR_COMMAND);
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    ::_exit(99);
  }

  [[nodiscard]] Outcome wait(pid_t child) const {
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return {};
    return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            .out = read_plainly(folder_.path() / "out"),
            .err = read_plainly(folder_.path() / "err")};
  }

  Outcome run(const std::vector<std::string>& arguments, rlim_t file_limit = 0) {
    return wait(start(arguments, file_limit));
  }

  [[nodiscard]] std::string read(const std::string& name) const { return read_plainly(path(name)); }
  void write(const std::string& name, const std::string& bytes) const {
    write_plainly(path(name), bytes);
  }

  /// Every file under the folder with its bytes, and every folder.
  [[nodiscard]] std::map<std::string, std::string> contents(const std::string& name = "") const {
    std::map<std::string, std::string> all;
    if (!std::filesystem::exists(path(name))) return all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path(name))) {
      const std::string relative = entry.path().lexically_relative(path(name)).string();
      all[relative] = entry.is_regular_file() ? read_plainly(entry.path()) : "folder";
    }
    return all;
  }

  /// Waits until metrics.jsonl of a run has so many lines.
  void wait_for_lines(const std::string& run, long lines) const {
    for (int i = 0; i < 3000; ++i) {
      const std::string text = read(run + "/metrics.jsonl");
      if (std::count(text.begin(), text.end(), '\n') >= lines) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << run << " did not reach " << lines << " lines";
  }

  [[nodiscard]] std::vector<nlohmann::ordered_json> metrics(const std::string& run) const {
    std::vector<nlohmann::ordered_json> lines;
    std::istringstream text(read(run + "/metrics.jsonl"));
    for (std::string line; std::getline(text, line);) {
      lines.push_back(nlohmann::ordered_json::parse(line));
    }
    return lines;
  }

  /// The metrics without what depends on the clock.
  [[nodiscard]] std::vector<nlohmann::ordered_json> timeless_metrics(const std::string& run) const {
    auto lines = metrics(run);
    for (auto& line : lines) {
      EXPECT_EQ(line.erase("seconds_rollout"), 1U);
      EXPECT_EQ(line.erase("seconds_update"), 1U);
      for (const char* of_networks : {"seconds_fit", "seconds_c_step", "seconds_s_step"}) {
        line.erase(of_networks);
      }
    }
    return lines;
  }

 private:
  TemporaryDirectory folder_;
};

/// Two run folders with the same bytes, but for the times in the metrics.
/// @param details whether details.jsonl is compared: a full disk cuts it short, nothing else.
inline void expect_same_run(const Command& command, const std::string& a, const std::string& b,
                            bool details = true) {
  std::vector<std::string> files = {"config.toml", "policy.safetensors", "best.safetensors",
                                    "checkpoint/state.safetensors"};
  if (details) files.emplace_back("details.jsonl");
  for (const std::string& file : files) {
    EXPECT_TRUE(command.read(a + '/' + file) == command.read(b + '/' + file)) << file;
  }
  EXPECT_EQ(command.timeless_metrics(a), command.timeless_metrics(b));
}

/// Iterations that a run has saved.
inline int saved_iterations(const Command& command, const std::string& run) {
  return std::stoi(
      load_safetensors(command.path(run + "/policy.safetensors")).metadata.at("iteration"));
}

/// The contract for bad input: status 2, nothing on stdout, one line on stderr with these parts.
inline void expect_refused(const Outcome& outcome, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(begins(outcome.err, "pilqr: "));
  EXPECT_EQ(outcome.err.find('\n') + 1, outcome.err.size()) << "not one line: " << outcome.err;
  for (const std::string& part : parts) EXPECT_TRUE(contains(outcome.err, part));
}

inline std::vector<std::string> keys_of(const nlohmann::ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

/// A short training: `pilqr train TASK more... --samples 4 --iterations 4 --quiet --out out`.
inline std::vector<std::string> short_training(const std::string& out,
                                               std::vector<std::string> more = {},
                                               const std::string& task = "point_mass") {
  std::vector<std::string> words = {"train", task, "--quiet", "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  const auto unless_given = [&](const char* flag, const char* value) {
    if (std::count(words.begin(), words.end(), flag) == 0) {
      words.insert(words.end(), {flag, value});
    }
  };
  unless_given("--samples", "4");
  unless_given("--iterations", "4");
  return words;
}

}  // namespace pilqr::test
