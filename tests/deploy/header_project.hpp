#pragma once
/// Compiles exported headers with every compiler there is, runs them, and compares.

#include <gtest/gtest.h>

#include <cstdlib>
#include <initializer_list>
#include <sstream>
#include <string>
#include <vector>

#include "io/io_support.hpp"
#include "pilqr/core/check.hpp"
#include "pilqr/core/types.hpp"

namespace pilqr::test {

inline constexpr const char* warnings = "-Wall -Wextra -Wconversion -pedantic -Wshadow -Werror";

/// A compiler with a standard, for C or C++ by the standard's name.
struct Compiler {
  std::string path, standard;
  [[nodiscard]] bool c() const { return standard.find("++") == std::string::npos; }
};

/// Those that CMake found: PILQR_TEST_C_COMPILERS and .._CXX_COMPILERS hold paths between colons.
inline std::vector<Compiler> compilers() {
  std::vector<Compiler> all;
  const auto add = [&](const char* paths, std::initializer_list<const char*> standards) {
    std::istringstream in(paths);
    for (std::string path; std::getline(in, path, ':');) {
      for (const char* standard : standards) all.push_back({path, standard});
    }
  };
  add(PILQR_TEST_C_COMPILERS, {"c99"});
  add(PILQR_TEST_CXX_COMPILERS, {"c++20"});
  if (!all.empty()) all.push_back({all.back().path, "c++11"});
  return all;
}

/// Files that are compiled and run in a folder of their own.
class Project {
 public:
  void write(const char* name, const std::string& text) { write_plainly(folder_ / name, text); }

  /// Compiles main.c, as C++ if the compiler is one. True if there was no warning either.
  bool compile(const Compiler& compiler, const char* options = "") {
    return run(fmt::format("'{}' -std={} {} {} {} main.c -o main -lm", compiler.path,
                           compiler.standard, warnings, options, compiler.c() ? "" : "-x c++"));
  }
  /// Runs what was compiled; its status is 0.
  bool run_it(const std::string& input = "") {
    write("input", input);
    return run("./main <input >output");
  }
  std::vector<double> numbers() {
    std::istringstream in(read_plainly(folder_ / "output"));
    std::vector<double> values;
    for (std::string word; in >> word;) values.push_back(std::strtod(word.c_str(), nullptr));
    return values;
  }
  std::string log() { return read_plainly(folder_ / "log"); }

 private:
  bool run(const std::string& command) {
    const std::string line = fmt::format("cd '{}' && {} 2>log", folder_.path().string(), command);
    return std::system(line.c_str()) == 0;  // NOLINT: what a user does
  }

  TemporaryDirectory folder_;
};

/// Reads "t x_0 x_1 .." and prints the status and the controls; `step` is "t, " or "".
inline std::string reading_program(const char* step) {
  return fmt::format(R"(#include <stdio.h>
#include "arm.h"
int main(void) {{
  int t, i;
  if (arm_self_test() != 0) return 1;
  while (scanf("%d", &t) == 1) {{
    arm_real x[ARM_NX];
    arm_real u[ARM_NU];
    for (i = 0; i < ARM_NX; ++i) {{
      double value;
      if (scanf("%lf", &value) != 1) return 2;
      x[i] = (arm_real)value;
    }}
    for (i = 0; i < ARM_NU; ++i) u[i] = -77;
    printf("%d", arm_act({}x, u));
    for (i = 0; i < ARM_NU; ++i) printf(" %.17g", (double)u[i]);
    printf("\n");
  }}
  return 0;
}}
)",
                     step);
}

inline std::string line_of(int t, const VectorX& x) {
  std::string line = fmt::format("{}", t);
  for (const double value : x) line += fmt::format(" {}", value);
  return line + '\n';
}

struct Expected {
  int status;
  VectorX u;
  VectorX tolerance;
};

/// Compiles the header with everything there is and compares what it computes.
inline void expect_header(const std::string& header, const char* step, const std::string& input,
                          const std::vector<Expected>& expected) {
  Project project;
  project.write("arm.h", header);
  project.write("main.c", reading_program(step));
  ASSERT_FALSE(compilers().empty());
  for (const Compiler& compiler : compilers()) {
    SCOPED_TRACE(compiler.path + " -std=" + compiler.standard);
    ASSERT_TRUE(project.compile(compiler)) << project.log();
    ASSERT_TRUE(project.run_it(input)) << "the self-test";
    const std::vector<double> numbers = project.numbers();
    std::size_t next = 0;
    for (const Expected& e : expected) {
      ASSERT_LE(next + 1 + static_cast<std::size_t>(e.u.size()), numbers.size());
      EXPECT_EQ(numbers[next++], e.status);
      for (int i = 0; i < rows(e.u); ++i) {
        EXPECT_NEAR(numbers[next++], e.u(i), e.tolerance(i)) << "control " << i;
      }
    }
    EXPECT_EQ(next, numbers.size());
  }
}

}  // namespace pilqr::test
