#include "pilqr/io/network_file.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <limits>

#include "io/io_support.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

NetworkFile example() {
  RandomStream stream({.seed = 1});
  test::Random random(2);
  NetworkFile file{.policy = NetworkPolicy({4, {5, 3}, 2, Activation::relu}, stream)};
  file.policy.set_normalisation({random.vector(4), VectorX::Constant(4, 0.5)});
  file.policy.set_covariance_factor((MatrixX(2, 2) << 0.1, 0.0, 0.3, 0.2).finished());
  file.policy.set_limits((VectorX(2) << -1.5, -infinity).finished(),
                         (VectorX(2) << infinity, 2.5).finished());
  file.task = "reacher";
  file.algorithm = "mdgps";
  file.dt = 0.05;
  file.seed = std::numeric_limits<std::uint64_t>::max();
  file.samples_total = 3'000'000'000;
  file.iteration = 15;
  file.extra = {{"note", "\u00fc"}};
  return file;
}

std::string refusal(const SafeTensors& contents) {
  return test::file_error([&] { (void)network_from_safetensors(contents, "f"); });
}

TEST(NetworkFile, RoundTripIsBitIdentical) {
  NetworkFile file = example();
  file.dt = 0.1 + 0.2;  // needs all 17 digits
  Mlp network = file.policy.network();
  network.weight(1)(0, 2) = -0.0;
  network.weight(2)(1, 1) = std::numeric_limits<double>::denorm_min();
  network.bias(0)(4) = std::numeric_limits<double>::max();
  NetworkPolicy policy(network);
  policy.set_normalisation(file.policy.normalisation());
  file.policy = policy;

  const test::TemporaryDirectory directory;
  const auto path = directory / "policy.safetensors";
  save_network(path, file);
  const NetworkFile read = load_network(path);
  EXPECT_EQ(read, file);
  const auto a = read.policy.network().parameters();
  for (Eigen::Index i = 0; i < a.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(a(i)),
              std::bit_cast<std::uint64_t>(network.parameters()(i)));
  }
}

TEST(NetworkFile, WhatItReadsActsAlike) {
  const NetworkFile file = example();
  NetworkFile read = network_from_safetensors(network_to_safetensors(file), "f");
  EXPECT_EQ(read, file);
  const MatrixX x = test::Random(3).matrix(4, 20);
  MatrixX expected;
  MatrixX u;
  file.policy.mean(x, expected);
  read.policy.mean(x, u);
  EXPECT_EQ(u, expected);
}

TEST(NetworkFile, SmallestSizesAndNoTraining) {
  RandomStream stream({.seed = 1});
  NetworkFile file{.policy = NetworkPolicy({1, {}, 1}, stream), .dt = 1.0};
  const SafeTensors contents = network_to_safetensors(file);
  const NetworkFile read = network_from_safetensors(contents, "f");
  EXPECT_EQ(read, file);
  EXPECT_FALSE(read.policy.normalised());
  SafeTensors bad = contents;
  std::get<std::vector<double>>(bad.tensors.at("normalisation/mean").values)[0] = 1.0;
  EXPECT_TRUE(test::contains(refusal(bad), "\"normalisation/mean\""));
}

// The layout that other languages rely on: row-major, [outputs, inputs].
TEST(NetworkFile, LayoutOfTensorsAndMetadata) {
  Mlp network({3, {2}, 1});
  network.weight(0) << 1, 2, 3, 4, 5, 6;
  network.bias(0) << 7, 8;
  network.weight(1) << 9, 10;
  network.bias(1) << 11;
  NetworkFile file{.policy = NetworkPolicy(network), .task = "t", .algorithm = "a", .dt = 0.5};
  file.policy.set_normalisation({(VectorX(3) << 1, 2, 3).finished(), VectorX::Constant(3, 4.0)});
  const SafeTensors contents = network_to_safetensors(file);
  using Values = std::vector<double>;
  const std::map<std::string, Tensor> tensors = {
      {"layer_0/weight", {{2, 3}, Values{1, 2, 3, 4, 5, 6}}},
      {"layer_0/bias", {{2}, Values{7, 8}}},
      {"layer_1/weight", {{1, 2}, Values{9, 10}}},
      {"layer_1/bias", {{1}, Values{11}}},
      {"normalisation/mean", {{3}, Values{1, 2, 3}}},
      {"normalisation/scale", {{3}, Values{4, 4, 4}}},
      {"covariance_factor", {{1, 1}, Values{1}}},
      {"action_lower", {{1}, Values{-infinity}}},
      {"action_upper", {{1}, Values{infinity}}}};
  EXPECT_EQ(contents.tensors, tensors);
  const std::map<std::string, std::string> metadata = {{"format", "pilqr.network_policy"},
                                                       {"format_version", "1"},
                                                       {"task", "t"},
                                                       {"algorithm", "a"},
                                                       {"layers", "2"},
                                                       {"activation", "tanh"},
                                                       {"normalised", "1"},
                                                       {"nx", "3"},
                                                       {"nu", "1"},
                                                       {"dt", "0.5"},
                                                       {"seed", "0"},
                                                       {"samples_total", "0"},
                                                       {"iteration", "0"}};
  EXPECT_EQ(contents.metadata, metadata);
}

TEST(NetworkFile, EveryKeyAndTensorIsNeededAndNoOther) {
  const SafeTensors good = network_to_safetensors(example());
  for (const auto& [key, text] : good.metadata) {
    if (key == "note") continue;
    SafeTensors bad = good;
    bad.metadata.erase(key);
    EXPECT_EQ(refusal(bad), "f: metadata \"" + key + "\" is missing");
  }
  for (const auto& [name, tensor] : good.tensors) {
    SafeTensors bad = good;
    bad.tensors.erase(name);
    EXPECT_EQ(refusal(bad), "f: tensor \"" + name + "\" is missing");
  }
  for (const char* name : {"layer_3/weight", "layer_0/weight ", "extra"}) {
    SafeTensors bad = good;
    bad.tensors[name] = good.tensors.at("layer_0/weight");
    EXPECT_EQ(refusal(bad), std::string("f: tensor \"") + name + "\" is not part of the format");
  }
}

TEST(NetworkFile, MetadataThatIsWrong) {
  struct Case {
    std::string key;
    std::string value;
  };
  const std::vector<Case> cases = {{"format", "pilqr.tvlg_policy"},
                                   {"format_version", "2"},
                                   {"activation", "Tanh"},
                                   {"activation", ""},
                                   {"normalised", "yes"},
                                   {"layers", "0"},
                                   {"layers", "-1"},
                                   {"layers", "1000000000"},
                                   {"layers", "2"},
                                   {"layers", "3.0"},
                                   {"nx", "4 "},
                                   {"nx", "3"},
                                   {"nx", "0"},
                                   {"nu", "3"},
                                   {"nu", "-2"},
                                   {"dt", "nan"},
                                   {"dt", "0"},
                                   {"dt", "fast"},
                                   {"seed", "-1"},
                                   {"samples_total", "-1"},
                                   {"iteration", "2147483648"}};
  const SafeTensors good = network_to_safetensors(example());
  for (const Case& c : cases) {
    SafeTensors bad = good;
    bad.metadata[c.key] = c.value;
    EXPECT_TRUE(test::begins(refusal(bad), "f: ")) << c.key << " = " << c.value;
  }
  SafeTensors bad = good;
  bad.metadata["activation"] = "sigmoid";
  EXPECT_EQ(refusal(bad),
            "f: metadata \"activation\" is \"sigmoid\", expected \"tanh\" or \"relu\"");
}

TEST(NetworkFile, ShapesAndTypesThatAreWrong) {
  const SafeTensors good = network_to_safetensors(example());
  for (const auto& [name, tensor] : good.tensors) {
    const auto count = std::get<std::vector<double>>(tensor.values).size();
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{},
                                                   {0},
                                                   {0, 4},
                                                   {7, 1},
                                                   {static_cast<std::int64_t>(count), 1, 1},
                                                   {std::int64_t{1} << 40, 0}}) {
      SafeTensors bad = good;
      std::int64_t entries = 1;
      for (const std::int64_t n : shape) entries *= n;
      bad.tensors.at(name) = {shape, std::vector<double>(static_cast<std::size_t>(entries), 1.0)};
      const std::string message = refusal(bad);
      EXPECT_TRUE(test::begins(message, "f: tensor \"")) << message;
    }
    SafeTensors bad = good;
    bad.tensors.at(name).values = std::vector<std::int64_t>(count);
    EXPECT_EQ(refusal(bad), "f: tensor \"" + name + "\" holds I64, expected F64");
  }
  SafeTensors bad = good;
  bad.tensors.at("layer_1/weight") = {{3, 4}, std::vector<double>(12)};
  EXPECT_TRUE(test::contains(refusal(bad), "\"layer_1/weight\""));
}

TEST(NetworkFile, EntriesThatAreWrong) {
  struct Case {
    std::string name;
    std::size_t entry;
    double value;
  };
  const std::vector<Case> cases = {
      {"layer_0/weight", 19, nan},      {"layer_2/bias", 1, infinity},
      {"normalisation/mean", 3, nan},   {"normalisation/scale", 0, 0.0},
      {"normalisation/scale", 2, -1.0}, {"normalisation/scale", 1, infinity},
      {"covariance_factor", 0, 0.0},    {"covariance_factor", 1, 0.5},
      {"covariance_factor", 2, nan},    {"covariance_factor", 3, -1.0},
      {"action_lower", 0, nan},         {"action_lower", 1, 2.5}};
  const SafeTensors good = network_to_safetensors(example());
  for (const Case& c : cases) {
    SafeTensors bad = good;
    std::get<std::vector<double>>(bad.tensors.at(c.name).values)[c.entry] = c.value;
    EXPECT_TRUE(test::begins(refusal(bad), "f: tensor \"" + c.name + "\"")) << refusal(bad);
  }
}

TEST(NetworkFile, SavingRefusesWhatLoadingWould) {
  const auto with_parameter = [](NetworkFile& f, double value) {
    Mlp network = f.policy.network();
    network.parameters()(7) = value;
    f.policy = NetworkPolicy(network);
  };
  const std::vector<std::function<void(NetworkFile&)>> faults = {
      [](NetworkFile& f) { f.dt = 0.0; },
      [](NetworkFile& f) { f.dt = nan; },
      [](NetworkFile& f) { f.samples_total = -1; },
      [](NetworkFile& f) { f.iteration = -1; },
      [&](NetworkFile& f) { with_parameter(f, nan); },
      [&](NetworkFile& f) { with_parameter(f, infinity); },
      [](NetworkFile& f) { f.extra["layers"] = "mine"; },
      [](NetworkFile& f) { f.task = "\xFF"; },
  };
  const test::TemporaryDirectory directory;
  const auto path = directory / "policy.safetensors";
  save_network(path, example());
  for (std::size_t i = 0; i < faults.size(); ++i) {
    NetworkFile file = example();
    faults[i](file);
    EXPECT_THROW(save_network(path, file), InvalidArgument) << "fault " << i;
    EXPECT_EQ(load_network(path), example()) << "fault " << i;
  }
}

// What a damaged file may do: throw FileError or give a policy that is valid.
bool loads(const std::string& bytes) {
  try {
    require_valid(network_from_safetensors(decode_safetensors(bytes, "f"), "f"));
    return true;
  } catch (const FileError& error) {
    EXPECT_TRUE(test::begins(error.what(), "f: "));
    return false;
  }
}

TEST(NetworkFile, DamagedBytesNeverPassUnchecked) {
  const std::string bytes = encode_safetensors(network_to_safetensors(example()));
  ASSERT_TRUE(loads(bytes));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(loads(bytes.substr(0, length))) << length;
  }
  int refused = 0;
  int loaded = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {  // every bit
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ (1U << bit));
      (loads(damaged) ? loaded : refused) += 1;
    }
  }
  EXPECT_GT(refused, 3000);
  EXPECT_GT(loaded, 1000);
}

}  // namespace
}  // namespace pilqr
