#pragma once
/// The processes that share a training: those that mpirun started, or this one alone.

#include <memory>
#include <string>
#include <vector>

namespace pilqr::command {

/// A Team, with or without MPI underneath.
class Ranks {
 public:
  /// This process alone.
  Ranks();
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  /// Those of the environment: with a launcher's variables (OMPI_COMM_WORLD_SIZE, PMI_SIZE or
  /// PMIX_RANK) that tell of more than one process, all its processes, unless PILQR_MPI is "off";
  /// otherwise this process alone, and MPI is not touched. Throws InvalidArgument if there should
  /// be several but the program was built without MPI.
  static std::unique_ptr<Ranks> launched();

  [[nodiscard]] int rank() const;
  [[nodiscard]] int size() const;
  /// Whether this is the rank that reads, writes and prints.
  [[nodiscard]] bool first() const { return rank() == 0; }
  [[nodiscard]] bool several() const { return size() > 1; }
  [[nodiscard]] std::vector<std::string> exchange(const std::string& mine);
  /// Ends all ranks.
  [[noreturn]] void abort(int status);

 private:
  struct Mpi;
  std::unique_ptr<Mpi> mpi_;  ///< null: alone
};

}  // namespace pilqr::command
