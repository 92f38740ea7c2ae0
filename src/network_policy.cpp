#include "pilqr/nn/network_policy.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "pilqr/core/linalg.hpp"
#include "pilqr/core/panel.hpp"

namespace pilqr {
namespace {

constexpr int points_at_once = 256;  // that mean() evaluates

/// The mean precision over the points, nu x nu.
MatrixX mean_precision(const PolicyTargets& targets) {
  VectorX share = VectorX::Zero(targets.precision.steps());  // of the points, by group
  for (const int group : targets.group) share(group) += 1.0;
  share /= cols(targets.x);
  MatrixX sum = MatrixX::Zero(rows(targets.u), rows(targets.u));
  for (int g = 0; g < targets.precision.steps(); ++g) sum += share(g) * targets.precision[g];
  return sum;
}

/// The lower factor of the inverse of a precision; false if it is not positive definite.
bool factor_of_inverse(const MatrixX& precision, MatrixX& L) {
  const int nu = rows(precision);
  Panel<> in(nu, nu);
  Panel<> out(nu, nu);
  Panel<> scratch(2 * tile::padded(nu), nu);
  in.matrix() = precision;
  if (!inverse_cholesky<Dynamic>(nu, in, out, scratch)) return false;
  L = out.matrix();
  return L.allFinite();
}

/// The first precision that is not positive definite, or nothing.
Failure first_indefinite(const PolicyTargets& targets) {
  MatrixX scratch;
  for (int g = 0; g < targets.precision.steps(); ++g) {
    scratch = targets.precision[g];
    if (!cholesky_in_place(scratch)) {
      return {.kind = FailureKind::singular_covariance,
              .value = targets.precision[g].diagonal().minCoeff(),
              .detail = fmt::format("precision {} of the targets is not positive definite", g)};
    }
  }
  return {};
}

/// The points in random order, again and again. Of every epoch the last points that fill no batch
/// are left out; they are others each time.
class Batches {
 public:
  Batches(int points, int batch) : batch_(batch), order_(static_cast<std::size_t>(points)) {
    std::iota(order_.begin(), order_.end(), 0);
    next_ = order_.size();
  }

  /// The indices of the next batch.
  const int* next(RandomStream& stream) {
    const auto size = static_cast<std::size_t>(batch_);
    if (next_ + size > order_.size()) {
      for (std::size_t i = order_.size() - 1; i > 0; --i) {  // Fisher-Yates
        const auto j = static_cast<std::size_t>(stream.uniform() * static_cast<double>(i + 1));
        std::swap(order_[i], order_[std::min(i, j)]);
      }
      next_ = 0;
    }
    next_ += size;
    return order_.data() + (next_ - size);
  }

 private:
  int batch_;
  std::vector<int> order_;
  std::size_t next_;
};

/// `options.steps` of Adam on a network of normalised states z. `scale` multiplies the precisions.
Failure minimise(const PolicyTargets& targets, const MatrixX& z, double scale,
                 const NetworkTraining& options, RandomStream& stream, Mlp& network) {
  const int B = std::min(options.batch, cols(z));
  const int nu = rows(targets.u);
  const double decay =
      options.steps > 1 ? std::pow(options.last_rate, 1.0 / (options.steps - 1)) : 1.0;
  MlpWorkspace workspace;
  AdamState state(network.parameter_count());
  AdamOptions adam = options.adam;
  VectorX gradient(network.parameter_count());
  MatrixX x(rows(z), B);
  MatrixX deviation(nu, B);   // mean(x) - u
  MatrixX derivative(nu, B);  // of the loss by the outputs
  Batches batches(cols(z), B);
  for (int step = 0; step < options.steps; ++step) {
    const int* points = batches.next(stream);
    for (int p = 0; p < B; ++p) x.col(p) = z.col(points[p]);
    network.forward(x, workspace, deviation);
    for (int p = 0; p < B; ++p) {
      deviation.col(p) -= targets.u.col(points[p]);
      const int group = targets.group[static_cast<std::size_t>(points[p])];
      derivative.col(p).noalias() = targets.precision[group].lazyProduct(deviation.col(p));
    }
    derivative *= scale / B;
    const double loss = 0.5 * deviation.cwiseProduct(derivative).sum();
    Failure failure;
    if (std::isfinite(loss)) {
      network.backward(workspace, derivative, gradient);
      failure = adam_step(gradient, adam, state, network.parameters());
    } else {
      failure = {.kind = FailureKind::non_finite_update, .value = loss, .detail = "the loss"};
    }
    if (!failure.ok()) {
      failure.detail += fmt::format(", training step {} of {}", step, options.steps);
      return failure;
    }
    adam.learning_rate *= decay;
  }
  if (!network.parameters().allFinite()) {
    return {.kind = FailureKind::non_finite_update, .detail = "a parameter of the network"};
  }
  return {};
}

}  // namespace

void require_valid(const NetworkTraining& o) {
  require(o.steps >= 1, "network training: steps is {}, expected at least 1", o.steps);
  require(o.batch >= 1, "network training: batch is {}, expected at least 1", o.batch);
  require(o.last_rate > 0.0 && o.last_rate <= 1.0,
          "network training: last_rate is {}, expected 0 < last_rate <= 1", o.last_rate);
  require_valid(o.adam);
  require_valid(o.normalisation);
}

NetworkPolicy::NetworkPolicy(Mlp network, const NetworkTraining& options)
    : network_(std::move(network)),
      options_(options),
      normalisation_(no_normalisation(nx())),
      L_(MatrixX::Identity(nu(), nu())),
      lower_(VectorX::Constant(nu(), -infinity)),
      upper_(VectorX::Constant(nu(), infinity)),
      z_(nx()),
      u_(nu()) {
  require_valid(options);
}

void NetworkPolicy::mean(const ConstMatrixRef& x, MatrixX& out) const {
  MatrixX u;
  Workspace workspace;
  mean(x, u, workspace);
  out = std::move(u);
}

void NetworkPolicy::mean(const ConstMatrixRef& x, MatrixX& out, Workspace& workspace) const {
  const int P = cols(x);
  require(rows(x) == nx() && P >= 1, "network policy: states are {}x{}, expected {} by at least 1",
          rows(x), P, nx());
  out.resize(nu(), P);
  MatrixX& z = workspace.z;
  if (rows(z) != nx() || cols(z) < std::min(P, points_at_once))
    z.resize(nx(), std::min(P, points_at_once));
  if (P == 1) {
    normalisation_.apply(x, z.leftCols(1));
    network_.evaluate(z.col(0), workspace.network, out.col(0));
    return;
  }
  for (int p = 0; p < P; p += points_at_once) {
    const int n = std::min(points_at_once, P - p);
    normalisation_.apply(x.middleCols(p, n), z.leftCols(n));
    network_.forward(z.leftCols(n), workspace.network, out.middleCols(p, n));
  }
}

void NetworkPolicy::evaluate(const ConstVectorRef& x) {
  normalisation_.apply(x, z_);
  network_.evaluate(z_, workspace_, u_);
}

Failure NetworkPolicy::train(const PolicyTargets& targets, RandomStream& stream) {
  require_valid(targets);
  require(rows(targets.x) == nx() && rows(targets.u) == nu(),
          "network policy: targets have nx = {}, nu = {}, expected {} and {}", rows(targets.x),
          rows(targets.u), nx(), nu());
  if (Failure failure = first_indefinite(targets); !failure.ok()) return failure;
  const MatrixX precision = mean_precision(targets);
  const double trace = precision.trace();
  MatrixX L;
  if (!std::isfinite(trace) || !factor_of_inverse(precision, L)) {
    return {.kind = FailureKind::singular_covariance,
            .value = trace,
            .detail = "trace of the targets' mean precision, which has no inverse"};
  }
  Normalisation normalisation =
      normalised_ ? normalisation_ : fit_normalisation(targets.x, options_.normalisation);
  MatrixX z(targets.x.rows(), targets.x.cols());
  normalisation.apply(targets.x, z);
  Mlp network = network_;
  Failure failure = minimise(targets, z, nu() / trace, options_, stream, network);
  if (!failure.ok()) return failure;
  network_ = std::move(network);
  normalisation_ = std::move(normalisation);
  normalised_ = true;
  L_ = std::move(L);
  return failure;
}

void NetworkPolicy::set_normalisation(Normalisation normalisation) {
  require_valid(normalisation);
  require(normalisation.nx() == nx(), "network policy: normalisation of {} entries, nx = {}",
          normalisation.nx(), nx());
  normalisation_ = std::move(normalisation);
  normalised_ = true;
}

void NetworkPolicy::set_covariance_factor(MatrixX L) {
  require(rows(L) == nu() && cols(L) == nu(),
          "network policy: the covariance factor is {}x{}, expected {}x{}", rows(L), cols(L), nu(),
          nu());
  for (int j = 0; j < nu(); ++j) {
    for (int i = 0; i < nu(); ++i) {
      const bool valid = i < j ? L(i, j) == 0.0 : std::isfinite(L(i, j));
      require(valid && (i != j || L(i, j) > 0.0),
              "network policy: the covariance factor has {} at ({}, {}), expected a lower "
              "triangle with a positive diagonal",
              L(i, j), i, j);
    }
  }
  L_ = std::move(L);
}

void NetworkPolicy::set_limits(VectorX lower, VectorX upper) {
  require(rows(lower) == nu() && rows(upper) == nu(),
          "network policy: {} lower and {} upper limits, expected {}", rows(lower), rows(upper),
          nu());
  for (int i = 0; i < nu(); ++i) {
    require(lower(i) < upper(i), "network policy: limits of control {} are {} and {}", i, lower(i),
            upper(i));
  }
  lower_ = std::move(lower);
  upper_ = std::move(upper);
}

void NetworkPolicy::set_options(const NetworkTraining& options) {
  require_valid(options);
  options_ = options;
}

}  // namespace pilqr
