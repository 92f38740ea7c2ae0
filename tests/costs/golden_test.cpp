// Against the golden data: ramps, norms of identity and general residuals, cost terms, sums.

#include "cost_checks.hpp"
#include "pilqr/costs/action_cost.hpp"
#include "pilqr/costs/cost_sum.hpp"
#include "pilqr/costs/ramp.hpp"
#include "pilqr/costs/region_cost.hpp"
#include "pilqr/costs/residual_cost.hpp"
#include "pilqr/costs/state_cost.hpp"

namespace pilqr {
namespace {

using golden::close;
using golden::Json;
using test::expansion;

constexpr double tolerance = 1e-9;

Ramp ramp_of(const std::string& name) {
  if (name == "constant") return Ramp::constant;
  if (name == "linear") return Ramp::linear;
  if (name == "quadratic") return Ramp::quadratic;
  require(name == "final_only", "ramp {}", name);
  return Ramp::final_only;
}

TEST(CostsGolden, Ramps) {
  const Json j = golden::load("l_ramp_multiplier");
  for (const int T : {5, 20, 100}) {
    for (const char* ramp : {"constant", "linear", "quadratic", "final_only"}) {
      for (const int final : {1, 10}) {
        const std::string key = fmt::format("T{}_{}_final{}", T, ramp, final);
        EXPECT_TRUE(close(ramp_multipliers(ramp_of(ramp), T, final),
                          golden::vector(j.at("outputs").at(key)), 1e-15))
            << key;
      }
    }
  }
}

/// d(x) with the value, Jacobian and second derivatives of the file at x = 0.
struct QuadraticResidual {
  VectorX d;
  MatrixX J;                    // D x nx
  std::vector<MatrixX> second;  // D of nx x nx

  int size() const { return rows(d); }
  void operator()(int, const ConstVectorRef& x, const ConstVectorRef&, VectorRef out) const {
    for (int i = 0; i < size(); ++i) {
      out(i) = d(i) + J.row(i).dot(x) + 0.5 * x.dot(second[static_cast<std::size_t>(i)] * x);
    }
  }
  void jacobian(int, const ConstVectorRef& x, const ConstVectorRef&, MatrixRef out) const {
    for (int i = 0; i < size(); ++i) {
      out.row(i) = J.row(i) + (second[static_cast<std::size_t>(i)] * x).transpose();
    }
  }
  void add_second_derivatives(int, const ConstVectorRef&, const ConstVectorRef&,
                              const ConstVectorRef& g, MatrixRef H) const {
    for (int i = 0; i < size(); ++i) H += g(i) * second[static_cast<std::size_t>(i)];
  }
};
static_assert(Residual<QuadraticResidual>);

class NormsGolden : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Sizes, NormsGolden, ::testing::Values("small", "medium"));

TEST_P(NormsGolden, IdentityAndGeneralResiduals) {
  const Json j = golden::load(std::string("l_l1l2_logl2_terms_") + GetParam());
  const Json& in = j.at("inputs");
  const MatrixX wp = golden::matrix(in.at("wp"));
  const MatrixX d = golden::matrix(in.at("d"));
  const int T = rows(d);
  int cases = 0;
  for (const auto& [key, expected] : j.at("outputs").items()) {
    const NormOptions norm{.kind = key.starts_with("logl2") ? NormKind::log : NormKind::l1,
                           .l1 = expected.at("l1").get<double>(),
                           .l2 = expected.at("l2").get<double>(),
                           .alpha = expected.at("alpha").get<double>()};
    const bool general = key.ends_with("general");
    for (int t = 0; t < T; ++t) {
      const auto at = static_cast<std::size_t>(t);
      const VectorX w = wp.row(t);
      CostExpansion out;
      double value = 0.0;
      if (general) {
        QuadraticResidual residual{d.row(t), golden::matrix(in.at("Jd").at(at)), {}};
        for (const Json& m : in.at("Jdd").at(at)) residual.second.push_back(golden::matrix(m));
        const VectorX x = VectorX::Zero(residual.J.cols());
        const ResidualCost cost(residual, {.weights = w, .norm = norm});
        out = expansion(cost, t, x, VectorX(0));
        value = cost(t, x, VectorX(0));
      } else {
        const StateCost cost({.target = VectorX::Zero(d.cols()), .weights = w, .norm = norm});
        out = expansion(cost, t, d.row(t), VectorX(0));
        value = cost(t, VectorX(d.row(t)), VectorX(0));
        // The identity residual in general form.
        const QuadraticResidual residual{d.row(t), MatrixX::Identity(d.cols(), d.cols()),
                                         std::vector<MatrixX>(static_cast<std::size_t>(d.cols()),
                                                              MatrixX::Zero(d.cols(), d.cols()))};
        const CostExpansion same = expansion(ResidualCost(residual, {.weights = w, .norm = norm}),
                                             t, VectorX::Zero(d.cols()), VectorX(0));
        EXPECT_TRUE(close(same.gradient, out.gradient, 1e-12, 1e-300)) << key << " " << t;
        EXPECT_TRUE(close(same.hessian, out.hessian, 1e-12, 1e-300)) << key << " " << t;
      }
      EXPECT_TRUE(close(out.value, expected.at("l").at(at).get<double>(), tolerance)) << key;
      EXPECT_EQ(value, out.value);
      EXPECT_TRUE(close(out.gradient, golden::vector(expected.at("lx").at(at)), tolerance)) << key;
      EXPECT_TRUE(close(out.hessian, golden::matrix(expected.at("lxx").at(at)), tolerance)) << key;
      ++cases;
    }
  }
  EXPECT_EQ(cases, 16 * T);
}

class CostsGolden : public ::testing::TestWithParam<const char*> {
 protected:
  CostsGolden() : json_(golden::load(std::string("l_costs_") + GetParam())) {}

  int start(const std::string& type) const {
    return json_.at("inputs").at("state_layout_start_end").at(type).at(0).get<int>();
  }

  /// The sum of the terms of one "state_..." configuration.
  CostSum state_cost(const std::string& name, int T) const {
    const Json& config = json_.at("inputs").at("configs").at(name);
    CostSum sum;
    for (const auto& [type, term] : config.at("terms").items()) {
      sum.add(1.0, StateCost({.start = start(type),
                              .target = golden::vector(term.at("target")),
                              .weights = golden::vector(term.at("wp")),
                              .multipliers =
                                  ramp_multipliers(ramp_of(config.at("ramp").get<std::string>()), T,
                                                   config.at("wp_final_multiplier").get<double>()),
                              .norm = {.l1 = config.at("l1").get<double>(),
                                       .l2 = config.at("l2").get<double>(),
                                       .alpha = config.at("alpha").get<double>()}}));
    }
    return sum;
  }

  Json json_;
};
INSTANTIATE_TEST_SUITE_P(Sizes, CostsGolden, ::testing::Values("small", "medium"));

TEST_P(CostsGolden, Terms) {
  const Json& in = json_.at("inputs");
  const Json& configs = in.at("configs");
  const MatrixX X = golden::matrix(in.at("X"));
  const MatrixX U = golden::matrix(in.at("U"));
  const int T = rows(X);
  const int nx = cols(X);
  const int nu = cols(U);

  const ActionCost action({.weights = golden::vector(configs.at("action").at("wu"))});
  const Json& r = configs.at("binary_region");
  const RegionCost region({.start = start(r.at("on").get<std::string>()),
                           .center = golden::vector(r.at("target")),
                           .radius = r.at("max_distance").get<double>(),
                           .inside = r.at("inside_cost").get<double>(),
                           .outside = r.at("outside_cost").get<double>()});
  const Json& s = configs.at("sum");
  const VectorX weights = golden::vector(s.at("weights"));
  CostSum sum;
  sum.add(weights(0), StateCost({.start = start("ee"),
                                 .target = golden::vector(s.at("state_target")),
                                 .weights = golden::vector(s.at("state_wp")),
                                 .norm = {.l1 = 0.1, .l2 = 10.0, .alpha = 1e-5}}))
      .add(weights(1), action)
      .add(weights(2), region);

  const std::vector<std::pair<std::string, AnyCost>> costs{
      {"state_l2", state_cost("state_l2", T)},
      {"state_l1l2_quadramp_final5", state_cost("state_l1l2_quadramp_final5", T)},
      {"state_two_types", state_cost("state_two_types", T)},
      {"action", action},
      {"binary_region", region},
      {"sum", sum}};
  for (const auto& [name, cost] : costs) {
    SCOPED_TRACE(name);
    const Json& expected = json_.at("outputs").at(name);
    for (int t = 0; t < T; ++t) {
      const auto at = static_cast<std::size_t>(t);
      const VectorX x = X.row(t);
      const VectorX u = U.row(t);
      EXPECT_TRUE(close(cost(t, x, u), expected.at("l").at(at).get<double>(), tolerance));
      VectorX gradient(nx + nu);
      gradient << golden::vector(expected.at("lx").at(at)),
          golden::vector(expected.at("lu").at(at));
      MatrixX hessian(nx + nu, nx + nu);
      const MatrixX lux = golden::matrix(expected.at("lux").at(at));
      hessian << golden::matrix(expected.at("lxx").at(at)), lux.transpose(), lux,
          golden::matrix(expected.at("luu").at(at));
      const CostExpansion out = expansion(cost, t, x, u);
      EXPECT_TRUE(close(out.gradient, gradient, tolerance));
      EXPECT_TRUE(close(out.hessian, hessian, tolerance));
    }
  }
}

}  // namespace
}  // namespace pilqr
