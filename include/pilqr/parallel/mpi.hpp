#pragma once
/// Rollouts and conditions on many machines through MPI. The program that includes this links
/// pilqr::mpi.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace pilqr {

/// The Team of the processes that mpirun started. It begins MPI, unless the program has, with calls
/// from one thread at a time (MPI_THREAD_SERIALIZED); it ends MPI if it began it, after which the
/// program cannot have another. All ranks make a team and leave its scope together; several may
/// exist at once, and their messages do not meet.
///
/// A rank that leaves the team's scope ends the whole job (MPI_Abort) if the others would wait for
/// it for ever: by an exception at once, otherwise as soon as another rank exchanges. So does an
/// error of MPI itself.
class MpiTeam {
 public:
  /// Throws InvalidArgument if MPI has already ended, which no program can undo, or if the
  /// program began it without support for threads; on all ranks, if one has parts that are too
  /// small. MPI then ends if it began here.
  /// @param largest_part bytes that one call of MPI may bring, >= the number of ranks; the least of
  ///   all ranks counts. A longer exchange goes in several parts, of which one is in memory.
  explicit MpiTeam(int largest_part = 1 << 26);
  /// Waits until all ranks leave the team.
  ~MpiTeam();
  MpiTeam(const MpiTeam&) = delete;
  MpiTeam& operator=(const MpiTeam&) = delete;

  /// See the concept Team.
  ///@{
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  ///@}
  /// Messages of any length.
  [[nodiscard]] std::vector<std::string> exchange(const std::string& mine);

  /// Ends all ranks with this exit status, now. Tell the reason first.
  [[noreturn]] void abort(int status);

 private:
  struct Communicator;  ///< keeps <mpi.h> out of this header

  /// The sizes of all messages; ends the job if some of the ranks have left, but not all.
  std::vector<std::uint64_t> exchange_sizes(std::uint64_t mine);

  int largest_part_ = 0;
  int exceptions_ = 0;  ///< in flight when the team was made
  int rank_ = 0;
  int size_ = 1;
  std::unique_ptr<Communicator> communicator_;
};

}  // namespace pilqr
