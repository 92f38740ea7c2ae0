#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <numeric>

#include "pilqr/core/check.hpp"
#include "pilqr/core/team.hpp"
#include "pilqr/parallel/mpi.hpp"

namespace pilqr {

static_assert(Team<MpiTeam>);

namespace {

/// In place of the size of a message: the rank has left the team and sends no more of them.
constexpr std::uint64_t farewell = std::numeric_limits<std::uint64_t>::max();

/// Begins MPI unless the program has, and ends it if it began it.
class Mpi {
 public:
  Mpi() {
    int flag = 0;
    MPI_Finalized(&flag);
    require(flag == 0, "MPI has ended in this program and cannot begin again");
    MPI_Initialized(&flag);
    began_ = flag == 0;
    if (began_) {
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &threads_);
    } else {
      MPI_Query_thread(&threads_);
    }
  }
  ~Mpi() {
    if (began_) MPI_Finalize();
  }
  Mpi(const Mpi&) = delete;
  Mpi& operator=(const Mpi&) = delete;

  [[nodiscard]] int threads() const { return threads_; }

 private:
  bool began_ = false;
  int threads_ = 0;  ///< support for threads, one of MPI_THREAD_...
};

}  // namespace

/// A copy of MPI_COMM_WORLD, so that messages of the program and of the team do not meet. Errors
/// end the job, whatever they do in the rest of the program.
struct MpiTeam::Communicator {
  Mpi mpi{};  ///< ends after the copy is given back
  MPI_Comm handle = MPI_COMM_NULL;

  Communicator() {
    require(mpi.threads() >= MPI_THREAD_FUNNELED, "MPI has thread support {}, expected at least {}",
            mpi.threads(), MPI_THREAD_FUNNELED);
    const int status = MPI_Comm_dup(MPI_COMM_WORLD, &handle);
    require(status == MPI_SUCCESS, "MPI_Comm_dup ended with {}", status);
    MPI_Comm_set_errhandler(handle, MPI_ERRORS_ARE_FATAL);
  }
  ~Communicator() { MPI_Comm_free(&handle); }
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
};

MpiTeam::MpiTeam(int largest_part) : exceptions_(std::uncaught_exceptions()) {
  require(largest_part >= 1, "parts of {} bytes", largest_part);
  communicator_ = std::make_unique<Communicator>();
  MPI_Comm_rank(communicator_->handle, &rank_);
  MPI_Comm_size(communicator_->handle, &size_);
  // All ranks count the same parts, and refuse them together.
  MPI_Allreduce(&largest_part, &largest_part_, 1, MPI_INT, MPI_MIN, communicator_->handle);
  require(largest_part_ >= size_, "parts of {} bytes for {} ranks", largest_part_, size_);
}

MpiTeam::~MpiTeam() {
  if (size_ > 1 && std::uncaught_exceptions() > exceptions_) {
    std::fprintf(stderr, "rank %d of %d was left by an exception\n", rank_, size_);
    abort(EXIT_FAILURE);
  }
  (void)exchange_sizes(farewell);
}

std::vector<std::uint64_t> MpiTeam::exchange_sizes(std::uint64_t mine) {
  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size_));
  MPI_Allgather(&mine, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, communicator_->handle);
  const auto left = std::find(sizes.begin(), sizes.end(), farewell);
  const bool all_left = std::count(left, sizes.end(), farewell) == size_;
  if (left == sizes.end() || all_left) return sizes;
  std::fprintf(stderr, "rank %d of %d has left the team while others wait for its messages\n",
               static_cast<int>(left - sizes.begin()), size_);
  abort(EXIT_FAILURE);
}

std::vector<std::string> MpiTeam::exchange(const std::string& mine) {
  const auto ranks = static_cast<std::size_t>(size_);
  const std::uint64_t size = mine.size();
  const std::vector<std::uint64_t> sizes = exchange_sizes(size);

  std::vector<std::string> all(ranks);
  for (std::size_t r = 0; r < ranks; ++r) all[r].reserve(sizes[r]);
  // A round takes what is left of each message, up to an equal share of a part.
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
