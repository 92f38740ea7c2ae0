#include "pilqr/io/baseline_state.hpp"

#include <string>
#include <utility>

#include "optimizer_tensors.hpp"

namespace pilqr {
namespace {

constexpr const char* state_version = "1";

void write(const AdamState& adam, const std::string& name, SafeTensors& out) {
  out.tensors[name + "/m"] = to_tensor(adam.m);
  out.tensors[name + "/v"] = to_tensor(adam.v);
  out.tensors[name + "/step"] = scalar(adam.step);
}

void write(const RunningMoments& moments, const std::string& name, SafeTensors& out) {
  out.tensors[name + "/points"] = scalar(moments.points);
  out.tensors[name + "/mean"] = to_tensor(moments.mean);
  out.tensors[name + "/squares"] = to_tensor(moments.squares);
}

/// A whole number, 0 or more.
long count_in(StateReader& reader, const std::string& name) {
  return static_cast<long>(reader.scalar_at<std::int64_t>(name));
}

void read(StateReader& reader, const std::string& name, Mlp& network) {
  reader.at(name).require_shape(name, {network.parameter_count()});
  network.parameters() = reader.at(name).vector(name);
}

void read(StateReader& reader, const std::string& name, AdamState& adam) {
  adam.m = reader.at(name + "/m").vector(name + "/m");
  adam.v = reader.at(name + "/v").vector(name + "/v");
  adam.step = count_in(reader, name + "/step");
}

void read(StateReader& reader, const std::string& name, RunningMoments& moments) {
  moments.points = reader.scalar_at<double>(name + "/points");
  moments.mean = reader.at(name + "/mean").vector(name + "/mean");
  moments.squares = reader.at(name + "/squares").vector(name + "/squares");
}

/// The transitions, into an empty replay.
void read(StateReader& reader, Replay& replay) {
  const std::string prefix = "replay/";
  const auto rows_of = [&](const char* name, MatrixX& all) {
    const MatrixX some = reader.at(prefix + name).matrix(prefix + name);
    require(some.rows() == all.rows() && some.cols() == replay.size,
            "{}{} is {}x{}, expected {}x{}", prefix, name, rows(some), cols(some), rows(all),
            replay.size);
    require(some.allFinite(), "{}{} has a NaN or infinite entry", prefix, name);
    all.leftCols(replay.size) = some;
  };
  const auto numbers = [&](const char* name, VectorX& all) {
    const VectorX some = reader.at(prefix + name).vector(prefix + name);
    require(some.size() == replay.size, "{}{} has {} entries, expected {}", prefix, name,
            rows(some), replay.size);
    require(some.allFinite(), "{}{} has a NaN or infinite entry", prefix, name);
    all.head(replay.size) = some;
  };
  const VectorX cost = reader.at(prefix + "cost").vector(prefix + "cost");
  require(rows(cost) <= replay.capacity(), "{} transitions, room for {}", rows(cost),
          replay.capacity());
  replay.size = rows(cost);
  replay.next = reader.count_at(prefix + "next", 0, replay.capacity() - 1);
  rows_of("x", replay.x);
  rows_of("u", replay.u);
  rows_of("after", replay.after);
  numbers("cost", replay.cost);
  numbers("step", replay.step);
}

/// Calls read_all with a reader of such a file, then restore; every error is a FileError.
template <class ReadAll, class Restore>
void read_file(SafeTensors contents, const std::filesystem::path& path, const char* format,
               const ReadAll& read_all, const Restore& restore) {
  StateReader reader(std::move(contents), path);
  const std::string& found = reader.metadata().text("format");
  require_file(found == format, path, "metadata \"format\" is {}, expected \"{}\"",
               in_quotes(found), format);
  const std::string& version = reader.metadata().text("format_version");
  require_file(version == state_version, path,
               "metadata \"format_version\" is {}, this program reads \"{}\"", in_quotes(version),
               state_version);
  try {
    read_all(reader);
    reader.require_all_used();
    restore();
  } catch (const InvalidArgument& error) {
    throw FileError(path, error.what());
  }
}

SafeTensors new_file(const char* format) {
  SafeTensors out;
  out.metadata["format"] = std::string(format);
  out.metadata["format_version"] = std::string(state_version);
  return out;
}

}  // namespace

SafeTensors trpo_to_safetensors(const Trpo& trpo) {
  const TrpoState& state = trpo.state();
  SafeTensors out = new_file("pilqr.trpo");
  out.tensors["policy"] = to_tensor(state.policy.mean.parameters());
  out.tensors["log_std"] = to_tensor(state.policy.log_std);
  out.tensors["value"] = to_tensor(state.value.network.parameters());
  write(state.value.adam, "value_adam", out);
  out.tensors["value_mean"] = scalar(state.value.mean);
  out.tensors["value_scale"] = scalar(state.value.scale);
  write(state.states, "states", out);
  out.tensors["samples"] = scalar(state.samples);
  out.tensors["steps"] = scalar(state.steps);
  return out;
}

void trpo_from_safetensors(SafeTensors contents, const std::filesystem::path& path, Trpo& trpo) {
  TrpoState state = trpo.state();
  const auto read_all = [&](StateReader& reader) {
    read(reader, "policy", state.policy.mean);
    state.policy.log_std = reader.at("log_std").vector("log_std");
    read(reader, "value", state.value.network);
    read(reader, "value_adam", state.value.adam);
    state.value.mean = reader.scalar_at<double>("value_mean");
    state.value.scale = reader.scalar_at<double>("value_scale");
    read(reader, "states", state.states);
    state.samples = count_in(reader, "samples");
    state.steps = count_in(reader, "steps");
  };
  read_file(std::move(contents), path, "pilqr.trpo", read_all,
            [&] { trpo.restore(std::move(state)); });
}

SafeTensors ddpg_to_safetensors(const Ddpg& ddpg) {
  const DdpgState& state = ddpg.state();
  const DdpgNetworks& networks = state.networks;
  SafeTensors out = new_file("pilqr.ddpg");
  out.tensors["actor"] = to_tensor(networks.actor.parameters());
  out.tensors["target_actor"] = to_tensor(networks.target_actor.parameters());
  write(networks.actor_adam, "actor_adam", out);
  for (std::size_t k = 0; k < 2; ++k) {
    out.tensors[fmt::format("critic_{}", k)] = to_tensor(networks.critic[k].parameters());
    out.tensors[fmt::format("target_critic_{}", k)] =
        to_tensor(networks.target_critic[k].parameters());
    write(networks.critic_adam[k], fmt::format("critic_adam_{}", k), out);
  }
  const Replay& replay = state.replay;
  out.tensors["replay/x"] = to_tensor(replay.x.leftCols(replay.size));
  out.tensors["replay/u"] = to_tensor(replay.u.leftCols(replay.size));
  out.tensors["replay/after"] = to_tensor(replay.after.leftCols(replay.size));
  out.tensors["replay/cost"] = to_tensor(replay.cost.head(replay.size));
  out.tensors["replay/step"] = to_tensor(replay.step.head(replay.size));
  out.tensors["replay/next"] = scalar(long{replay.next});
  write(state.states, "states", out);
  out.tensors["scaled"] = scalar(state.scaled ? 1L : 0L);
  out.tensors["cost_mean"] = scalar(state.cost_mean);
  out.tensors["cost_scale"] = scalar(state.cost_scale);
  out.tensors["updates_due"] = scalar(state.updates_due);
  out.tensors["updates"] = scalar(state.updates);
  out.tensors["samples"] = scalar(state.samples);
  out.tensors["steps"] = scalar(state.steps);
  return out;
}

void ddpg_from_safetensors(SafeTensors contents, const std::filesystem::path& path, Ddpg& ddpg) {
  DdpgState state = ddpg.state();
  const auto read_all = [&](StateReader& reader) {
    DdpgNetworks& networks = state.networks;
    read(reader, "actor", networks.actor);
    read(reader, "target_actor", networks.target_actor);
    read(reader, "actor_adam", networks.actor_adam);
    for (std::size_t k = 0; k < 2; ++k) {
      read(reader, fmt::format("critic_{}", k), networks.critic[k]);
      read(reader, fmt::format("target_critic_{}", k), networks.target_critic[k]);
      read(reader, fmt::format("critic_adam_{}", k), networks.critic_adam[k]);
    }
    read(reader, state.replay);
    read(reader, "states", state.states);
    state.scaled = reader.count_at("scaled", 0, 1) == 1;
    state.cost_mean = reader.scalar_at<double>("cost_mean");
    state.cost_scale = reader.scalar_at<double>("cost_scale");
    state.updates_due = reader.scalar_at<double>("updates_due");
    state.updates = count_in(reader, "updates");
    state.samples = count_in(reader, "samples");
    state.steps = count_in(reader, "steps");
  };
  read_file(std::move(contents), path, "pilqr.ddpg", read_all,
            [&] { ddpg.restore(std::move(state)); });
}

}  // namespace pilqr
