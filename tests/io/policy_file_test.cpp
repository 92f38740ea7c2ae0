#include "pilqr/io/policy_file.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <limits>

#include "io/io_support.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

PolicyFile example() {
  test::Random random(11);
  PolicyFile file;
  file.task = "reacher";
  file.algorithm = "pilqr";
  file.dt = 0.05;
  file.seed = std::numeric_limits<std::uint64_t>::max();
  file.samples_total = 3'000'000'000;
  file.iteration = 15;
  file.conditions = {4, 0};
  file.extra = {{"note", "\u00fc"}};
  for (int m = 0; m < 2; ++m) {
    file.policies.push_back(random.policy<Dynamic, Dynamic>(3, 4, 2));
  }
  return file;
}

std::vector<std::uint64_t> bits(const VectorX& v) {
  std::vector<std::uint64_t> out;
  out.reserve(static_cast<std::size_t>(v.size()));
  for (const double x : v) out.push_back(std::bit_cast<std::uint64_t>(x));
  return out;
}

TEST(PolicyFile, RoundTripIsBitIdentical) {
  PolicyFile file = example();
  file.dt = 0.1 + 0.2;  // needs all 17 digits
  LinearGaussianPolicy<>& policy = file.policies[1];
  policy.K[1](0, 2) = -0.0;
  policy.K[2](1, 3) = std::numeric_limits<double>::denorm_min();
  policy.k[0](1) = std::numeric_limits<double>::max();
  policy.L[2](1, 1) = std::numeric_limits<double>::min();

  const test::TemporaryDirectory directory;
  const auto path = directory / "policy.safetensors";
  save_policy(path, file);
  const PolicyFile read = load_policy(path);
  EXPECT_EQ(read, file);
  EXPECT_EQ(bits(read.policies[1].K.flat()), bits(policy.K.flat()));
  EXPECT_EQ(bits(read.policies[1].k.flat()), bits(policy.k.flat()));
  EXPECT_EQ(bits(read.policies[1].L.flat()), bits(policy.L.flat()));
}

TEST(PolicyFile, SmallestSizes) {
  test::Random random(12);
  PolicyFile file = example();
  file.conditions = {0};
  file.policies = {random.policy<Dynamic, Dynamic>(1, 1, 1)};
  EXPECT_EQ(policy_from_safetensors(policy_to_safetensors(file), "f"), file);
}

// The layout that other languages rely on: row-major, L the lower factor.
TEST(PolicyFile, LayoutOfTensorsAndMetadata) {
  PolicyFile file = example();
  file.conditions = {7};
  file.policies = {LinearGaussianPolicy<>(1, 3, 2)};
  file.policies[0].K[0] << 1, 2, 3, 4, 5, 6;
  file.policies[0].k[0] << 7, 8;
  file.policies[0].L[0] << 9, 0, 10, 11;
  const SafeTensors contents = policy_to_safetensors(file);
  const std::map<std::string, Tensor> tensors = {
      {"condition_7/K", {{1, 2, 3}, std::vector<double>{1, 2, 3, 4, 5, 6}}},
      {"condition_7/k", {{1, 2}, std::vector<double>{7, 8}}},
      {"condition_7/L", {{1, 2, 2}, std::vector<double>{9, 0, 10, 11}}}};
  EXPECT_EQ(contents.tensors, tensors);
  const std::map<std::string, std::string> metadata = {{"format", "pilqr.tvlg_policy"},
                                                       {"format_version", "1"},
                                                       {"task", "reacher"},
                                                       {"algorithm", "pilqr"},
                                                       {"nx", "3"},
                                                       {"nu", "2"},
                                                       {"steps", "1"},
                                                       {"dt", "0.05"},
                                                       {"seed", "18446744073709551615"},
                                                       {"samples_total", "3000000000"},
                                                       {"iteration", "15"},
                                                       {"conditions", "7"},
                                                       {"note", "\u00fc"}};
  EXPECT_EQ(contents.metadata, metadata);
  EXPECT_EQ(policy_to_safetensors(example()).metadata.at("conditions"), "4,0");
}

TEST(PolicyFile, EveryOwnKeyIsNeeded) {
  const SafeTensors good = policy_to_safetensors(example());
  for (const auto& [key, text] : good.metadata) {
    if (key == "note") continue;
    SafeTensors bad = good;
    bad.metadata.erase(key);
    EXPECT_EQ(test::file_error([&] { (void)policy_from_safetensors(bad, "f"); }),
              "f: metadata \"" + key + "\" is missing");
  }
}

TEST(PolicyFile, EveryTensorIsNeededAndNoOther) {
  const SafeTensors good = policy_to_safetensors(example());
  for (const auto& [name, tensor] : good.tensors) {
    SafeTensors bad = good;
    bad.tensors.erase(name);
    EXPECT_EQ(test::file_error([&] { (void)policy_from_safetensors(bad, "f"); }),
              "f: tensor \"" + name + "\" is missing");
  }
  for (const char* name : {"condition_1/K", "condition_0/k ", "extra"}) {
    SafeTensors bad = good;
    bad.tensors[name] = good.tensors.at("condition_0/K");
    EXPECT_EQ(test::file_error([&] { (void)policy_from_safetensors(bad, "f"); }),
              std::string("f: tensor \"") + name + "\" is not part of the format");
  }
}

TEST(PolicyFile, MetadataThatIsWrong) {
  struct Case {
    std::string key;
    std::string value;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"format", "pilqr.other", "\"format\" is \"pilqr.other\", expected \"pilqr.tvlg_policy\""},
      {"format_version", "2", "\"format_version\" is \"2\""},
      {"format_version", "1.0", "\"format_version\" is \"1.0\""},
      {"dt", "fast", "\"dt\" is \"fast\""},
      {"dt", "0.05s", "\"dt\" is \"0.05s\""},
      {"dt", "nan", "\"dt\" is \"nan\""},
      {"dt", "inf", "\"dt\" is \"inf\""},
      {"dt", "0", "dt is 0 s"},
      {"dt", "-0.05", "dt is -0.05 s"},
      {"seed", "-1", "\"seed\" is \"-1\""},
      {"seed", "18446744073709551616", "\"seed\" is"},
      {"samples_total", "1e3", "\"samples_total\" is \"1e3\""},
      {"samples_total", "-1", "samples_total is -1"},
      {"iteration", "", "\"iteration\" is \"\""},
      {"iteration", "-1", "iteration is -1"},
      {"nx", "5", "\"condition_4/K\" has shape [3, 2, 4], expected [3, 2, 5]"},
      {"nu", "1", "\"condition_4/K\" has shape [3, 2, 4], expected [3, 1, 4]"},
      {"steps", "2", "\"condition_4/K\" has shape [3, 2, 4], expected [2, 2, 4]"},
      {"steps", "3000000000", "\"steps\" is \"3000000000\""},
      {"nx", "-4", "expected [3, 2, -4]"},
      {"conditions", "", "\"conditions\" is empty"},
      {"conditions", "4,0,", "\"conditions\" is \"4,0,\""},
      {"conditions", "4;0", "\"conditions\" is \"4;0\""},
      {"conditions", "4, 0", "\"conditions\" is \"4, 0\""},
      {"conditions", "4,0,4", "condition 4 is there twice"},
      {"conditions", "4,-1", "condition -1"},
      {"conditions", "4", "\"condition_0/K\" is not part of the format"},
      {"conditions", "4,0,1", "\"condition_1/K\" is missing"},
      {"conditions", "0,1,2,3,4,5,6", "names 7 conditions, the file has 6 tensors"},
  };
  const SafeTensors good = policy_to_safetensors(example());
  for (const Case& c : cases) {
    SafeTensors bad = good;
    bad.metadata[c.key] = c.value;
    const std::string message =
        test::file_error([&] { (void)policy_from_safetensors(bad, "dir/f"); });
    EXPECT_TRUE(test::begins(message, "dir/f: ")) << c.key << " = " << c.value;
    EXPECT_TRUE(test::contains(message, c.message)) << c.key << " = " << c.value;
  }
}

TEST(PolicyFile, ShapesThatDisagree) {
  const SafeTensors good = policy_to_safetensors(example());
  const auto with_shape = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    SafeTensors bad = good;
    bad.tensors.at(name).shape = shape;
    return test::file_error([&] { (void)policy_from_safetensors(bad, "f"); });
  };
  EXPECT_EQ(with_shape("condition_0/K", {3, 4, 2}),
            "f: tensor \"condition_0/K\" has shape [3, 4, 2], expected [3, 2, 4]");
  EXPECT_EQ(with_shape("condition_0/k", {6}),
            "f: tensor \"condition_0/k\" has shape [6], expected [3, 2]");
  EXPECT_EQ(with_shape("condition_0/L", {2, 3, 2}),
            "f: tensor \"condition_0/L\" has shape [2, 3, 2], expected [3, 2, 2]");
  SafeTensors bad = good;
  bad.tensors.at("condition_0/k").values = std::vector<std::int64_t>(6);
  EXPECT_EQ(test::file_error([&] { (void)policy_from_safetensors(bad, "f"); }),
            "f: tensor \"condition_0/k\" holds I64, expected F64");
  // Consistent with the metadata, but empty.
  bad = good;
  bad.metadata["nx"] = "0";
  for (const char* name : {"condition_0/K", "condition_4/K"}) {
    bad.tensors[name] = {{3, 2, 0}, std::vector<double>{}};
  }
  EXPECT_TRUE(
      test::contains(test::file_error([&] { (void)policy_from_safetensors(bad, "f"); }), "nx = 0"));
  // Consistent, empty and as large as can be written.
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  for (const char* key : {"nx", "steps"}) bad.metadata[key] = "2147483647";
  bad.metadata["nu"] = "0";
  for (const char* condition : {"condition_0/", "condition_4/"}) {
    bad.tensors[std::string(condition) + "K"] = {{most, 0, most}, std::vector<double>{}};
    bad.tensors[std::string(condition) + "k"] = {{most, 0}, std::vector<double>{}};
    bad.tensors[std::string(condition) + "L"] = {{most, 0, 0}, std::vector<double>{}};
  }
  EXPECT_TRUE(
      test::contains(test::file_error([&] { (void)policy_from_safetensors(bad, "f"); }), "nu = 0"));
}

TEST(PolicyFile, EntriesThatAreWrong) {
  struct Case {
    std::string name;
    std::size_t entry;
    double value;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"condition_0/K", 9, nan, "condition_0: K at step 1 has a NaN or infinite entry"},
      {"condition_4/k", 5, -infinity, "condition_4: k at step 2 has a NaN or infinite entry"},
      {"condition_4/L", 6, infinity, "condition_4: L at step 1 has a NaN or infinite entry"},
      {"condition_4/L", 1, nan, "condition_4: L at step 0 has a NaN or infinite entry"},
      {"condition_0/L", 9, 0.5, "condition_0: L at step 2 is not lower triangular: (0, 1) is 0.5"},
      {"condition_0/L", 4, 0.0, "condition_0: L at step 1 has 0 on its diagonal"},
      {"condition_0/L", 7, -1.5, "condition_0: L at step 1 has -1.5 on its diagonal"},
  };
  const SafeTensors good = policy_to_safetensors(example());
  for (const Case& c : cases) {
    SafeTensors bad = good;
    std::get<std::vector<double>>(bad.tensors.at(c.name).values)[c.entry] = c.value;
    const std::string message = test::file_error([&] { (void)policy_from_safetensors(bad, "f"); });
    EXPECT_TRUE(test::begins(message, "f: ")) << c.message;
    EXPECT_TRUE(test::contains(message, c.message));
  }
}

TEST(PolicyFile, SavingRefusesWhatLoadingWould) {
  const std::vector<std::function<void(PolicyFile&)>> faults = {
      [](PolicyFile& f) { f.dt = 0.0; },
      [](PolicyFile& f) { f.dt = nan; },
      [](PolicyFile& f) { f.dt = infinity; },
      [](PolicyFile& f) { f.samples_total = -1; },
      [](PolicyFile& f) { f.iteration = -1; },
      [](PolicyFile& f) { f.conditions = {}, f.policies = {}; },
      [](PolicyFile& f) {
        f.conditions = {1, 1};
      },
      [](PolicyFile& f) {
        f.conditions = {1, -1};
      },
      [](PolicyFile& f) { f.conditions = {1}; },
      [](PolicyFile& f) { f.policies[1] = {}; },
      [](PolicyFile& f) { f.policies[1] = test::Random(1).policy<Dynamic, Dynamic>(2, 4, 2); },
      [](PolicyFile& f) { f.policies[1] = test::Random(1).policy<Dynamic, Dynamic>(3, 5, 2); },
      [](PolicyFile& f) { f.policies[1].K[2](0, 0) = infinity; },
      [](PolicyFile& f) { f.policies[0].L[2](0, 1) = 1.0; },
      [](PolicyFile& f) { f.extra["format"] = "mine"; },
      [](PolicyFile& f) { f.task = "\xFF"; },
  };
  const test::TemporaryDirectory directory;
  const auto path = directory / "policy.safetensors";
  save_policy(path, example());
  for (std::size_t i = 0; i < faults.size(); ++i) {
    PolicyFile file = example();
    faults[i](file);
    EXPECT_THROW(save_policy(path, file), InvalidArgument) << "fault " << i;
    EXPECT_EQ(load_policy(path), example()) << "fault " << i;
  }
  EXPECT_EQ(directory.entries().size(), 1U);
}

// What a damaged file may do: throw FileError or give a policy that is valid.
enum class Outcome { refused, loaded };
Outcome load(const std::string& bytes) {
  try {
    require_valid(policy_from_safetensors(decode_safetensors(bytes, "f"), "f"));
    return Outcome::loaded;
  } catch (const FileError& error) {
    EXPECT_TRUE(test::begins(error.what(), "f: "));
    return Outcome::refused;
  }
}

TEST(PolicyFile, EveryTruncationIsRefused) {
  const std::string bytes = encode_safetensors(policy_to_safetensors(example()));
  ASSERT_EQ(load(bytes), Outcome::loaded);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    // A copy of exactly this size, so that the sanitizer sees a read past its end.
    const std::vector<char> exact(bytes.begin(),
                                  bytes.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_EQ(load({exact.data(), exact.size()}), Outcome::refused) << length;
  }
  EXPECT_EQ(load(bytes + '\0'), Outcome::refused);
}

TEST(PolicyFile, DamagedBytesNeverPassUnchecked) {
  const std::string bytes = encode_safetensors(policy_to_safetensors(example()));
  int refused = 0;
  int loaded = 0;
  const auto count = [&](const std::string& damaged) {
    (load(damaged) == Outcome::refused ? refused : loaded) += 1;
  };
  for (std::size_t i = 0; i < bytes.size(); ++i) {  // every bit
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ (1U << bit));
      count(damaged);
    }
  }
  // Several faults of the kinds that change structure, not only a value.
  RandomStream random({.seed = 5});
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const std::string alphabet = "{}[],:\"0123456789-.eE\\/u \n\xFF";
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = bytes;
    for (std::size_t faults = 1 + below(3); faults > 0; --faults) {
      const std::size_t at = below(damaged.size());
      switch (below(4)) {
        case 0:
          damaged[at] = alphabet[below(alphabet.size())];
          break;
        case 1:
          damaged.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
        case 2:
          damaged.erase(at, 1 + below(16));
          break;
        default:
          damaged.insert(at, damaged.substr(below(damaged.size()), below(64)));
      }
      if (damaged.empty()) break;
    }
    count(damaged);
  }
  // Both happen: most damage to the header is noticed, most damage to the values is a value.
  EXPECT_GT(refused, 5000);
  EXPECT_GT(loaded, 1000);
}

TEST(PolicyFile, FixedAndDynamicSizes) {
  const auto fixed = test::Random(2).policy<4, 2>(3, 4, 2);
  const LinearGaussianPolicy<> dynamic = to_dynamic(fixed);
  ASSERT_EQ(dynamic.steps(), 3);
  for (int t = 0; t < 3; ++t) {
    EXPECT_EQ(dynamic.K[t], fixed.K[t]);
    EXPECT_EQ(dynamic.k[t], fixed.k[t]);
    EXPECT_EQ(dynamic.L[t], fixed.L[t]);
  }
  EXPECT_EQ((to_fixed<4, 2>(dynamic)), fixed);
  EXPECT_EQ((to_dynamic(to_fixed<4, Dynamic>(dynamic))), dynamic);
  EXPECT_EQ((to_fixed<Dynamic, Dynamic>(dynamic)), dynamic);
  EXPECT_THROW((to_fixed<3, 2>(dynamic)), InvalidArgument);
  EXPECT_THROW((to_fixed<4, 3>(dynamic)), InvalidArgument);
  EXPECT_THROW((to_fixed<2, 4>(dynamic)), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
