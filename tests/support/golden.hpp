#pragma once
/// Reads the golden numbers of tests/golden and compares against them.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "pilqr/core/sequence.hpp"
#include "pilqr/model/linear_gaussian.hpp"
#include "pilqr/model/quadratic.hpp"

namespace pilqr::golden {

using Json = nlohmann::json;

inline Json load(const std::string& file) {
  const std::string path = std::string(PILQR_GOLDEN_DIR) + "/" + file + ".json";
  std::ifstream in(path);
  require(in.good(), "cannot open {}", path);
  return Json::parse(in);
}

inline VectorX vector(const Json& j) {
  VectorX v(static_cast<Eigen::Index>(j.size()));
  for (std::size_t i = 0; i < j.size(); ++i) v(static_cast<Eigen::Index>(i)) = j[i].get<double>();
  return v;
}

inline MatrixX matrix(const Json& j) {
  MatrixX m(static_cast<Eigen::Index>(j.size()), static_cast<Eigen::Index>(j.at(0).size()));
  for (std::size_t i = 0; i < j.size(); ++i) m.row(static_cast<Eigen::Index>(i)) = vector(j[i]);
  return m;
}

/// [T][rows] or [T][rows][cols], the first `steps` of them (all if -1).
template <int Rows, int Cols = 1, int Order = Eigen::ColMajor>
Sequence<Rows, Cols, Order> sequence(const Json& j, int steps = -1) {
  const int T = steps < 0 ? static_cast<int>(j.size()) : steps;
  const bool matrices = j.at(0).at(0).is_array();
  Sequence<Rows, Cols, Order> s(T, static_cast<int>(j.at(0).size()),
                                matrices ? static_cast<int>(j.at(0).at(0).size()) : 1);
  for (int t = 0; t < T; ++t) {
    const Json& element = j.at(static_cast<std::size_t>(t));
    s[t] = matrices ? matrix(element) : MatrixX(vector(element));
  }
  return s;
}

/// [N][T][rows] into one rows x N block per step.
template <int Rows>
Sequence<Rows, Dynamic> samples(const Json& j) {
  const int N = static_cast<int>(j.size());
  const int T = static_cast<int>(j.at(0).size());
  Sequence<Rows, Dynamic> s(T, static_cast<int>(j.at(0).at(0).size()), N);
  for (int i = 0; i < N; ++i) {
    for (int t = 0; t < T; ++t) {
      s[t].col(i) = vector(j.at(static_cast<std::size_t>(i)).at(static_cast<std::size_t>(t)));
    }
  }
  return s;
}

/// A policy of the files: `chol_pol_covar` there is the UPPER factor.
template <int Nx, int Nu>
LinearGaussianPolicy<Nx, Nu> policy(const Json& j) {
  LinearGaussianPolicy<Nx, Nu> p;
  p.K = sequence<Nu, Nx>(j.at("K"));
  p.k = sequence<Nu>(j.at("k"));
  p.L = sequence<Nu, Nu>(j.at("chol_pol_covar"));
  for (int t = 0; t < p.steps(); ++t) p.L[t] = p.L[t].transpose().eval();
  return p;
}

template <int Nx, int Nu>
LinearGaussianDynamics<Nx, Nu> dynamics(const Json& j) {
  const int T = static_cast<int>(j.at("Fm").size());
  LinearGaussianDynamics<Nx, Nu> d;
  d.F = sequence<Nx, joint_size<Nx, Nu>, Eigen::RowMajor>(j.at("Fm"), T - 1);
  d.f = sequence<Nx>(j.at("fv"), T - 1);
  d.W = sequence<Nx, Nx>(j.at("dyn_covar"), T - 1);
  return d;
}

template <int Nx, int Nu>
QuadraticCost<Nx, Nu> cost(const Json& j, int nx) {
  const int T = static_cast<int>(j.at("Cm").size());
  QuadraticCost<Nx, Nu> q(T, nx, static_cast<int>(j.at("Cm").at(0).size()) - nx);
  q.C = sequence<joint_size<Nx, Nu>, joint_size<Nx, Nu>>(j.at("Cm"));
  q.c = sequence<joint_size<Nx, Nu>>(j.at("cv"));
  q.c0 = vector(j.at("cc"));
  return q;
}

/// |actual - expected| <= tolerance * max(largest |expected|, floor), entry by entry.
template <class A, class B>
::testing::AssertionResult close(const Eigen::MatrixBase<A>& actual,
                                 const Eigen::MatrixBase<B>& expected, double tolerance,
                                 double floor = 1e-300) {
  if (actual.rows() != expected.rows() || actual.cols() != expected.cols()) {
    return ::testing::AssertionFailure()
           << "shape " << actual.rows() << "x" << actual.cols() << ", expected " << expected.rows()
           << "x" << expected.cols();
  }
  const double scale = std::max(expected.cwiseAbs().maxCoeff(), floor);
  const double error = (actual - expected).cwiseAbs().maxCoeff();
  if (error <= tolerance * scale) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "error " << error << " relative to " << scale << " is "
                                       << error / scale << " > " << tolerance << "\nactual\n"
                                       << actual << "\nexpected\n"
                                       << expected;
}

inline ::testing::AssertionResult close(double actual, double expected, double tolerance) {
  return close(Vector<1>(actual), Vector<1>(expected), tolerance);
}

template <int R, int C, int O, int R2, int C2, int O2>
::testing::AssertionResult close(const Sequence<R, C, O>& actual,
                                 const Sequence<R2, C2, O2>& expected, double tolerance,
                                 double floor = 1e-300) {
  if (actual.steps() != expected.steps()) {
    return ::testing::AssertionFailure()
           << actual.steps() << " steps, expected " << expected.steps();
  }
  for (int t = 0; t < actual.steps(); ++t) {
    auto result = close(actual[t], expected[t], tolerance, floor);
    if (!result) return result << "\nat step " << t;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace pilqr::golden
