/// A program of a user with MPI; alone, as no mpirun started it.
#include "pilqr/parallel/mpi.hpp"

#include <cstdlib>

#include "pilqr/core/team.hpp"

static_assert(pilqr::Team<pilqr::MpiTeam>);

int main() {
  // Where this is a test in a container, MPI must not ask for other machines.
  setenv("OMPI_MCA_plm", "isolated", 0);
  pilqr::MpiTeam team;
  const bool ok = team.rank() == 0 && team.size() == 1 && team.exchange("mine").front() == "mine";
  return ok ? 0 : 1;
}
