// Names in exported headers, several headers in one program, and the documentation's C code.

#include <gtest/gtest.h>

#include "deploy/header_project.hpp"
#include "pilqr/deploy/header_export.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Compiler;
using test::compilers;
using test::contains;
using test::Project;

std::string header_of(const std::string& name, std::uint64_t seed = 1) {
  test::Random random(seed);
  return to_c_header(random.policy<Dynamic, Dynamic>(2, 2, 1), {.name = name});
}

// "arm_" would give arm__act, a name that C++ keeps for itself.
TEST(HeaderNames, EndWithNoUnderscore) {
  EXPECT_THROW((void)header_of("arm_"), InvalidArgument);
  EXPECT_THROW((void)header_of("a_"), InvalidArgument);
  EXPECT_EQ(header_of("a_b").find("__"), std::string::npos);
}

// Macros are in capitals, so that other names than equal ones collide: never without a word.
TEST(HeaderNames, TwoHeadersWithTheSameMacrosAreAnError) {
  Project project;
  project.write("a.h", header_of("arm"));
  project.write("main.c",
                "#include \"a.h\"\n#include \"b.h\"\n#include \"a.h\"\n"
                "int main(void) { return arm_self_test(); }\n");
  const auto compiles = [&](const std::string& second) {
    project.write("b.h", second);
    for (const Compiler& compiler : {compilers().front(), compilers().back()}) {
      if (!project.compile(compiler)) return false;
    }
    return project.run_it();
  };
  EXPECT_TRUE(compiles(header_of("arm2", 2))) << project.log();
  EXPECT_TRUE(compiles(header_of("arm"))) << "the same header: " << project.log();
  for (const char* name : {"Arm", "ARM", "aRM"}) {
    EXPECT_FALSE(compiles(header_of(name))) << name;
    EXPECT_TRUE(contains(project.log(), "two headers with names that begin with ARM_"));
  }
  EXPECT_FALSE(compiles(header_of("arm", 2))) << "another policy of the same name";
  EXPECT_TRUE(contains(project.log(), "two headers with names that begin with ARM_"));
}

/// The C code of docs/deploy.md.
std::string documented_code() {
  const std::string text = test::read_plainly(std::filesystem::path(PILQR_GOLDEN_DIR) / ".." /
                                              ".." / "docs" / "deploy.md");
  const std::string mark = "\n```c\n";
  const std::size_t begin = text.find(mark);
  EXPECT_NE(begin, std::string::npos);
  EXPECT_EQ(text.find(mark, begin + 1), std::string::npos) << "another block, which has no test";
  return text.substr(begin + mark.size(), text.find("\n```", begin + 1) - begin - mark.size());
}

TEST(HeaderNames, TheDocumentationsCodeCompilesAndRuns) {
  std::string code = documented_code();
  const std::string include = code.substr(0, code.find('\n') + 1);
  code.erase(0, include.size());
  Project project;
  project.write("arm.h", header_of("arm"));
  project.write("main.c", include + R"(static int stopped, held;
static void stop(void) { ++stopped; }
static void hold(void) { ++held; }
int main(void) {
  int t;
  arm_real x[ARM_NX] = {0};
  arm_real u[ARM_NU] = {7};
  for (t = 0; t < 3; ++t) {
    if (t == ARM_STEPS) u[0] = 7;
)" + code + R"(
  }
  return stopped == 0 && held == 1 && u[0] == 7 ? 0 : 1;
}
)");
  for (const Compiler& compiler : compilers()) {
    EXPECT_TRUE(project.compile(compiler) && project.run_it())
        << compiler.path << ' ' << compiler.standard << ": " << project.log();
  }
}

// Tests with compilers that are not there would say nothing.
TEST(HeaderNames, AreTestedWithGccAndClang) {
  std::string all;
  for (const Compiler& compiler : compilers()) all += compiler.path + ' ';
  for (const char* name : {"/gcc ", "/g++ ", "/clang++"}) {
    if (!contains(all, name)) GTEST_SKIP() << name << " is not installed, only: " << all;
  }
}

}  // namespace
}  // namespace pilqr
