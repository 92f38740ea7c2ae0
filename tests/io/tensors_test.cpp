#include "pilqr/io/tensors.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "io/io_support.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

TEST(Tensors, MatricesAreRowMajor) {
  MatrixX A(2, 3);
  A << 1, 2, 3, 4, 5, 6;
  EXPECT_EQ(to_tensor(A), (Tensor{{2, 3}, std::vector<double>{1, 2, 3, 4, 5, 6}}));
  EXPECT_EQ(to_tensor(A.transpose()), (Tensor{{3, 2}, std::vector<double>{1, 4, 2, 5, 3, 6}}));
  EXPECT_EQ(to_tensor(A.col(1)), (Tensor{{2}, std::vector<double>{2, 5}}));
  EXPECT_EQ(to_tensor(A.row(1)), (Tensor{{1, 3}, std::vector<double>{4, 5, 6}}));
}

TEST(Tensors, SequencesAreStepByStepAndRowMajor) {
  Sequence<2, Dynamic> s(2, 2, 3);
  s[0] << 1, 2, 3, 4, 5, 6;
  s[1] << 7, 8, 9, 10, 11, 12;
  EXPECT_EQ(to_tensor(s), (Tensor{{2, 2, 3},
                                  {std::vector<double>{1, 2, 3, 4, 5, 6,  //
                                                       7, 8, 9, 10, 11, 12}}}));
  Sequence<2> v(2, 2);
  v[0] << 1, 2;
  v[1] << 3, 4;
  EXPECT_EQ(to_tensor(v), (Tensor{{2, 2}, std::vector<double>{1, 2, 3, 4}}));
}

template <int Rows, int Cols>
void round_trip(int T, int n, int m) {
  Sequence<Rows, Cols> s(T, n, m);
  test::Random random(3);
  s.flat() = random.vector(T * n * m);
  SafeTensors contents;
  contents.tensors["s"] = to_tensor(s);
  const TensorReader reader(contents, "f");
  EXPECT_EQ((reader.sequence<Rows, Cols>("s")), s);
}

TEST(Tensors, SequencesComeBack) {
  round_trip<Dynamic, Dynamic>(5, 3, 2);
  round_trip<Dynamic, Dynamic>(5, 3, 1);
  round_trip<Dynamic, Dynamic>(0, 3, 2);
  round_trip<Dynamic, Dynamic>(2, 0, 2);
  round_trip<3, 2>(4, 3, 2);
  round_trip<3, 1>(4, 3, 1);
  round_trip<1, 3>(1, 1, 3);
  round_trip<Dynamic, 1>(7, 4, 1);
}

TEST(Tensors, MatricesAndVectorsComeBack) {
  test::Random random(4);
  for (const int n : {0, 1, 4}) {
    for (const int m : {0, 1, 3}) {
      const MatrixX A = random.matrix(n, m);
      const VectorX v = random.vector(n);
      SafeTensors contents;
      contents.tensors["A"] = to_tensor(A);
      contents.tensors["v"] = to_tensor(v);
      const TensorReader reader(contents, "f");
      EXPECT_EQ(reader.matrix("A").rows(), n);
      EXPECT_EQ(reader.matrix("A").cols(), m);
      EXPECT_EQ(reader.matrix("A"), A);
      EXPECT_EQ(reader.vector("v"), v);
    }
  }
}

// A file of some bytes can claim them: a loop over the dimensions would take years.
TEST(Tensors, DimensionsBesideAZeroCostNothing) {
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  SafeTensors contents;
  contents.tensors["s"] = {{most, most, 0}, std::vector<double>{}};
  contents.tensors["A"] = {{most, 0}, std::vector<double>{}};
  const TensorReader reader(contents, "f");
  const Sequence<Dynamic, Dynamic> s = reader.sequence<Dynamic, Dynamic>("s");
  EXPECT_EQ(s.steps(), most);
  EXPECT_EQ(s.flat().size(), 0);
  EXPECT_EQ(reader.matrix("A").rows(), most);
}

TEST(Tensors, ErrorsNameFileAndTensor) {
  SafeTensors contents;
  contents.tensors["A"] = {{2, 3}, std::vector<double>(6)};
  contents.tensors["i"] = {{2}, std::vector<std::int64_t>{1, 2}};
  contents.tensors["wide"] = {{0, std::int64_t{1} << 31}, std::vector<double>{}};
  const TensorReader reader(contents, "f");
  EXPECT_EQ(test::file_error([&] { (void)reader.matrix("B"); }), "f: tensor \"B\" is missing");
  EXPECT_EQ(test::file_error([&] { (void)reader.vector("A"); }),
            "f: tensor \"A\" has shape [2, 3], expected 1 dimensions");
  EXPECT_EQ(test::file_error([&] { (void)reader.vector("i"); }),
            "f: tensor \"i\" holds I64, expected F64");
  EXPECT_EQ(test::file_error([&] { (void)reader.values<std::uint64_t>("i"); }),
            "f: tensor \"i\" holds I64, expected U64");
  EXPECT_EQ(reader.values<std::int64_t>("i"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(test::file_error([&] { (void)reader.matrix("wide"); }),
            "f: tensor \"wide\" has shape [0, 2147483648], too large");
  EXPECT_EQ(test::file_error([&] { (void)reader.sequence<4>("A"); }),
            "f: tensor \"A\" has elements 3x1, expected 4x1");
  EXPECT_EQ(test::file_error([&] {
              reader.require_shape("A", {3, 2});
            }),
            "f: tensor \"A\" has shape [2, 3], expected [3, 2]");
}

TEST(Tensors, NumbersAreWholeAndFinite) {
  SafeTensors contents;
  const auto parses = [&](const std::string& text, auto number) {
    using Number = decltype(number);
    contents.metadata["key"] = text;
    const TensorReader reader(contents, "f");
    try {
      return reader.number<Number>("key") == number;
    } catch (const FileError& error) {
      EXPECT_TRUE(test::begins(error.what(), "f: metadata \"key\" is \"" + text + "\""));
      return false;
    }
  };
  EXPECT_TRUE(parses("42", 42));
  EXPECT_TRUE(parses("-42", -42));
  EXPECT_TRUE(parses("0.1", 0.1));
  EXPECT_TRUE(parses("1e-300", 1e-300));
  EXPECT_TRUE(parses("18446744073709551615", UINT64_MAX));
  for (const char* text : {"", " 1", "1 ", "1x", "0x10", "+1", "1.0", "1e2", "2147483648", "nan"}) {
    EXPECT_FALSE(parses(text, 1)) << text;
  }
  EXPECT_FALSE(parses("-1", std::uint64_t{1}));
  EXPECT_FALSE(parses("18446744073709551616", std::uint64_t{0}));
  for (const char* text : {"inf", "-inf", "nan", "1e999", "0,5", "1.0f", ""}) {
    EXPECT_FALSE(parses(text, std::numeric_limits<double>::infinity())) << text;
  }
  const TensorReader reader({}, "f");
  EXPECT_EQ(test::file_error([&] { (void)reader.number<int>("key"); }),
            "f: metadata \"key\" is missing");
}

}  // namespace
}  // namespace pilqr
