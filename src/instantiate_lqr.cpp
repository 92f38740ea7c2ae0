// The LQR templates for sizes known at run time only.
#include "pilqr/update/lqr/lqr_flm.hpp"

namespace pilqr {

template void forward_marginals(const LinearGaussianDynamics<>&, const LinearGaussianPolicy<>&,
                                const InitialState<>&, Marginals<>&);
template void state_marginals(const LinearGaussianDynamics<>&, const LinearGaussianPolicy<>&,
                              const InitialState<>&, StateMarginals<>&);
template SweepStatus backward_max_entropy(const LinearGaussianDynamics<>&, const QuadraticCost<>&,
                                          const LinearGaussianPolicy<>&, double, double,
                                          SweepWorkspace<>&, LinearGaussianPolicy<>&);
template LqrFlmResult<> lqr_flm_update(const LinearGaussianDynamics<>&, const QuadraticCost<>&,
                                       const LinearGaussianPolicy<>&, const StateMarginals<>&,
                                       const VectorX&, const LqrFlmOptions&, double,
                                       LqrFlmWorkspace<>&, const VectorX&);

}  // namespace pilqr
