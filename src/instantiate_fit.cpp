// The fits and PI2 for sizes known at run time only.
#include "pilqr/fit/cost_fit.hpp"
#include "pilqr/fit/dynamics_fit.hpp"
#include "pilqr/update/pi2/pi2.hpp"

namespace pilqr {

template DynamicsFit<> fit_dynamics(const Rollouts<>&, const DynamicsFitOptions&, const NoPrior&);
template PredictedCosts predict_costs(const LinearGaussianDynamics<>&, const QuadraticCost<>&,
                                      const LinearGaussianPolicy<>&, const Rollouts<>&,
                                      const ReplayOptions&);
template Pi2Result<> pi2_update(const LinearGaussianPolicy<>&, const Sequence<Dynamic, Dynamic>&,
                                const MatrixX&, const VectorX&, const Pi2Options&);

}  // namespace pilqr
