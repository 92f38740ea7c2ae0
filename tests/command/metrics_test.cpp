#include "metrics.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "abandoned.hpp"
#include "io/io_support.hpp"

namespace pilqr::command {
namespace {

std::string lines(int iterations) {
  std::string text;
  for (int i = 0; i < iterations; ++i) {
    for (const int condition : {0, 3}) {
      text += to_line({.record = {.iteration = i, .condition = condition}});
    }
  }
  return text;
}

TEST(Metrics, FinishedLinesAreThoseOfTheIterations) {
  const std::string text = lines(3);
  for (int i = 0; i <= 3; ++i) {
    EXPECT_EQ(finished_lines(text, "f", i, {0, 3}), lines(i));
    EXPECT_EQ(finished_lines(text + "torn", "f", i, {0, 3}), lines(i));
  }
  EXPECT_EQ(test::file_error([&] {
              (void)finished_lines(text, "f", 4, {0, 3});
            }),
            "f: line 7 is not that of iteration 3, condition 0");
  EXPECT_EQ(test::file_error([&] {
              (void)finished_lines(text, "f", 1, {0, 1});
            }),
            "f: line 2 is not that of iteration 0, condition 1");
}

TEST(Metrics, LinesThatAreNone) {
  const std::string deep = R"({"iteration":0,"condition":0,"faults":)" +
                           std::string(1'000'000, '[') + std::string(1'000'000, ']') + '}';
  EXPECT_EQ(finished_lines(deep + '\n', "f", 1, {0}), deep + '\n') << "valid, but nothing for us";
  const std::vector<std::string> bad = {
      "",
      "{",
      "[]",
      "null",
      "0",
      "{}",
      R"({"iteration":0})",
      R"({"iteration":"0","condition":0})",
      R"({"iteration":1e999,"condition":0})",
      R"({"iteration":[0],"condition":0})",
      R"({"iteration":1,"condition":0})",
      R"({"a":{"iteration":0,"condition":0}})",
      "{\"iteration\":0,\"condition\":0,\"\xFF\":0}",
      std::string(1'000'000, '['),
      std::string(1'000'000, '{'),
  };
  for (const std::string& line : bad) {
    EXPECT_EQ(test::file_error([&] { (void)finished_lines(line + '\n', "f", 1, {0}); }),
              "f: line 1 is not that of iteration 0, condition 0")
        << line.substr(0, 80);
  }
}

// However deep or long they are: nothing is built of them.
TEST(Metrics, AbandonedLinesAreWholeObjects) {
  const std::string deep =
      R"({"a":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + '}';
  EXPECT_EQ(whole_lines(deep + "\n{\"a\":1}\n[1]\n7\n{\"a\":\n\n {} \n{\"b\":2}"),
            deep + "\n{\"a\":1}\n {} \n");
  EXPECT_EQ(whole_lines(""), "");
}

TEST(LineWriter, ALineThatDoesNotFitLeavesNothing) {
  const test::TemporaryDirectory folder;
  const auto path = folder / "lines";
  LineWriter writer(path);
  writer.append("first\n");
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit little{20, old.rlim_max};
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  const std::string message = test::file_error([&] { writer.append("a line of 25 characters\n"); });
  EXPECT_EQ(test::read_plainly(path), "first\n");
  EXPECT_NO_THROW(writer.append("second\n")) << "what fits goes on";
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(message, path.string() + ": cannot write: File too large");
  writer.append("third\n");
  EXPECT_EQ(test::read_plainly(path), "first\nsecond\nthird\n");
}

TEST(LineWriter, AFullDiskHasAName) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full";
  LineWriter writer("/dev/full");
  EXPECT_EQ(test::file_error([&] { writer.append("line\n"); }),
            "/dev/full: cannot write: No space left on device");
}

}  // namespace
}  // namespace pilqr::command
