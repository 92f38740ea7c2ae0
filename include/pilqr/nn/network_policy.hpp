#pragma once
/// A Gaussian policy whose mean is a neural network (LFDA16; ML16).

#include <limits>

#include "pilqr/core/check.hpp"
#include "pilqr/core/random.hpp"
#include "pilqr/core/types.hpp"
#include "pilqr/model/global_policy.hpp"
#include "pilqr/nn/adam.hpp"
#include "pilqr/nn/mlp.hpp"
#include "pilqr/nn/normalisation.hpp"

namespace pilqr {

/// How a NetworkPolicy learns.
struct NetworkTraining {
  int steps = 4000;  ///< of Adam, in each call of train()
  int batch = 25;    ///< points per step; all of them if there are fewer
  /// With the learning rate of the first step. The weight decay is for what lies between the
  /// conditions: without it, held-out targets of the reacher are missed by 8 mm instead of 5.
  AdamOptions adam{.weight_decay = 0.1};
  /// The last step's learning rate over the first's, in (0, 1]; it falls geometrically, so that
  /// the noise of small batches is averaged out at the end.
  double last_rate = 0.1;
  NormalisationOptions normalisation{};  ///< of the states
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const NetworkTraining& options);

/// The policy u ~ N(mean(x), Sigma): the mean is a perceptron of the normalised state, Sigma = L L'
/// is the same at every state and time step, L LOWER triangular. A control is drawn as u = mean(x)
/// + L xi and then clipped to the limits of the actions, if there are any; the mean itself is not
/// clipped. Models GlobalPolicy.
class NetworkPolicy {
 public:
  /// Sigma is the identity, states are not normalised yet, actions have no limits. Throws
  /// InvalidArgument if an option is out of range.
  explicit NetworkPolicy(Mlp network, const NetworkTraining& options = {});

  /// The same with a new network: see Mlp's initial parameters.
  NetworkPolicy(const MlpShape& shape, RandomStream& stream, const NetworkTraining& options = {})
      : NetworkPolicy(Mlp(shape, stream), options) {}

  /// Entries of the state and of the control.
  ///@{
  [[nodiscard]] int nx() const { return network_.inputs(); }
  [[nodiscard]] int nu() const { return network_.outputs(); }
  ///@}

  /// The control at every column of x (nx x P), without noise and limits, into out, resized to nu x
  /// P. May be called concurrently; has a workspace of its own in every call.
  void mean(const ConstMatrixRef& x, MatrixX& out) const;

  /// Buffers of one thread for mean(); they take their size from the first call.
  struct Workspace {
    MlpWorkspace network{};  ///< of the mean
    MatrixX z{};             ///< nx x up to 256, normalised states
  };

  /// The same numbers. Another call with no more columns than any before allocates nothing. `out`
  /// must not share memory with x.
  void mean(const ConstMatrixRef& x, MatrixX& out, Workspace& workspace) const;

  /// Sigma, nu x nu.
  [[nodiscard]] MatrixX covariance() const { return L_ * L_.transpose(); }

  /// The control u = mean(x) + L xi within the limits, the same at every step t. Does not allocate
  /// after the first call. Not const, because the policy holds the workspace: each thread has a
  /// copy of its own.
  template <class X, class Xi, class U>
  void act(int /*t*/, const X& x, const Xi& xi, U& u) {
    evaluate(x);
    u = u_;
    u.noalias() += L_ * xi;
    for (int i = 0; i < rows(u); ++i) {  // NaN stays
      if (u(i) < lower_(i)) u(i) = lower_(i);
      if (u(i) > upper_(i)) u(i) = upper_(i);
    }
  }

  /// The S-step (ML16; LFDA16 section 4.1): minimises the mean over the points of 1/2 (mean(x) -
  /// u)' P (mean(x) - u) with Adam on shuffled batches, from the present parameters on, and sets
  /// Sigma to the inverse of the mean precision. The first call finds the normalisation of the
  /// states, later ones keep it.
  ///
  /// For the training, precisions are scaled to 1 on the mean of their diagonals: the learning rate
  /// then means the same whatever the noise of the targets, and the minimum is the same. Every call
  /// begins with a new AdamState: the targets are others than in the last call, and a saved policy
  /// lacks nothing to go on.
  ///
  /// Reports singular_covariance for a precision that is not positive definite, non_finite_update
  /// if the loss or a parameter is no longer finite; the policy is then as it was. Throws
  /// InvalidArgument on targets that are not valid or of other sizes.
  [[nodiscard]] Failure train(const PolicyTargets& targets, RandomStream& stream);

  /// What the policy consists of.
  [[nodiscard]] const Mlp& network() const { return network_; }  ///< its mean, up to the limits
  /// Of the states, before the network.
  [[nodiscard]] const Normalisation& normalisation() const { return normalisation_; }
  [[nodiscard]] bool normalised() const { return normalised_; }  ///< false before the first train()
  [[nodiscard]] const MatrixX& covariance_factor() const { return L_; }      ///< L, nu x nu
  [[nodiscard]] const VectorX& lower() const { return lower_; }              ///< nu
  [[nodiscard]] const VectorX& upper() const { return upper_; }              ///< nu
  [[nodiscard]] const NetworkTraining& options() const { return options_; }  ///< of train()

  /// Replaces the normalisation for good: train() keeps it. Throws InvalidArgument unless it is
  /// valid and has nx entries.
  void set_normalisation(Normalisation normalisation);

  /// Replaces L. Throws InvalidArgument unless it is nu x nu, finite and lower triangular with a
  /// positive diagonal.
  void set_covariance_factor(MatrixX L);

  /// Limits of the actions; an infinite one is none. Throws InvalidArgument unless there are nu of
  /// each, none is NaN, and every lower one is below the upper one.
  void set_limits(VectorX lower, VectorX upper);

  /// Throws InvalidArgument if an option is out of range.
  void set_options(const NetworkTraining& options);

  /// Equal networks, normalisations, covariances and limits; the options do not count.
  friend bool operator==(const NetworkPolicy& a, const NetworkPolicy& b) {
    return a.network_ == b.network_ && a.normalised_ == b.normalised_ &&
           a.normalisation_ == b.normalisation_ && a.L_ == b.L_ && a.lower_ == b.lower_ &&
           a.upper_ == b.upper_;
  }

 private:
  void evaluate(const ConstVectorRef& x);  // the mean into u_

  Mlp network_;
  NetworkTraining options_;
  Normalisation normalisation_;
  bool normalised_ = false;
  MatrixX L_;              // nu x nu
  VectorX lower_, upper_;  // nu

  // Of act().
  MlpWorkspace workspace_;
  VectorX z_;  // nx, the normalised state
  VectorX u_;  // nu
};

}  // namespace pilqr
