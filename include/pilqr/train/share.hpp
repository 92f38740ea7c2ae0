#pragma once
/// Who does what in a team, and how the others learn the results.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "pilqr/core/team.hpp"
#include "pilqr/iteration.hpp"
#include "pilqr/model/rollout.hpp"
#include "pilqr/nn/network_policy.hpp"
#include "pilqr/train/message.hpp"
#include "pilqr/train/optimizer_state.hpp"

namespace pilqr {

/// One line of a training log.
struct IterationRecord {
  int iteration = 0;      ///< of the training, from 0
  int condition = 0;      ///< its id
  UpdateReport report{};  ///< of the condition's optimiser
  /// All conditions are sampled together; this is an equal share of the time that took, messages
  /// included.
  double seconds_rollout = 0.0;
  double seconds_update = 0.0;  ///< of this update, on its thread
  int rollouts = 0;             ///< made for it, failed ones and further attempts included
  /// Why rollouts failed, in the order of attempts and samples; none of them is in the update.
  std::vector<Failure> faults{};
};

/// The pieces rank, rank + ranks, .. of [0, pieces): what one rank of a team works on. Neighbours
/// are on different ranks, so that expensive conditions are shared too.
struct Share {
  int rank = 0;    ///< this one, from 0
  int ranks = 1;   ///< of the team
  int pieces = 0;  ///< of all ranks

  /// Pieces of this rank.
  [[nodiscard]] int count() const { return pieces <= rank ? 0 : (pieces - 1 - rank) / ranks + 1; }
  [[nodiscard]] int piece(int j) const { return rank + j * ranks; }  ///< the j-th of them
};

/// One failure, one report.
///@{
void put(const Failure& failure, MessageWriter& out);
Failure get_failure(MessageReader& in);
void put(const IterationRecord& record, MessageWriter& out);
IterationRecord get_record(MessageReader& in);
///@}

/// All that a network policy acts by, for ranks that compare theirs.
void put(const NetworkPolicy& policy, MessageWriter& out);

/// Bytes of one rollout in a message: states, controls, noise and costs.
constexpr std::size_t rollout_bytes(int steps, int nx, int nu) {
  const auto numbers = static_cast<std::size_t>(nx) + 2 * static_cast<std::size_t>(nu) + 1;
  return sizeof(double) * static_cast<std::size_t>(steps) * numbers;
}

/// Every rank gets the rollouts and failures that the others made. The message of one rollout has
/// rollout_bytes() and its failure's. The batches may differ in their horizons and sizes.
/// @param made the rollouts in question, of which each rank made its Share: rollout i of batch m is
/// number m N + i.
/// @param rollouts one batch of N rollouts per condition. @param failures N per condition.
template <int Nx, int Nu, Team R>
void exchange_rollouts(R& team, const std::vector<int>& made,
                       std::vector<Rollouts<Nx, Nu>>& rollouts, std::vector<Failure>& failures) {
  const int N = static_cast<int>(failures.size() / rollouts.size());
  const auto for_each_column = [&](int number, auto&& action) {
    Rollouts<Nx, Nu>& batch = rollouts[static_cast<std::size_t>(number / N)];
    const int i = number % N;
    for (int t = 0; t < batch.steps(); ++t) {
      action(batch.x[t].col(i));
      action(batch.u[t].col(i));
      action(batch.xi[t].col(i));
      action(batch.cost.col(t).segment(i, 1));
    }
  };
  const auto number = [&](const Share& share, int j) {
    return made[static_cast<std::size_t>(share.piece(j))];
  };
  const int pieces = static_cast<int>(made.size());
  MessageWriter out;
  const Share mine{team.rank(), team.size(), pieces};
  std::size_t bytes = 0;
  for (int j = 0; j < mine.count(); ++j) {
    const Rollouts<Nx, Nu>& batch = rollouts[static_cast<std::size_t>(number(mine, j) / N)];
    bytes += rollout_bytes(batch.steps(), batch.nx(), batch.nu()) + sizeof(Failure);
  }
  out.reserve(bytes);
  for (int j = 0; j < mine.count(); ++j) {
    put(failures[static_cast<std::size_t>(number(mine, j))], out);
    for_each_column(number(mine, j), [&](const auto& column) { out.put_column(column); });
  }
  const std::vector<std::string> all = team.exchange(out.bytes());
  for (int rank = 0; rank < team.size(); ++rank) {
    if (rank == team.rank()) continue;
    MessageReader in(all[static_cast<std::size_t>(rank)]);
    const Share share{rank, team.size(), pieces};
    for (int j = 0; j < share.count(); ++j) {
      failures[static_cast<std::size_t>(number(share, j))] = get_failure(in);
      for_each_column(number(share, j), [&](auto&& column) { in.get_column(column); });
    }
    in.require_end();
  }
}

/// Every rank gets the records and, of good updates, the optimisers' states from the ranks that
/// made them: condition m is of rank m modulo their number.
template <class Optimizer, Team R>
void exchange_updates(R& team, std::vector<IterationRecord>& records,
                      std::vector<Optimizer>& optimizers) {
  const int conditions = static_cast<int>(records.size());
  MessageWriter out;
  const Share mine{team.rank(), team.size(), conditions};
  for (int j = 0; j < mine.count(); ++j) {
    const auto m = static_cast<std::size_t>(mine.piece(j));
    put(records[m], out);
    if (records[m].report.ok()) out.put(encode_optimizer(state_of(optimizers[m])));
  }
  const std::vector<std::string> all = team.exchange(out.bytes());
  for (int rank = 0; rank < team.size(); ++rank) {
    if (rank == team.rank()) continue;
    MessageReader in(all[static_cast<std::size_t>(rank)]);
    const Share share{rank, team.size(), conditions};
    for (int j = 0; j < share.count(); ++j) {
      const auto m = static_cast<std::size_t>(share.piece(j));
      records[m] = get_record(in);
      if (!records[m].report.ok()) continue;
      restore_state(decode_optimizer(in.get_text(), state_of(optimizers[m])), optimizers[m]);
    }
    in.require_end();
  }
}

}  // namespace pilqr
