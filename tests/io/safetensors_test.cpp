#include "pilqr/io/safetensors.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "io/io_support.hpp"
#include "pilqr/core/check.hpp"

namespace pilqr {
namespace {

using test::assemble;
using test::bytes_of;

std::vector<std::uint64_t> bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> out;
  out.reserve(values.size());
  for (const double v : values) out.push_back(std::bit_cast<std::uint64_t>(v));
  return out;
}

const std::vector<double>& doubles(const SafeTensors& contents, const std::string& name) {
  return std::get<std::vector<double>>(contents.tensors.at(name).values);
}

TEST(SafeTensors, BytesWrittenOutByHand) {
  SafeTensors contents;
  contents.metadata = {{"k", "v"}};
  contents.tensors["x"] = {{1, 2}, std::vector<double>{1.0, -2.0}};
  contents.tensors["n"] = {{}, std::vector<std::int64_t>{-2}};
  const std::string header = R"({"__metadata__":{"k":"v"},)"                                // 26
                             R"("n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"      // 52
                             R"("x":{"dtype":"F64","shape":[1,2],"data_offsets":[8,24]}})"  // 56
                             "  ";  // to 136 = 0x88
  const std::string expected = std::string("\x88\0\0\0\0\0\0\0", 8) + header +
                               std::string("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8) +
                               std::string("\0\0\0\0\0\0\xF0\x3F", 8) +
                               std::string("\0\0\0\0\0\0\0\xC0", 8);
  EXPECT_EQ(encode_safetensors(contents), expected);
  EXPECT_EQ(decode_safetensors(expected, "f"), contents);
}

TEST(SafeTensors, RoundTripIsBitIdentical) {
  using Limits = std::numeric_limits<double>;
  const std::vector<double> values = {-0.0,
                                      0.0,
                                      Limits::denorm_min(),
                                      -Limits::min(),
                                      Limits::max(),
                                      -Limits::infinity(),
                                      std::bit_cast<double>(0x7FF800000000BEEFULL),
                                      0.1};
  SafeTensors contents;
  contents.metadata = {{"", ""}, {"quote \" and \\ and \n", "\u00fc \t \x01"}};
  contents.tensors["doubles"] = {{2, 1, 4}, values};
  contents.tensors["i"] = {{3}, std::vector<std::int64_t>{INT64_MIN, -1, INT64_MAX}};
  contents.tensors["u \u03bb"] = {{1, 1}, std::vector<std::uint64_t>{UINT64_MAX}};
  contents.tensors["a scalar"] = {{}, std::vector<double>{1e300}};
  contents.tensors["empty"] = {{4, 0, 3}, std::vector<double>{}};
  contents.tensors["~empty too"] = {{0}, std::vector<std::uint64_t>{}};

  const test::TemporaryDirectory directory;
  const auto path = directory / "t.safetensors";
  save_safetensors(path, contents);
  SafeTensors read = load_safetensors(path);
  EXPECT_EQ(bits(doubles(read, "doubles")), bits(values));
  EXPECT_EQ(encode_safetensors(read), test::read_plainly(path));
  read.tensors.erase("doubles");  // NaN is not equal to itself
  contents.tensors.erase("doubles");
  EXPECT_EQ(read, contents);
}

TEST(SafeTensors, NoTensorsAtAll) {
  EXPECT_EQ(decode_safetensors(encode_safetensors({}), "f"), SafeTensors{});
  EXPECT_EQ(decode_safetensors(assemble("{}"), "f"), SafeTensors{});
}

TEST(SafeTensors, ValuesBeginAtMultiplesOfEight) {
  for (std::size_t length = 1; length <= 20; ++length) {
    SafeTensors contents;
    contents.tensors[std::string(length, 'x')] = {{1}, std::vector<double>{0.5}};
    const std::string bytes = encode_safetensors(contents);
    const auto header = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0]));
    EXPECT_EQ(header % 8, 0U);
    EXPECT_EQ(bytes.size(), 8 + header + 8);
    EXPECT_EQ(bytes.substr(8, 1), "{");
  }
}

TEST(SafeTensors, ReadsWhatAnotherWriterWrote) {
  // Neither sorted nor padded, keys in another order, data in another order than the names, F32.
  const std::string header = R"({"w" : {"shape":[2],"data_offsets":[8,16],"dtype":"F32"},)"
                             "\n\t"
                             R"("none":{"data_offsets":[8,8],"shape":[0,7],"dtype":"F64"},)"
                             R"("a":{"dtype":"U64","shape":[1],"data_offsets":[16,24]},)"
                             R"("__metadata__":{"z":"\u0041","b":""},)"
                             R"("v":{"dtype":"F64","shape":[1,1],"data_offsets":[0,8]}}   )";
  const std::string w = std::string("\0\0\xC0\x3F", 4) + std::string("\xCD\xCC\xCC\x3D", 4);
  const SafeTensors contents =
      decode_safetensors(assemble(header, bytes_of(0xC000000000000000ULL) + w + bytes_of(7)), "f");
  SafeTensors expected;
  expected.metadata = {{"z", "A"}, {"b", ""}};
  expected.tensors["w"] = {{2}, std::vector<double>{1.5, 13421773.0 * 0x1p-27}};
  expected.tensors["none"] = {{0, 7}, std::vector<double>{}};
  expected.tensors["a"] = {{1}, std::vector<std::uint64_t>{7}};
  expected.tensors["v"] = {{1, 1}, std::vector<double>{-2.0}};
  EXPECT_EQ(contents, expected);
}

struct Corruption {
  std::string header;
  std::size_t data_bytes;
  std::string message;  ///< a part of it
};

TEST(SafeTensors, EveryCorruptionHasItsMessage) {
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"F64","shape":[1],"data_offsets":)" + first +
           R"(},"b":{"dtype":"F64","shape":[1],"data_offsets":)" + second + "}}";
  };
  const std::vector<Corruption> all = {
      {"", 0, "begins with \"\", expected \"{\""},
      {" {}", 0, "begins with \" \", expected \"{\""},
      {"[]", 0, "begins with \"[\""},
      {"null", 0, "begins with \"n\""},
      {"\xEF\xBB\xBF{}", 0, "expected \"{\""},
      {"{", 0, "not valid JSON at its byte"},
      {"{} x", 0, "not valid JSON at its byte"},
      {"{\"a\":\"\xFF\"}", 0, "not valid JSON at its byte"},
      {R"({"a":NaN})", 0, "not valid JSON at its byte"},
      {R"({"a":1})", 0, R"(a number for "a")"},
      {R"({"a":-1})", 0, R"(the number -1 for "a")"},
      {R"({"a":null})", 0, R"(null for "a")"},
      {R"({"a":true})", 0, R"(true for "a")"},
      {R"({"a":[1]})", 0, R"(an array for "a")"},
      {R"({"a":"x"})", 0, R"("x" for "a")"},
      {R"({"a":{"b":{}}})", 0, R"(an object for "b" of tensor "a")"},
      {R"({"a":{"shape":[[1]]}})", 0, R"(an array for "shape" of tensor "a")"},
      {R"({"a":{"shape":["1"]}})", 0, R"("1" for "shape" of tensor "a")"},
      {R"({"a":{"dtype":1}})", 0, R"(a number for "dtype" of tensor "a")"},
      {R"({"a":{"color":"red"}})", 0, R"("red" for "color" of tensor "a")"},
      {R"({"__metadata__":{"k":1}})", 0, R"(a number for "k" of metadata)"},
      {R"({"__metadata__":{"k":null}})", 0, R"(null for "k" of metadata)"},
      {R"({"__metadata__":{"k":["v"]}})", 0, R"(an array for "k" of metadata)"},
      {R"({"__metadata__":{"k":{"l":"v"}}})", 0, R"(an object for "k" of metadata)"},
      {R"({"__metadata__":"k"})", 0, R"("k" for "__metadata__")"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, R"("__metadata__" twice)"},
      {R"({"__metadata__":{"k":"v","k":"v"}})", 0, R"(metadata has "k" twice)"},
      {R"({"a":{"dtype":"F64","dtype":"F64"}})", 0, R"(tensor "a" has "dtype" twice)"},
      {R"({"a":{"shape":[],"shape":[]}})", 0, R"(tensor "a" has "shape" twice)"},
      {R"({"a":{"data_offsets":[],"data_offsets":[]}})", 0, R"(has "data_offsets" twice)"},
      {R"({"a":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},)"
       R"("a":{"dtype":"F64","shape":[0],"data_offsets":[0,0]}})",
       0, R"(the header has "a" twice)"},
      {R"({"a":{"shape":[0],"data_offsets":[0,0]}})", 0, R"(tensor "a" has no "dtype")"},
      {R"({"a":{"dtype":"F64","data_offsets":[0,0]}})", 0, R"(tensor "a" has no "shape")"},
      {R"({"a":{"dtype":"F64","shape":[0]}})", 0, R"(tensor "a" has no "data_offsets")"},
      {tensor("F16", "[4]", "[0,8]"), 8, R"(tensor "a" has dtype "F16")"},
      {tensor("f64", "[1]", "[0,8]"), 8, R"(tensor "a" has dtype "f64")"},
      {tensor("", "[1]", "[0,8]"), 8, R"(tensor "a" has dtype "")"},
      {tensor("F64", "[-1]", "[0,8]"), 8, R"(tensor "a": shape has -1)"},
      {tensor("F64", "[1.0]", "[0,8]"), 8, R"(tensor "a": shape has 1.0)"},
      {tensor("F64", "[1e0]", "[0,8]"), 8, R"(tensor "a": shape has 1e0)"},
      {tensor("F64", "[18446744073709551616]", "[0,8]"), 8, "has 18446744073709551616"},
      {tensor("F64", "[0,9223372036854775808]", "[0,0]"), 0, "a dimension 9223372036854775808"},
      // These products are 1, 0 or 2 modulo 2^64.
      {tensor("F64", "[9223372036854775807,9223372036854775807]", "[0,8]"), 8, "and data_offsets"},
      {tensor("F64", "[4294967296,4294967296]", "[0,0]"), 0, "and data_offsets"},
      {tensor("F64", "[2305843009213693952]", "[0,0]"), 0, "and data_offsets"},
      {tensor("F64", "[2305843009213693953]", "[0,8]"), 8, "and data_offsets"},
      {tensor("F64", "[2]", "[0,8]"), 8,
       R"(tensor "a" has shape [2] of F64 and data_offsets [0, 8])"},
      {tensor("F32", "[1]", "[0,8]"), 8, "shape [1] of F32 and data_offsets [0, 8]"},
      {tensor("F64", "[]", "[0,0]"), 0, "shape [] of F64"},
      {tensor("F64", "[1]", "[8,0]"), 8, "data_offsets [8, 0], the file has 8 bytes"},
      {tensor("F64", "[1]", "[0,16]"), 8, "data_offsets [0, 16], the file has 8 bytes"},
      {tensor("F64", "[1]", "[18446744073709551608,18446744073709551615]"), 8, "the file has 8"},
      {tensor("F64", "[1]", "[-8,0]"), 8, R"(tensor "a": data_offsets has -8)"},
      {tensor("F64", "[1]", "[0,8.5]"), 8, R"(tensor "a": data_offsets has 8.5)"},
      {tensor("F64", "[1]", "[0]"), 8, R"(tensor "a" has 1 data_offsets)"},
      {tensor("F64", "[1]", "[0,8,8]"), 8, R"(tensor "a" has 3 data_offsets)"},
      {tensor("F64", "[1]", "[0,8]"), 9, "1 bytes of data follow"},
      {tensor("F64", "[1]", "[8,16]"), 16, "leaving a hole after 0"},
      {two("[0,8]", "[0,8]"), 8, R"("b" begins at byte 0 of the data, overlapping)"},
      {two("[4,12]", "[0,8]"), 12, R"("a" begins at byte 4 of the data, overlapping)"},
      {two("[0,8]", "[16,24]"), 24, R"("b" begins at byte 16 of the data, leaving a hole after 8)"},
      {"{}", 8, "8 bytes of data follow"},
  };
  for (const Corruption& c : all) {
    const std::string file = assemble(c.header, std::string(c.data_bytes, '\0'));
    const std::string message =
        test::file_error([&] { (void)decode_safetensors(file, "dir/name"); });
    EXPECT_TRUE(test::begins(message, "dir/name: ")) << c.header;
    EXPECT_TRUE(test::contains(message, c.message)) << c.header;
  }
}

TEST(SafeTensors, HeaderLengthsThatLie) {
  const auto message = [](const std::string& bytes) {
    return test::file_error([&] { (void)decode_safetensors(bytes, "f"); });
  };
  EXPECT_EQ(message(""), "f: is 0 bytes long, too short for a safetensors file");
  EXPECT_EQ(message("1234567"), "f: is 7 bytes long, too short for a safetensors file");
  EXPECT_TRUE(test::contains(message(bytes_of(3) + "{}"), "claims 3 bytes, the file has 2"));
  EXPECT_TRUE(test::contains(message(bytes_of(100'000'000) + "{}"), "the file has 2"));
  EXPECT_TRUE(test::contains(message(bytes_of(100'000'001) + "{}"), "at most 100000000"));
  EXPECT_TRUE(test::contains(message(bytes_of(UINT64_MAX) + "{}"), "claims 18446744073709551615"));
  EXPECT_TRUE(test::contains(message("#!/bin/sh -e\necho no\n"), "not a safetensors file?"));
}

TEST(SafeTensors, LongOrDeepNonsenseIsCutShort) {
  const std::string deep = R"({"a":{"shape":)" + std::string(1'000'000, '[');
  const std::string message =
      test::file_error([&] { (void)decode_safetensors(assemble(deep), "f"); });
  EXPECT_TRUE(test::contains(message, "an array for \"shape\""));

  const std::string name = "\n" + std::string(10'000, 'n');
  const std::string named = R"({"\n)" + name.substr(1) + R"(":{}})";
  const std::string cut = test::file_error([&] { (void)decode_safetensors(assemble(named), "f"); });
  EXPECT_EQ(cut, "f: tensor \"\\x0a" + std::string(79, 'n') + "...\" has no \"dtype\"");
}

TEST(SafeTensors, AtMost64Dimensions) {
  for (const int rank : {64, 65}) {
    std::string ones = "1";
    for (int i = 1; i < rank; ++i) ones += ",1";
    const std::string bytes =
        assemble(R"({"a":{"dtype":"F64","shape":[)" + ones + R"(],"data_offsets":[0,8]}})",
                 std::string(8, '\0'));
    SafeTensors contents;
    contents.tensors["a"] = {std::vector<std::int64_t>(static_cast<std::size_t>(rank), 1),
                             std::vector<double>{0.0}};
    if (rank == 64) {
      EXPECT_EQ(decode_safetensors(bytes, "f"), contents);
      EXPECT_EQ(decode_safetensors(encode_safetensors(contents), "f"), contents);
    } else {
      EXPECT_EQ(test::file_error([&] { (void)decode_safetensors(bytes, "f"); }),
                "f: tensor \"a\": shape has more than 64 numbers");
      EXPECT_THROW((void)encode_safetensors(contents), InvalidArgument);
    }
  }
}

TEST(SafeTensors, ReadingNamesTheFile) {
  const test::TemporaryDirectory directory;
  const auto missing = directory / "missing";
  EXPECT_EQ(test::file_error([&] { (void)load_safetensors(missing); }),
            missing.string() + ": cannot open: No such file or directory");
  EXPECT_EQ(test::file_error([&] { (void)load_safetensors(directory.path()); }),
            directory.path().string() + ": is a directory");
}

TEST(SafeTensors, WhatCannotBeWritten) {
  const auto encode = [](const std::string& name, Tensor tensor) {
    SafeTensors contents;
    contents.tensors[name] = std::move(tensor);
    return encode_safetensors(contents);
  };
  const std::vector<double> two = {1.0, 2.0};
  EXPECT_NO_THROW(encode("a", {{1, 2, 1}, two}));
  EXPECT_THROW(encode("a", {{3}, two}), InvalidArgument);
  EXPECT_THROW(encode("a", {{}, two}), InvalidArgument);
  EXPECT_THROW(encode("a", {{-1, -2}, two}), InvalidArgument);
  EXPECT_THROW(encode("a", {{INT64_MAX, 4, 2}, two}), InvalidArgument);
  EXPECT_THROW(encode("__metadata__", {{2}, two}), InvalidArgument);
  EXPECT_THROW(encode("\xFF", {{2}, two}), InvalidArgument);
  SafeTensors contents;
  contents.metadata["key"] = "\xC3";
  EXPECT_THROW(encode_safetensors(contents), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
