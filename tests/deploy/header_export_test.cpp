// An exported header is compiled by the compilers there are and compared with the library.

#include "pilqr/deploy/header_export.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "deploy/header_project.hpp"
#include "support/random_problem.hpp"

namespace pilqr {
namespace {

using test::Compiler;
using test::compilers;
using test::contains;
using test::expect_header;
using test::Expected;
using test::line_of;
using test::Project;
using test::Random;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

void expect_refused(Expected& e, int status, int nu) {
  e = {status, VectorX::Constant(nu, -77.0), VectorX::Zero(nu)};
}

VectorX clipped(const VectorX& u, const VectorX& lower, const VectorX& upper) {
  return u.cwiseMax(lower).cwiseMin(upper);
}

TEST(HeaderExport, TimeVaryingPolicyIsTheLibrarysInEveryLanguage) {
  constexpr int nx = 6, nu = 3, T = 9;
  Random random(1);
  const auto policy = random.policy<Dynamic, Dynamic>(T, nx, nu);
  const VectorX lower = Vector<nu>(-0.7, -infinity, -1.5);
  const VectorX upper = Vector<nu>(0.8, 0.3, infinity);
  for (const bool single : {false, true}) {
    std::string input;
    std::vector<Expected> expected;
    for (int i = 0; i < 40; ++i) {
      VectorX x = random.vector(nx);
      if (single) x = x.cast<float>().cast<double>();
      const int t = i % (T + 2) - 1;  // one too early, one too late
      VectorX u = VectorX::Zero(nu);
      VectorX size = u;
      if (t >= 0 && t < T) {
        policy.mean(t, x, u);
        size = policy.K[t].cwiseAbs() * x.cwiseAbs() + policy.k[t].cwiseAbs();
      }
      expected.push_back({0, clipped(u, lower, upper), (single ? 1e-5 : 1e-12) * size});
      if (i % 8 == 3) x(i % nx) = i % 16 == 3 ? nan : infinity;
      if (!x.allFinite()) expect_refused(expected.back(), 2, nu);
      if (t < 0 || t >= T) expect_refused(expected.back(), 1, nu);
      input += line_of(t, x);
    }
    const std::string header = to_c_header(
        policy, {.name = "arm", .single = single, .lower = lower, .upper = upper, .dt = 0.05});
    EXPECT_TRUE(contains(header, single ? "#define ARM_DT 0.05f" : "#define ARM_DT 0.05 "));
    expect_header(header, "t, ", input, expected);
  }
}

TEST(HeaderExport, NetworkIsTheLibrarysInEveryLanguage) {
  constexpr int nx = 5, nu = 2;
  Random random(2);
  for (const bool single : {false, true}) {
    for (const Activation activation : {Activation::tanh, Activation::relu}) {
      if (!single && activation == Activation::relu) continue;  // compile time
      RandomStream stream({.seed = 7});
      NetworkPolicy policy(Mlp({nx, {20, 13}, nu, activation}, stream, 1.0));
      policy.set_normalisation({random.vector(nx), random.vector(nx).cwiseAbs().array() + 0.3});
      policy.set_limits(Vector<nu>(-0.1, -infinity), Vector<nu>(0.2, 0.25));
      std::string input;
      std::vector<Expected> expected;
      for (int i = 0; i < 40; ++i) {
        VectorX x = 2.0 * random.vector(nx);
        if (single) x = x.cast<float>().cast<double>();
        MatrixX u;
        policy.mean(x, u);
        const double tolerance = (single ? 1e-5 : 1e-12) * (1.0 + u.cwiseAbs().maxCoeff());
        expected.push_back({0, clipped(u.col(0), policy.lower(), policy.upper()),
                            VectorX::Constant(nu, tolerance)});
        if (i % 8 == 3) x(i % nx) = i % 16 == 3 ? nan : -infinity;
        if (!x.allFinite()) expect_refused(expected.back(), 2, nu);
        input += line_of(0, x);
      }
      expect_header(to_c_header(policy, {.name = "arm", .single = single}), "", input, expected);
    }
  }
}

/// The numbers between braces after a name, in their order.
std::vector<std::string> constants_of(const std::string& header, const std::string& name) {
  const std::size_t begin = header.find('=', header.find(name));
  std::string text = header.substr(begin + 1, header.find(';', begin) - begin - 1);
  for (char& c : text) {
    if (c == '{' || c == '}' || c == ',') c = ' ';
  }
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

TEST(HeaderExport, ConstantsAreTheNumbersThemselves) {
  LinearGaussianPolicy<> policy(2, 4, 3);
  policy.K.set_zero();
  policy.k.set_zero();
  for (int t = 0; t < 2; ++t) policy.L[t].setIdentity();
  policy.K[1] << 0.1, 1.0 / 3.0, -1e20, 1e-20, 123456789.0, -0.0, DBL_MIN, DBL_TRUE_MIN, 1e16,
      -2.5e-7, 1.0, std::nextafter(1.0, 2.0);
  std::string header = to_c_header(policy, {.test_vectors = 1});
  auto words = constants_of(header, "policy_real K[2]");
  ASSERT_EQ(words.size(), 24U);
  for (int i = 0; i < 12; ++i) {
    const double value = std::strtod(words[static_cast<std::size_t>(12 + i)].c_str(), nullptr);
    EXPECT_EQ(value, policy.K[1](i / 4, i % 4));
    EXPECT_EQ(std::signbit(value), std::signbit(policy.K[1](i / 4, i % 4)));
  }
  header = to_c_header(policy, {.single = true, .test_vectors = 1});
  words = constants_of(header, "policy_real K[2]");
  ASSERT_EQ(words.size(), 24U);
  for (int i = 0; i < 12; ++i) {
    const std::string& word = words[static_cast<std::size_t>(12 + i)];
    EXPECT_EQ(word.back(), 'f');
    EXPECT_EQ(std::strtof(word.c_str(), nullptr), static_cast<float>(policy.K[1](i / 4, i % 4)));
  }
  // A limit of a float is never beyond that of the policy.
  for (const double limit : {0.1, 0.3, 1.0 / 3.0, 1e-3, 2.0}) {
    const std::string text = to_c_header(policy, {.single = true,
                                                  .lower = VectorX::Constant(3, -limit),
                                                  .upper = VectorX::Constant(3, limit)});
    const auto after = [&](const char* what) {
      return std::strtof(text.c_str() + text.find(what) + std::string(what).size(), nullptr);
    };
    const float upper = after("if (v[0] > ");
    EXPECT_LE(upper, limit);
    EXPECT_GT(std::nextafter(upper, 10.0F), limit);
    EXPECT_EQ(after("if (v[0] < "), -upper);
  }
}

TEST(HeaderExport, TheSelfTestFindsAChangedConstantAndFastMath) {
  const std::vector<Compiler> all = compilers();
  ASSERT_FALSE(all.empty());
  Random random(3);
  RandomStream stream({.seed = 8});
  const std::string varying =
      to_c_header(random.policy<Dynamic, Dynamic>(4, 3, 2), {.name = "arm"});
  const std::string learnt =
      to_c_header(NetworkPolicy(Mlp({3, {5}, 2}, stream, 1.0)), {.name = "arm"});
  Project project;
  project.write("main.c",
                "#include <stdio.h>\n#include \"arm.h\"\n"
                "int main(void) { printf(\"%d\\n\", arm_self_test()); return 0; }\n");
  const auto result_of = [&](const std::string& header, const char* options) {
    project.write("arm.h", header);
    EXPECT_TRUE(project.compile(all.front(), options)) << project.log();
    EXPECT_TRUE(project.run_it());
    return project.numbers().at(0);
  };
  const auto changed = [](std::string header, const std::string& name) {
    const std::string first = constants_of(header, name).front();
    const std::size_t place = header.find(first, header.find(name));
    const double other = std::strtod(first.c_str(), nullptr) + 1e-9;
    return header.replace(place, first.size(), fmt::format("{}", other));
  };
  EXPECT_EQ(result_of(varying, ""), 0);
  EXPECT_GT(result_of(changed(varying, "arm_real K"), ""), 0);
  EXPECT_GT(result_of(changed(varying, "arm_real k"), ""), 0);
  EXPECT_EQ(result_of(learnt, ""), 0);
  for (const char* table : {"mean", "scale", "W_0", "b_0", "W_1", "b_1"}) {
    EXPECT_GT(result_of(changed(learnt, std::string("arm_real ") + table), ""), 0) << table;
  }
  if (all.front().path.find("gcc") != std::string::npos) {
    EXPECT_EQ(result_of(varying, "-O2 -ffast-math"), -1);
  }
}

/// The self-test's tolerances of a network of float, and what the controls are really off by there.
struct Tolerances {
  double least, greatest;
};
Tolerances tolerances_of(const NetworkPolicy& policy) {
  const std::string header = to_c_header(policy, {.name = "arm", .single = true});
  Tolerances out{infinity, 0.0};
  for (const std::string& word : constants_of(header, "arm_real tolerance")) {
    const double value = std::strtod(word.c_str(), nullptr);
    out = {std::min(out.least, value), std::max(out.greatest, value)};
  }
  return out;
}

// The magnitudes through all layers, as if all terms had one sign, would allow 7e-4.
TEST(HeaderExport, TheSelfTestOfAWideNetworkIsTight) {
  RandomStream stream({.seed = 9});
  for (const Activation activation : {Activation::tanh, Activation::relu}) {
    NetworkPolicy policy(Mlp({26, {100, 100}, 7, activation}, stream, 1.0));
    const Tolerances tolerances = tolerances_of(policy);
    EXPECT_LT(tolerances.greatest, 2e-4);
    EXPECT_GT(tolerances.least, 1e-6) << "below what float can hold of sums of 100 terms";
    Project project;
    project.write("arm.h", to_c_header(policy, {.name = "arm", .single = true}));
    project.write("main.c", "#include \"arm.h\"\nint main(void) { return arm_self_test(); }\n");
    for (const Compiler& compiler : {compilers().front(), compilers().back()}) {
      EXPECT_TRUE(project.compile(compiler, "-O2") && project.run_it()) << project.log();
    }
  }
  // Saturated units pass no error on, however great the weights before them.
  NetworkPolicy saturated(Mlp({4, {50, 50}, 1}, stream, 1.0));
  Mlp network = saturated.network();
  network.weight(0) *= 1000.0;
  network.weight(1) *= 1000.0;
  network.bias(1).setConstant(1e5);
  saturated = NetworkPolicy(network);
  EXPECT_LT(tolerances_of(saturated).greatest, 1e-3);
}

TEST(HeaderExport, SizesOfOneAndTwoHeadersInOneProgram) {
  RandomStream stream({.seed = 8});
  Random random(4);
  Project project;
  project.write("a.h", to_c_header(random.policy<Dynamic, Dynamic>(1, 1, 1),
                                   {.name = "a", .test_vectors = 1}));
  project.write("b.h", to_c_header(NetworkPolicy(Mlp({1, {}, 1}, stream, 1.0)), {.name = "b"}));
  project.write("main.c",
                "#include \"a.h\"\n#include \"b.h\"\n#include \"a.h\"\n"
                "int main(void) { return a_self_test() != 0 || b_self_test() != 0; }\n");
  for (const Compiler& compiler : compilers()) {
    EXPECT_TRUE(project.compile(compiler) && project.run_it()) << project.log();
  }
  project.write("main.c", "#include \"a.h\"\n#include \"b.h\"\nint main(void) { return 0; }\n");
  for (const Compiler& compiler : compilers()) {
    EXPECT_TRUE(project.compile(compiler)) << "functions that nobody uses: " << project.log();
  }
}

TEST(HeaderExport, TextFromOutsideStaysInTheComment) {
  Random random(5);
  Project project;
  project.write("arm.h", to_c_header(random.policy<Dynamic, Dynamic>(2, 2, 1),
                                     {.name = "arm", .about = "*/ #error \\\n@ $ \?\?/ \x80 /*"}));
  project.write("main.c", "#include \"arm.h\"\nint main(void) { return arm_self_test(); }\n");
  for (const Compiler& compiler : {compilers().front(), compilers().back()}) {
    EXPECT_TRUE(project.compile(compiler) && project.run_it()) << project.log();
  }
}

TEST(HeaderExport, MisuseThrows) {
  Random random(6);
  const auto policy = random.policy<Dynamic, Dynamic>(2, 2, 1);
  RandomStream stream({.seed = 8});
  const NetworkPolicy network(Mlp({2, {3}, 1}, stream));
  const auto refused = [&](const HeaderOptions& options) {
    EXPECT_THROW((void)to_c_header(policy, options), InvalidArgument) << options.name;
    EXPECT_THROW((void)to_c_header(network, options), InvalidArgument) << options.name;
  };
  for (const char* name : {"", "1a", "_a", "a b", "a-b", "a__b", "\xc3\xa4", "a;", "a/b", "a_",
                           "a23456789a123456789a123456789a123456789a1"}) {
    refused({.name = name});
  }
  refused({.lower = VectorX::Zero(2)});
  refused({.upper = VectorX::Constant(1, nan)});
  refused({.lower = VectorX::Constant(1, 1.0), .upper = VectorX::Constant(1, 0.0)});
  refused({.dt = -1.0});
  refused({.dt = nan});
  refused({.test_vectors = 0});
  auto bad = policy;
  bad.K[1](0, 1) = nan;
  EXPECT_THROW((void)to_c_header(bad), InvalidArgument);
  bad.K[1](0, 1) = 1e39;
  EXPECT_THROW((void)to_c_header(bad, {.single = true}), InvalidArgument);
  NetworkPolicy small = network;
  small.set_normalisation({VectorX::Zero(2), VectorX::Constant(2, 1e-60)});
  EXPECT_THROW((void)to_c_header(small, {.single = true}), InvalidArgument);
}

}  // namespace
}  // namespace pilqr
