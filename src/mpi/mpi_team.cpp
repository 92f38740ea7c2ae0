#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>

#include "pilqr/core/check.hpp"
#include "pilqr/core/team.hpp"
#include "pilqr/parallel/mpi.hpp"

namespace pilqr {

static_assert(Team<MpiTeam>);

/// A copy of MPI_COMM_WORLD, so that messages of the program and of the team do not meet. Errors
/// end the job, which is what MPI does with them by default.
struct MpiTeam::Communicator {
  MPI_Comm handle = MPI_COMM_NULL;
};

MpiTeam::MpiTeam(int largest_part)
    : largest_part_(largest_part),
      exceptions_(std::uncaught_exceptions()),
      communicator_(std::make_unique<Communicator>()) {
  int flag = 0;
  MPI_Finalized(&flag);
  require(flag == 0, "MPI has ended in this program and cannot begin again");
  MPI_Initialized(&flag);
  int threads = 0;
  if (flag == 0) {
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &threads);
    began_ = true;
  } else {
    MPI_Query_thread(&threads);
  }
  require(threads >= MPI_THREAD_FUNNELED, "MPI has thread support {}, expected at least {}",
          threads, MPI_THREAD_FUNNELED);
  MPI_Comm_dup(MPI_COMM_WORLD, &communicator_->handle);
  MPI_Comm_rank(communicator_->handle, &rank_);
  MPI_Comm_size(communicator_->handle, &size_);
  require(largest_part >= size_, "parts of {} bytes for {} ranks", largest_part, size_);
}

MpiTeam::~MpiTeam() {
  if (size_ > 1 && std::uncaught_exceptions() > exceptions_) {
    std::fprintf(stderr, "rank %d of %d was left by an exception\n", rank_, size_);
    abort(EXIT_FAILURE);
  }
  MPI_Comm_free(&communicator_->handle);
  if (began_) MPI_Finalize();
}

std::vector<std::string> MpiTeam::exchange(const std::string& mine) {
  const auto ranks = static_cast<std::size_t>(size_);
  std::uint64_t size = mine.size();
  std::vector<std::uint64_t> sizes(ranks);
  MPI_Allgather(&size, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, communicator_->handle);

  std::vector<std::string> all(ranks);
  for (std::size_t r = 0; r < ranks; ++r) all[r].reserve(sizes[r]);
  // MPI counts in int: a round takes what is left of each message, up to an equal share of that.
  const std::uint64_t most = static_cast<std::uint64_t>(largest_part_) / ranks;
  const std::uint64_t longest = *std::max_element(sizes.begin(), sizes.end());
  std::vector<int> counts(ranks);
  std::vector<int> offsets(ranks);
  std::string received;
  for (std::uint64_t done = 0; done < longest; done += most) {
    for (std::size_t r = 0; r < ranks; ++r) {
      counts[r] = static_cast<int>(std::min(most, sizes[r] - std::min(done, sizes[r])));
    }
    std::exclusive_scan(counts.begin(), counts.end(), offsets.begin(), 0);
    const auto self = static_cast<std::size_t>(rank_);
    received.resize(static_cast<std::size_t>(offsets.back()) +
                    static_cast<std::size_t>(counts.back()));
    MPI_Allgatherv(mine.data() + std::min(done, size), counts[self], MPI_BYTE, received.data(),
                   counts.data(), offsets.data(), MPI_BYTE, communicator_->handle);
    for (std::size_t r = 0; r < ranks; ++r) {
      all[r].append(received, static_cast<std::size_t>(offsets[r]),
                    static_cast<std::size_t>(counts[r]));
    }
  }
  return all;
}

void MpiTeam::abort(int status) {
  std::fflush(nullptr);
  MPI_Abort(communicator_->handle, status);
  std::_Exit(status);  // MPI_Abort may return
}

}  // namespace pilqr
