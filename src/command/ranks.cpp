#include "ranks.hpp"

#include <cstdlib>
#include <string_view>

#include "pilqr/core/check.hpp"

#if defined(PILQR_HAS_MPI)
#include "pilqr/parallel/mpi.hpp"
#endif

namespace pilqr::command {

struct Ranks::Mpi {
#if defined(PILQR_HAS_MPI)
  MpiTeam team;
#endif
};

namespace {

/// The variable's value, or nothing.
std::string_view variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return value == nullptr ? std::string_view() : value;
}

/// Slurm's own variables are no sign: a batch script has them too.
bool several_were_launched() {
  if (variable("PILQR_MPI") == "off") return false;
  for (const char* size : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (!variable(size).empty()) return variable(size) != "1";
  }
  return !variable("PMIX_RANK").empty();
}

}  // namespace

Ranks::Ranks() = default;
Ranks::~Ranks() = default;

std::unique_ptr<Ranks> Ranks::launched() {
  auto ranks = std::make_unique<Ranks>();
  if (several_were_launched()) {
#if defined(PILQR_HAS_MPI)
    ranks->mpi_ = std::make_unique<Mpi>();
#else
    throw InvalidArgument(
        "this program was built without MPI and cannot share a training with other processes; "
        "PILQR_MPI=off in the environment lets each train alone");
#endif
  }
  return ranks;
}

#if defined(PILQR_HAS_MPI)
int Ranks::rank() const {
  return mpi_ ? mpi_->team.rank() : 0;
}
int Ranks::size() const {
  return mpi_ ? mpi_->team.size() : 1;
}
std::vector<std::string> Ranks::exchange(const std::string& mine) {
  return mpi_ ? mpi_->team.exchange(mine) : std::vector<std::string>{mine};
}
void Ranks::abort(int status) {
  if (mpi_) mpi_->team.abort(status);
  std::_Exit(status);
}
#else
int Ranks::rank() const {
  return 0;
}
int Ranks::size() const {
  return 1;
}
std::vector<std::string> Ranks::exchange(const std::string& mine) {
  return {mine};
}
void Ranks::abort(int status) {
  std::_Exit(status);
}
#endif

}  // namespace pilqr::command
