// The fits for sizes known at run time only.
#include "pilqr/fit/dynamics_fit.hpp"

namespace pilqr {

template Failure fit_dynamics(const Rollouts<>&, const DynamicsFitOptions&, const NoPrior&,
                              LinearGaussianDynamics<>&);
template Failure fit_dynamics(const Rollouts<>&, const DynamicsFitOptions&, const NeighbourPrior&,
                              LinearGaussianDynamics<>&);

}  // namespace pilqr
