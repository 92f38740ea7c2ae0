#include "pilqr/deploy/header_export.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "c_text.hpp"
#include "pilqr/core/check.hpp"

namespace pilqr {
namespace {

struct Limits {
  VectorX lower, upper;  // nu, infinite: none
};

/// Those of the options and of the policy, as the header's numbers.
Limits limits_of(const HeaderOptions& options, const CText& c, Limits own) {
  for (int i = 0; i < rows(own.lower); ++i) {
    if (options.lower.size() > 0) own.lower(i) = std::max(own.lower(i), options.lower(i));
    if (options.upper.size() > 0) own.upper(i) = std::min(own.upper(i), options.upper(i));
    own.lower(i) = c.rounded_up(own.lower(i));
    own.upper(i) = c.rounded_down(own.upper(i));
    require(own.lower(i) <= own.upper(i), "export: limits of control {} are {} and {}", i,
            own.lower(i), own.upper(i));
  }
  return own;
}

/// Text that can end neither a comment nor a line.
std::string for_comment(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 32 || byte > 126 || c == '*' || c == '/' || c == '\\' || c == '@' || c == '$' ||
        c == '?') {
      c = '.';
    }
  }
  return text;
}

void begin(CText& c, const HeaderOptions& options, const std::string& what, int nx, int nu,
           bool math) {
  c.add("/* " + what + '\n');
  if (!options.about.empty()) c.add("   " + for_comment(options.about) + '\n');
  c.add(fmt::format(
      "   Made by pilqr. */\n\n{}typedef {} @_real;\n#define $_NX {}\n#define $_NU {}\n",
      math ? "#include <math.h>\n\n" : "", c.real(), nx, nu));
  if (options.dt > 0.0) c.add(fmt::format("#define $_DT {} /* s */\n", c.number(options.dt)));
}

/// The end of @_act: from the control v to u.
void write_control(CText& c, const Limits& limits) {
  const std::string zero = c.number(0.0);
  c.add(
      fmt::format("  for (i = 0; i < $_NU; ++i)\n    if (!(v[i] - v[i] == {})) return 2;\n", zero));
  for (int i = 0; i < rows(limits.lower); ++i) {
    const auto bound = [&](char relation, double limit) {
      if (!std::isfinite(limit)) return;
      c.add(fmt::format("  if (v[{0}] {1} {2}) v[{0}] = {2};\n", i, relation, c.number(limit)));
    };
    bound('<', limits.lower(i));
    bound('>', limits.upper(i));
  }
  c.add("  for (i = 0; i < $_NU; ++i) u[i] = v[i];\n  return 0;\n}\n\n");
}

void check_state(CText& c) {
  c.add(fmt::format("  for (j = 0; j < $_NX; ++j)\n    if (!(x[j] - x[j] == {})) return 2;\n",
                    c.number(0.0)));
}

/// States with their controls, one in a row.
struct TestVectors {
  VectorX t;
  MatrixX x;          // vectors x nx
  MatrixX u;          // vectors x nu, from the library
  MatrixX tolerance;  // vectors x nu
};

double relative_tolerance(const HeaderOptions& options) {
  return options.single ? 1e-5 : 1e-12;
}

/// `control(t, x, u, magnitudes)` gives the library's control, without limits, and the sums of the
/// magnitudes of what is added up for it: rounding is relative to those.
template <class Control>
TestVectors make_test_vectors(const HeaderOptions& options, const Limits& limits, int steps, int nx,
                              const Control& control) {
  const int V = options.test_vectors;
  const int nu = rows(limits.lower);
  TestVectors out{VectorX(V), MatrixX(V, nx), MatrixX(V, nu), MatrixX(V, nu)};
  for (int v = 0; v < V; ++v) {
    const int t = V == 1 ? 0 : static_cast<int>(std::int64_t{v} * (steps - 1) / (V - 1));
    VectorX x(nx);
    VectorX u(nu);
    VectorX magnitudes(nu);
    for (int j = 0; j < nx; ++j) {  // spread evenly over -2..2
      const double turns = (static_cast<double>(v) * nx + j + 1.0) * std::numbers::phi;
      x(j) = 4.0 * (turns - std::floor(turns)) - 2.0;
    }
    x *= std::pow(10.0, -(v % 3));  // a large state may leave nothing to see but the limits
    if (options.single) x = x.cast<float>().cast<double>();
    control(t, x, u, magnitudes);
    require(u.allFinite() && magnitudes.allFinite(), "export: the control of a test state is {}",
            u.sum());
    out.t(v) = t;
    out.x.row(v) = x.transpose();
    out.u.row(v) = u.cwiseMax(limits.lower).cwiseMin(limits.upper).transpose();
    out.tolerance.row(v) = relative_tolerance(options) * magnitudes.transpose();
  }
  return out;
}

/// @_self_test and the end of the header.
void finish(CText& c, const HeaderOptions& options, const TestVectors& vectors, bool timed) {
  c.add(
      fmt::format("/* 0: the controls agree with those of pilqr to {} of the magnitudes that are "
                  "summed.\n   v + 1: test vector v does not. -1: NaN is not refused, as under "
                  "-ffast-math. */\nstatic inline int @_self_test(void) {{\n",
                  relative_tolerance(options)));
  if (timed) {
    std::string times;
    for (const double t : vectors.t) times += fmt::format("{}{}", times.empty() ? "" : ", ", t);
    c.add(fmt::format("  static const int time[{}] = {{{}}};\n", rows(vectors.t), times));
  }
  c.table("state", vectors.x);
  c.table("control", vectors.u);
  c.table("tolerance", vectors.tolerance);
  c.add(fmt::format(R"(  volatile @_real zero = {0};
  @_real x[$_NX];
  @_real u[$_NU];
  int i, v;
  for (v = 0; v < {1}; ++v) {{
    if (@_act({2}state[v], u) != 0) return v + 1;
    for (i = 0; i < $_NU; ++i) {{
      const @_real d = u[i] - control[v][i];
      if (!(d <= tolerance[v][i] && -d <= tolerance[v][i])) return v + 1;
    }}
  }}
  for (i = 0; i < $_NX; ++i) x[i] = state[0][i];
  x[$_NX - 1] = zero / zero;
  return @_act({3}x, u) == 2 ? 0 : -1;
}}
)",
                    c.number(0.0), rows(vectors.t), timed ? "time[v], " : "", timed ? "0, " : ""));
}

/// The entries that a network sees: their values, and the magnitudes that each is the sum of.
struct Seen {
  VectorX o, magnitudes;  // nx + ne
};

Seen see(const Observation& observation, const VectorX& x) {
  const int nx = rows(x);
  Seen seen{VectorX(nx + observation.extra()), VectorX(nx + observation.extra())};
  observation.see(x, seen.o);
  Observation{observation.H.cwiseAbs(), observation.h.cwiseAbs()}.see(x.cwiseAbs(),
                                                                      seen.magnitudes);
  return seen;
}

/// Bound of rounding in a network, to first order, as magnitudes for `relative`: each sum s of a
/// layer may be off by `relative` times the magnitudes of its terms, and a control by |du/ds| times
/// that. A sum of n terms is off by at most n + 1 roundings; the others are those of the constants
/// and of tanh.
VectorX network_magnitudes(const NetworkPolicy& policy, const Seen& seen, double relative,
                           double unit_roundoff) {
  const Normalisation& n = policy.normalisation();
  const Mlp& network = policy.network();
  const int L = network.shape().layers();
  VectorX a = (seen.o - n.mean).cwiseQuotient(n.scale);
  std::vector<VectorX> magnitudes, slopes;  // per layer, its outputs
  for (int l = 0; l < L; ++l) {
    const VectorX s = network.weight(l) * a + network.bias(l);
    const double most = std::max(1.0, (rows(a) + 8) * unit_roundoff / relative);
    magnitudes.push_back(
        most * (network.weight(l).cwiseAbs() * a.cwiseAbs() + network.bias(l).cwiseAbs()));
    if (network.shape().activation == Activation::tanh) {
      a = s.array().tanh();
      slopes.push_back(1.0 - a.array().square());
    } else {
      a = s.cwiseMax(0.0);
      // Rounding may turn on what is just off.
      slopes.push_back((s.array() > -relative * magnitudes.back().array()).cast<double>());
    }
  }
  MatrixX J = MatrixX::Identity(policy.nu(), policy.nu());  // du/ds_l, nu x outputs of layer l
  VectorX out = VectorX::Zero(policy.nu());
  for (int l = L - 1; l >= 0; --l) {
    out += J.cwiseAbs() * magnitudes[static_cast<std::size_t>(l)];
    J = (J * network.weight(l)).eval();
    if (l > 0) J = (J * slopes[static_cast<std::size_t>(l - 1)].asDiagonal()).eval();
  }
  return out + J.cwiseAbs() * (seen.magnitudes + n.mean.cwiseAbs()).cwiseQuotient(n.scale);
}

/// What the network sees of x into o, if that is more than x.
void write_observation(CText& c, const Observation& observation) {
  if (observation.extra() == 0) return;
  const int ne = observation.extra();
  c.add(fmt::format(
      "  for (j = 0; j < $_NX; ++j) o[j] = x[j];\n"
      "  for (i = 0; i < {}; ++i) {{\n    @_real s = h[i];\n{}"
      "    o[$_NX + i] = s;\n  }}\n",
      ne,
      observation.H.size() == 0 ? "" : "    for (j = 0; j < $_NX; ++j) s += H[i][j] * x[j];\n"));
}

/// The layers of a network one after the other, from a_0 on.
void write_layers(CText& c, const Mlp& network, bool single) {
  const MlpShape& shape = network.shape();
  for (int l = 0; l < shape.layers(); ++l) {
    const bool last = l + 1 == shape.layers();
    const std::string out = last ? "v" : fmt::format("a_{}", l + 1);
    std::string unit = "s";
    if (!last) {
      unit = shape.activation == Activation::tanh ? (single ? "tanhf(s)" : "tanh(s)")
                                                  : fmt::format("s < {0} ? {0} : s", c.number(0.0));
    }
    c.add(
        fmt::format("  for (i = 0; i < {}; ++i) {{\n    @_real s = b_{}[i];\n"
                    "    for (j = 0; j < {}; ++j) s += W_{}[i][j] * a_{}[j];\n"
                    "    {}[i] = {};\n  }}\n",
                    shape.layer_outputs(l), l, shape.layer_inputs(l), l, l, out, unit));
  }
}

}  // namespace

void require_valid(const HeaderOptions& o, int nu) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  bool valid = !o.name.empty() && o.name.size() <= 40 && letter(o.name.front()) &&
               o.name.back() != '_' && o.name.find("__") == std::string::npos;
  for (const char c : o.name) valid = valid && (letter(c) || (c >= '0' && c <= '9') || c == '_');
  require(valid,
          "export: the name is \"{}\", expected a letter, then letters, digits and single "
          "underscores, none at the end, at most 40",
          o.name);
  const auto sized = [nu](const VectorX& limits) {
    return limits.size() == 0 || rows(limits) == nu;
  };
  require(sized(o.lower) && sized(o.upper), "export: {} lower and {} upper limits, expected {}",
          rows(o.lower), rows(o.upper), nu);
  for (const VectorX* limits : {&o.lower, &o.upper}) {
    for (const double limit : *limits) {
      require(!std::isnan(limit), "export: a limit of the controls is {}", limit);
    }
  }
  require(std::isfinite(o.dt) && o.dt >= 0.0, "export: dt is {} s, expected >= 0", o.dt);
  require(o.test_vectors >= 1, "export: test_vectors is {}, expected at least 1", o.test_vectors);
}

std::string to_c_header(const LinearGaussianPolicy<>& policy, const HeaderOptions& options) {
  require_valid(policy, "export");
  require(options.observation.extra() == 0, "export: an observation of a time-varying policy");
  const int T = policy.steps();
  const int nx = policy.nx();
  const int nu = policy.nu();
  require_valid(options, nu);
  CText c(options.name, options.single);
  const Limits limits =
      limits_of(options, c, {VectorX::Constant(nu, -infinity), VectorX::Constant(nu, infinity)});
  begin(c, options,
        fmt::format("Mean of a time-varying linear-Gaussian policy, u = K_t x + k_t: {} steps, {} "
                    "states, {} controls.",
                    T, nx, nu),
        nx, nu, false);
  c.add(fmt::format("#define $_STEPS {}\n\n", T));
  c.add(
      "/* The control u (nu) at state x (nx) and step t, within the limits. 0: done; 1: t is not "
      "one of\n   0..$_STEPS-1; 2: x or the control is not finite. Unless 0, u stays as it was. "
      "*/\nstatic inline int @_act(int t, const @_real *x, @_real *u) {\n");
  c.tables("K", policy.K);
  MatrixX k(T, nu);
  for (int t = 0; t < T; ++t) k.row(t) = policy.k[t].transpose();
  c.table("k", k);
  c.add("  @_real v[$_NU];\n  int i, j;\n  if (t < 0 || t >= $_STEPS) return 1;\n");
  check_state(c);
  c.add(
      "  for (i = 0; i < $_NU; ++i) {\n    @_real s = k[t][i];\n"
      "    for (j = 0; j < $_NX; ++j) s += K[t][i][j] * x[j];\n    v[i] = s;\n  }\n");
  write_control(c, limits);
  const auto control = [&](int t, const VectorX& x, VectorX& u, VectorX& magnitudes) {
    policy.mean(t, x, u);
    magnitudes = policy.K[t].cwiseAbs() * x.cwiseAbs() + policy.k[t].cwiseAbs();
  };
  finish(c, options, make_test_vectors(options, limits, T, nx, control), true);
  return c.guarded();
}

std::string to_c_header(const NetworkPolicy& policy, const HeaderOptions& options) {
  const Mlp& network = policy.network();
  const MlpShape& shape = network.shape();
  const Normalisation& normalisation = policy.normalisation();
  require(network.parameters().allFinite(), "export: the network has a NaN or infinite parameter");
  require_valid(options, policy.nu());
  CText c(options.name, options.single);
  const Limits limits = limits_of(options, c, {policy.lower(), policy.upper()});
  const bool math = shape.activation == Activation::tanh && shape.layers() > 1;
  for (const double scale : normalisation.scale) {
    require(!options.single || static_cast<float>(scale) > 0.0F,
            "export: the normalisation's scale {} is too small for a float", scale);
  }
  const Observation& observation = options.observation;
  const int nx = policy.nx() - observation.extra();
  require(nx >= 1, "export: the network sees {} entries, {} of them from the observation",
          policy.nx(), observation.extra());
  require_valid(observation, nx);
  const bool more = observation.extra() > 0;
  begin(c, options,
        fmt::format(
            "Mean of a network policy: {} {}, {} hidden layers of {} units, {} controls.\n"
            "   {}",
            nx, more ? "states" : "inputs", shape.layers() - 1, name(shape.activation), policy.nu(),
            more ? fmt::format("It sees o = [x; H x + h] of the state x, {} entries.", policy.nx())
                 : "Its input x is what it saw in training, in the same order."),
        nx, policy.nu(), math);
  c.add(
      "\n/* The control u (nu) at x (nx), within the limits. 0: done; 2: x or the control is not "
      "finite,\n   u stays as it was. */\nstatic inline int @_act(const @_real *x, @_real *u) "
      "{\n");
  if (more && observation.H.size() > 0) c.table("H", observation.H);
  if (more) c.list("h", observation.h);
  c.list("mean", normalisation.mean);
  c.list("scale", normalisation.scale);
  for (int l = 0; l < shape.layers(); ++l) {
    c.table(fmt::format("W_{}", l).c_str(), network.weight(l));
    c.list(fmt::format("b_{}", l).c_str(), network.bias(l));
  }
  for (int l = 0; l < shape.layers(); ++l) {
    c.add(fmt::format("  @_real a_{}[{}];\n", l, shape.layer_inputs(l)));
  }
  if (more) c.add(fmt::format("  @_real o[{}];\n", policy.nx()));
  c.add("  @_real v[$_NU];\n  int i, j;\n");
  check_state(c);
  write_observation(c, observation);
  c.add(fmt::format("  for (j = 0; j < {0}; ++j) a_0[j] = ({1}[j] - mean[j]) / scale[j];\n",
                    policy.nx(), more ? "o" : "x"));
  write_layers(c, network, options.single);
  write_control(c, limits);
  NetworkPolicy::Workspace workspace;
  MatrixX mean;
  const auto control = [&](int, const VectorX& x, VectorX& u, VectorX& magnitudes) {
    const Seen seen = see(observation, x);
    policy.mean(seen.o, mean, workspace);
    u = mean.col(0);
    magnitudes = network_magnitudes(policy, seen, relative_tolerance(options),
                                    options.single ? 0.5 * std::numeric_limits<float>::epsilon()
                                                   : 0.5 * std::numeric_limits<double>::epsilon());
  };
  finish(c, options, make_test_vectors(options, limits, 1, nx, control), false);
  return c.guarded();
}

}  // namespace pilqr
