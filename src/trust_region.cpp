#include "pilqr/baselines/trust_region.hpp"

#include <cmath>

namespace pilqr {

void require_valid(const TrustRegionOptions& o) {
  require(std::isfinite(o.kl_step) && o.kl_step > 0.0, "trust region: kl_step is {}, expected > 0",
          o.kl_step);
  require(std::isfinite(o.damping) && o.damping >= 0.0,
          "trust region: damping is {}, expected >= 0", o.damping);
  require(o.cg_iterations >= 1 && o.backtracks >= 0 && o.fisher_stride >= 1,
          "trust region: {} cg_iterations, {} backtracks, fisher_stride {}, expected at least 1, 0 "
          "and 1",
          o.cg_iterations, o.backtracks, o.fisher_stride);
  require(o.shrink > 0.0 && o.shrink < 1.0, "trust region: shrink is {}, expected 0 < shrink < 1",
          o.shrink);
  require(std::isfinite(o.least_std) && o.least_std > 0.0,
          "trust region: least_std is {}, expected > 0", o.least_std);
}

void DiagonalGaussian::add(const ConstVectorRef& step) {
  require(rows(step) == parameter_count(), "policy: {} parameters, a step of {}", parameter_count(),
          rows(step));
  mean.parameters() += step.head(mean.parameter_count());
  log_std += step.tail(log_std.size());
}

Failure TrustRegionReport::rejected() const {
  if (moved || !ok() || gradient == 0.0) return {};
  return {.kind = FailureKind::no_improvement,
          .value = gradient,
          .detail = fmt::format("norm of the policy gradient; {} steps tried", backtracks)};
}

TrustRegion::TrustRegion(const TrustRegionOptions& options) : options_(options) {
  require_valid(options_);
}

void TrustRegion::begin(const DiagonalGaussian& policy, const PolicyBatch& batch) {
  const int P = cols(batch.z);
  const int nu = policy.mean.outputs();
  require(rows(policy.log_std) == nu && rows(batch.u) == nu && cols(batch.u) == P &&
              rows(batch.advantage) == P,
          "trust region: {} outputs, {} deviations, {} states, controls {}x{}, {} advantages", nu,
          rows(policy.log_std), P, rows(batch.u), cols(batch.u), rows(batch.advantage));
  old_ = policy;
  batch_ = &batch;
  old_mean_.resize(nu, P);
  mean_.resize(nu, P);
  old_.mean.forward(batch.z, all_, old_mean_);
  const int some = (P - 1) / options_.fisher_stride + 1;
  some_z_.resize(batch.z.rows(), some);
  some_mean_.resize(nu, some);
  for (int j = 0; j < some; ++j) some_z_.col(j) = batch.z.col(j * options_.fisher_stride);
  old_.mean.forward(some_z_, some_, some_mean_);
}

void TrustRegion::gradient(VectorRef out) {
  require(batch_ != nullptr && rows(out) == old_.parameter_count(),
          "trust region: a gradient of {} entries, expected {} and begin() before", rows(out),
          old_.parameter_count());
  const int P = cols(old_mean_);
  const auto d_log_std = out.tail(old_.log_std.size());
  out.tail(old_.log_std.size()).setZero();
  old_.mean.forward(batch_->z, all_, mean_);
  for (int p = 0; p < P; ++p) {
    const double weight = batch_->advantage(p) / P;
    for (int i = 0; i < rows(mean_); ++i) {
      const double std = std::exp(old_.log_std(i));
      const double xi = (batch_->u(i, p) - old_mean_(i, p)) / std;
      mean_(i, p) = weight * xi / std;
      out(out.size() - d_log_std.size() + i) += weight * (xi * xi - 1.0);
    }
  }
  old_.mean.backward(all_, mean_, out.head(old_.mean.parameter_count()));
}

void TrustRegion::fisher_product(const ConstVectorRef& v, VectorRef out) {
  const int n = old_.mean.parameter_count();
  require(batch_ != nullptr && rows(v) == old_.parameter_count() && rows(out) == rows(v),
          "trust region: a Fisher product from {} to {} entries, expected {} and begin() before",
          rows(v), rows(out), old_.parameter_count());
  old_.mean.tangent(some_, v.head(n), some_mean_);
  const auto points = static_cast<double>(some_mean_.cols());
  for (int i = 0; i < rows(some_mean_); ++i) {
    some_mean_.row(i) *= std::exp(-2.0 * old_.log_std(i)) / points;
  }
  old_.mean.backward(some_, some_mean_, out.head(n));
  out.tail(old_.log_std.size()) = 2.0 * v.tail(old_.log_std.size());
}

TrustRegion::Measure TrustRegion::measure(const DiagonalGaussian& policy) {
  require(batch_ != nullptr && policy.mean.shape() == old_.mean.shape() &&
              policy.log_std.size() == old_.log_std.size(),
          "trust region: a policy of another shape than the one before, or no begin() before");
  policy.mean.forward(batch_->z, all_, mean_);
  Measure sum;
  const int P = cols(mean_);
  for (int p = 0; p < P; ++p) {
    double log_ratio = 0.0;
    for (int i = 0; i < rows(mean_); ++i) {
      const double wider = old_.log_std(i) - policy.log_std(i);
      const double std = std::exp(policy.log_std(i));
      const double xi = (batch_->u(i, p) - mean_(i, p)) / std;
      const double old_xi = (batch_->u(i, p) - old_mean_(i, p)) / std::exp(old_.log_std(i));
      const double apart = (old_mean_(i, p) - mean_(i, p)) / std;
      log_ratio += wider + 0.5 * (old_xi * old_xi - xi * xi);
      sum.kl += (0.5 * (std::exp(2.0 * wider) - 1.0 + apart * apart) - wider) / P;
    }
    sum.improvement += std::expm1(log_ratio) * batch_->advantage(p) / P;
  }
  return sum;
}

/// s_ <- (F + damping I)^-1 g, nearly; returns the residual over |g|. Not finite if F is not.
double TrustRegion::conjugate_gradient(const VectorX& g) {
  s_.setZero(g.size());
  r_ = g;
  p_ = g;
  Fp_.resize(g.size());
  const double first = g.squaredNorm();
  double squares = first;
  constexpr double enough = 1e-20;  // of the squares
  for (int n = 0; n < options_.cg_iterations && squares > enough * first; ++n) {
    fisher_product(p_, Fp_);
    Fp_ += options_.damping * p_;
    const double curvature = p_.dot(Fp_);
    if (!(curvature > 0.0)) break;  // F is singular along p
    const double length = squares / curvature;
    s_ += length * p_;
    r_ -= length * Fp_;
    const double next = r_.squaredNorm();
    p_ = r_ + next / squares * p_;
    squares = next;
  }
  return first > 0.0 ? std::sqrt(squares / first) : 0.0;
}

TrustRegionReport TrustRegion::step(DiagonalGaussian& policy, const PolicyBatch& batch) {
  begin(policy, batch);
  TrustRegionReport report;
  const auto not_finite = [&](double value, const char* what) {
    report.failure = {.kind = FailureKind::non_finite_update, .value = value, .detail = what};
    return report;
  };
  g_.resize(policy.parameter_count());
  gradient(g_);
  const double squares = g_.squaredNorm();
  if (!std::isfinite(squares)) return not_finite(squares, "squares of the policy gradient");
  report.gradient = std::sqrt(squares);
  if (squares == 0.0) return report;
  report.residual = conjugate_gradient(g_);
  fisher_product(s_, Fp_);
  Fp_ += options_.damping * s_;
  const double curvature = s_.dot(Fp_);
  if (!std::isfinite(curvature)) return not_finite(curvature, "curvature along the step");
  if (!(curvature > 0.0)) return report;
  double length = std::sqrt(2.0 * options_.kl_step / curvature);
  for (; report.backtracks <= options_.backtracks; ++report.backtracks) {
    p_ = length * s_;
    policy.add(p_);
    policy.log_std = policy.log_std.cwiseMax(std::log(options_.least_std));
    const Measure now = measure(policy);
    if (now.kl <= options_.kl_step && now.improvement > 0.0) {  // neither holds for NaN
      report.moved = true;
      report.improvement = now.improvement;
      report.kl = now.kl;
      return report;
    }
    policy = old_;
    length *= options_.shrink;
  }
  return report;
}

}  // namespace pilqr
