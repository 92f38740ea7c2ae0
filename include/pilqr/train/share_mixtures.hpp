#pragma once
/// How the ranks of a team learn of each other's mixtures.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pilqr/core/team.hpp"
#include "pilqr/fit/gmm_prior.hpp"
#include "pilqr/train/message.hpp"
#include "pilqr/train/share.hpp"

namespace pilqr {

/// A mixture and its batches as a safetensors file with the tensors of a checkpoint
/// (train/checkpoint.hpp); bit by bit.
std::string encode_mixture(const GmmPrior& mixture);

/// The inverse.
/// @param fresh with the same options, which remain. @param dim entries of its points.
/// Throws FileError or InvalidArgument if the bytes are not those of such a mixture.
GmmPrior decode_mixture(std::string_view bytes, GmmPrior fresh, int dim);

/// Every rank gets the mixtures of the conditions whose updates were good, from the ranks that made
/// them, see exchange_updates(). There is one in every condition.
/// @param records as all ranks have them. @param dim entries of the points.
template <Team R>
void exchange_mixtures(R& team, const std::vector<IterationRecord>& records, int dim,
                       std::vector<std::optional<GmmPrior>>& mixtures) {
  const int conditions = static_cast<int>(records.size());
  // action(m) for each good condition m of a rank.
  const auto for_each_good = [&](int rank, const auto& action) {
    const Share share{rank, team.size(), conditions};
    for (int j = 0; j < share.count(); ++j) {
      const auto m = static_cast<std::size_t>(share.piece(j));
      if (records[m].report.ok()) action(m);
    }
  };
  MessageWriter out;
  for_each_good(team.rank(), [&](std::size_t m) { out.put(encode_mixture(*mixtures[m])); });
  const std::vector<std::string> all = team.exchange(out.bytes());
  for (int rank = 0; rank < team.size(); ++rank) {
    if (rank == team.rank()) continue;
    MessageReader in(all[static_cast<std::size_t>(rank)]);
    for_each_good(rank, [&](std::size_t m) {
      mixtures[m] = decode_mixture(in.get_text(), GmmPrior(mixtures[m]->options()), dim);
    });
    in.require_end();
  }
}

}  // namespace pilqr
