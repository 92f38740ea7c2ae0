#include "pilqr/io/sealed.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "pilqr/core/check.hpp"

namespace pilqr {
namespace {

SafeTensors contents() {
  SafeTensors c;
  c.metadata = {{"format", "test"}, {"quoted", R"("checksum":"ffffffffffffffff")"}};
  c.tensors["a"] = {.shape = {2, 3}, .values = std::vector<double>{1, 2, 3, 4, 5, -0.0}};
  c.tensors[R"("checksum":)"] = {.shape = {}, .values = std::vector<std::int64_t>{7}};
  return c;
}

TEST(Sealed, RoundTripThatAnyReaderReads) {
  const std::string bytes = seal(contents());
  EXPECT_EQ(unseal(bytes, "f"), contents());
  SafeTensors plain = decode_safetensors(bytes, "f");
  EXPECT_EQ(plain.metadata.at("checksum").size(), 16U);
  EXPECT_EQ(plain.metadata.erase("checksum"), 1U);
  EXPECT_EQ(plain, contents());
  EXPECT_EQ(seal(contents()), bytes);
  EXPECT_EQ(unseal(seal({}), "f"), SafeTensors{});
}

// As `xxhsum -H3` gives it for the file with 16 zeros.
TEST(Sealed, ChecksumIsThatOfTheStandardTool) {
  EXPECT_EQ(decode_safetensors(seal({}), "f").metadata.at("checksum"), "238d0516ff2b4cbf");
}

TEST(Sealed, EveryFlippedBitAndEveryTruncationShows) {
  const std::string good = seal(contents());
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(static_cast<unsigned char>(bad[i]) ^ (1U << bit));
      EXPECT_TRUE(test::begins(test::file_error([&] { (void)unseal(bad, "f"); }), "f: "))
          << "byte " << i << " bit " << bit;
    }
    EXPECT_TRUE(
        test::begins(test::file_error([&] { (void)unseal(good.substr(0, i), "f"); }), "f: "))
        << i << " bytes";
  }
  EXPECT_NE(test::file_error([&] { (void)unseal(good + " ", "f"); }), "");
}

// Valid files whose checksum is not where it is looked for: the first one was found by fuzzing.
TEST(Sealed, ChecksumsInOtherWordsAreRefused) {
  const std::vector<std::string> headers = {
      R"({"__metadata__":{"checksum":"nan"}}   )",
      R"({"__metadata__":{"checksum": "238d0516ff2b4cbf"}})",
      R"({"__metadata__":{"checksu\u006d":"238d0516ff2b4cbf"}})",
      R"({"__metadata__":{"a":"b","checksum" :"0000000000000000"}})",
  };
  for (const std::string& header : headers) {
    const std::string bytes = test::assemble(header);
    ASSERT_EQ(decode_safetensors(bytes, "f").metadata.count("checksum"), 1U);
    EXPECT_TRUE(test::begins(test::file_error([&] { (void)unseal(bytes, "f"); }),
                             "f: is damaged: its checksum is "))
        << header;
  }
}

TEST(Sealed, NoChecksumIsAnError) {
  EXPECT_EQ(test::file_error([] { (void)unseal(encode_safetensors(contents()), "f"); }),
            "f: has no checksum");
  SafeTensors twice = contents();
  twice.metadata["checksum"] = "0";
  EXPECT_THROW((void)seal(twice), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
