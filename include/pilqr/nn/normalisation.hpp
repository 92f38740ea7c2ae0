#pragma once
/// Inputs of a network brought to zero mean and unit size.

#include "pilqr/core/types.hpp"

namespace pilqr {

/// How the inputs are scaled.
struct NormalisationOptions {
  /// The least scale, > 0, unit of the entry. An entry that hardly varies in the first data may
  /// vary later, and by then a network has learnt nothing about it.
  double least_scale = 1e-2;
};

/// Throws InvalidArgument, naming the option that is out of range.
void require_valid(const NormalisationOptions& options);

/// z = (x - mean) / scale, entry by entry. Found once, from the first data, and then kept: a change
/// would change what the network computes.
struct Normalisation {
  VectorX mean;   ///< nx
  VectorX scale;  ///< nx, positive

  /// Entries of a point.
  [[nodiscard]] int nx() const { return rows(mean); }

  /// z at every column of x, both nx x P; may be done in place. Throws InvalidArgument on other
  /// shapes. Does not allocate.
  void apply(const ConstMatrixRef& x, MatrixRef z) const;

  /// Equal shapes and entries.
  friend bool operator==(const Normalisation&, const Normalisation&) = default;
};

/// z = x.
Normalisation no_normalisation(int nx);

/// Throws InvalidArgument unless mean and scale have one size, are finite, and the scale positive.
void require_valid(const Normalisation& normalisation);

/// Mean and standard deviation, or least_scale where that is larger, of every entry over the
/// columns of x, nx x P. Throws InvalidArgument on invalid options, if there is no column, or if an
/// entry is NaN, infinite or too large for its square.
Normalisation fit_normalisation(const ConstMatrixRef& x, const NormalisationOptions& options = {});

}  // namespace pilqr
