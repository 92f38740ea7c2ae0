#pragma once
/// Rollouts and conditions on many machines through MPI. The program that includes this links
/// pilqr::mpi.

#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace pilqr {

/// The Team of the processes that mpirun started. It begins MPI, unless the program has, with calls
/// from one thread at a time (MPI_THREAD_SERIALIZED); it ends MPI if it began it. One per program
/// at a time, made by all ranks.
///
/// A rank that an exception takes out of the team's scope ends the whole job (MPI_Abort), as the
/// others would wait for it for ever; so does an error of MPI itself.
class MpiTeam {
 public:
  /// Throws InvalidArgument if MPI has already ended, which no program can undo, or if the
  /// program began it without support for threads.
  /// @param largest_part bytes that one call of MPI may bring, >= the number of ranks.
  explicit MpiTeam(int largest_part = std::numeric_limits<int>::max());
  ~MpiTeam();
  MpiTeam(const MpiTeam&) = delete;
  MpiTeam& operator=(const MpiTeam&) = delete;

  /// See the concept Team.
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  /// Messages of any length; above 2 GiB in total they go in several parts.
  [[nodiscard]] std::vector<std::string> exchange(const std::string& mine);

  /// Ends all ranks with this exit status, now. Tell the reason first.
  [[noreturn]] void abort(int status);

 private:
  struct Communicator;  ///< keeps <mpi.h> out of this header
  bool began_ = false;
  int largest_part_;
  int exceptions_ = 0;  ///< in flight when the team was made
  int rank_ = 0;
  int size_ = 1;
  std::unique_ptr<Communicator> communicator_;
};

}  // namespace pilqr
