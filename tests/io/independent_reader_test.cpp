// A policy file as another program reads it: a reader written from the format's specification
// (https://huggingface.co/docs/safetensors), which shares nothing with the library's own.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pilqr/io/policy_file.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

struct Tensor {
  std::vector<std::size_t> shape;
  std::vector<double> values;  // row-major
};

struct Contents {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// 8 bytes: N, little-endian; N bytes: JSON; the rest: data, at the offsets that the JSON names.
Contents read_by_specification(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) {
    length = 256 * length + static_cast<unsigned char>(all.at(i));
  }
  const auto json = nlohmann::json::parse(all.substr(8, length));
  const std::string data = all.substr(8 + length);
  Contents contents;
  std::size_t covered = 0;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") {
      contents.metadata = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    EXPECT_EQ(entry.at("dtype"), "F64") << name;
    Tensor tensor;
    std::size_t count = 1;
    for (const auto& size : entry.at("shape")) {
      tensor.shape.push_back(size);
      count *= tensor.shape.back();
    }
    const std::size_t begin = entry.at("data_offsets").at(0);
    const std::size_t end = entry.at("data_offsets").at(1);
    EXPECT_EQ(end - begin, 8 * count) << name;
    for (std::size_t at = begin; at < end; at += 8) {
      std::uint64_t bits = 0;
      for (std::size_t i = 8; i-- > 0;) {
        bits = 256 * bits + static_cast<unsigned char>(data.at(at + i));
      }
      double value = 0.0;
      std::memcpy(&value, &bits, sizeof value);
      tensor.values.push_back(value);
    }
    covered += end - begin;
    contents.tensors[name] = tensor;
  }
  EXPECT_EQ(covered, data.size()) << "data without gaps, nothing behind it";
  return contents;
}

TEST(IndependentReader, ReadsThePoliciesAndActsLikeThem) {
  constexpr int T = 5;
  constexpr int nx = 3;
  constexpr int nu = 2;
  test::Random random(21);
  PolicyFile file;
  file.task = "reacher";
  file.algorithm = "pilqr";
  file.dt = 0.05;
  file.seed = 7;
  file.conditions = {2, 0};
  for (int m = 0; m < 2; ++m) file.policies.push_back(random.policy<Dynamic, Dynamic>(T, nx, nu));
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "pilqr_independent_reader.safetensors";
  save_policy(path, file);
  const Contents contents = read_by_specification(path);
  std::filesystem::remove(path);

  EXPECT_EQ(contents.metadata.at("format"), "pilqr.tvlg_policy");
  EXPECT_EQ(contents.metadata.at("conditions"), "2,0");
  EXPECT_EQ(std::stod(contents.metadata.at("dt")), 0.05);
  EXPECT_EQ(contents.tensors.size(), 6U);
  const VectorX x = random.vector(nx);
  const VectorX xi = random.vector(nu);
  for (std::size_t m = 0; m < 2; ++m) {
    const std::string prefix = "condition_" + std::to_string(file.conditions[m]) + "/";
    const Tensor& K = contents.tensors.at(prefix + "K");
    const Tensor& k = contents.tensors.at(prefix + "k");
    const Tensor& L = contents.tensors.at(prefix + "L");
    EXPECT_EQ(K.shape, (std::vector<std::size_t>{T, nu, nx}));
    EXPECT_EQ(k.shape, (std::vector<std::size_t>{T, nu}));
    EXPECT_EQ(L.shape, (std::vector<std::size_t>{T, nu, nu}));
    const LinearGaussianPolicy<>& policy = file.policies[m];
    std::size_t K_at = 0;
    std::size_t k_at = 0;
    std::size_t L_at = 0;
    for (int t = 0; t < T; ++t) {
      VectorX u(nu);
      policy.act(t, x, xi, u);
      for (int i = 0; i < nu; ++i) {
        EXPECT_EQ(k.values.at(k_at), policy.k[t](i)) << t << " " << i;
        double sum = k.values.at(k_at++);
        for (int j = 0; j < nx; ++j) {
          EXPECT_EQ(K.values.at(K_at), policy.K[t](i, j)) << t << " " << i << " " << j;
          sum += K.values.at(K_at++) * x(j);
        }
        for (int j = 0; j < nu; ++j) {
          EXPECT_EQ(L.values.at(L_at), policy.L[t](i, j)) << t << " " << i << " " << j;
          sum += L.values.at(L_at++) * xi(j);
        }
        EXPECT_NEAR(sum, u(i), 1e-13 * (1.0 + std::abs(u(i))));
      }
    }
  }
}

}  // namespace
}  // namespace pilqr
