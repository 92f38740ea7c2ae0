#include "pilqr/io/baseline_state.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "baselines/baseline_problem.hpp"
#include "io/io_support.hpp"
#include "pilqr/io/tensors.hpp"

namespace pilqr {
namespace {

using test::random_rollouts;
using test::small_ddpg;
using test::small_trpo;
using test::update_with;

SafeTensors through_a_file(const SafeTensors& contents) {
  return decode_safetensors(encode_safetensors(contents), "f");
}

// Stopped and gone on is as never stopped, bit by bit; also when the replay is not full, and when
// its ring has turned. A fraction of an update is due in between.
TEST(BaselineState, GoesOnBitByBit) {
  DdpgOptions options = test::small_ddpg_options();
  options.updates_per_step = 0.38;
  for (const int before : {0, 1, 4}) {
    Trpo trpo = small_trpo();
    Ddpg ddpg = small_ddpg(options);
    for (int n = 0; n < before; ++n) {
      const auto iteration = static_cast<std::uint32_t>(n);
      ASSERT_TRUE(update_with(trpo, random_rollouts(iteration), iteration).ok());
      ASSERT_TRUE(update_with(ddpg, random_rollouts(iteration), iteration).ok());
    }
    Trpo trpo_again = small_trpo();
    Ddpg ddpg_again = small_ddpg(options);
    trpo_from_safetensors(through_a_file(trpo_to_safetensors(trpo)), "f", trpo_again);
    ddpg_from_safetensors(through_a_file(ddpg_to_safetensors(ddpg)), "f", ddpg_again);
    EXPECT_EQ(trpo_again.state(), trpo.state());
    EXPECT_EQ(ddpg_again.state(), ddpg.state());
    for (std::uint32_t n = 7; n < 10; ++n) {
      for (Trpo* learner : {&trpo, &trpo_again}) {
        ASSERT_TRUE(update_with(*learner, random_rollouts(n), n).ok());
      }
      for (Ddpg* learner : {&ddpg, &ddpg_again}) {
        ASSERT_TRUE(update_with(*learner, random_rollouts(n), n).ok());
      }
    }
    EXPECT_EQ(trpo_again.state(), trpo.state());
    EXPECT_EQ(ddpg_again.state(), ddpg.state());
    EXPECT_EQ(ddpg_again.policy(), ddpg.policy());
  }
}

// Each tensor in turn: missing, of another shape, not finite. The learner stays as it was.
template <class L, class From>
void refuses_every_damage(const SafeTensors& good, L& learner, const From& from) {
  const auto state = learner.state();
  const auto refused = [&](const SafeTensors& contents) {
    const std::string message = test::file_error([&] { from(contents); });
    EXPECT_EQ(message.rfind("f: ", 0), 0U) << message;
    EXPECT_TRUE(learner.state() == state);
  };
  for (const auto& [name, tensor] : good.tensors) {
    SCOPED_TRACE(name);
    SafeTensors contents = good;
    contents.tensors.erase(name);
    refused(contents);
    contents.tensors[name] = to_tensor(MatrixX::Zero(1, 1));
    refused(contents);
    if (std::holds_alternative<std::vector<double>>(tensor.values)) {
      contents.tensors[name] = tensor;
      std::get<std::vector<double>>(contents.tensors[name].values).back() =
          std::numeric_limits<double>::quiet_NaN();
      refused(contents);
    } else {
      contents.tensors[name] = {{}, std::vector<std::int64_t>{-1}};
      refused(contents);
    }
  }
  SafeTensors contents = good;
  contents.tensors["more"] = to_tensor(MatrixX::Zero(1, 1));
  refused(contents);
  contents = good;
  contents.metadata["format"] = "pilqr.other";
  refused(contents);
  contents = good;
  contents.metadata["format_version"] = "2";
  refused(contents);
}

TEST(BaselineState, RefusesDamage) {
  Trpo trpo = small_trpo();
  ASSERT_TRUE(update_with(trpo, random_rollouts(1)).ok());
  refuses_every_damage(trpo_to_safetensors(trpo), trpo,
                       [&](const SafeTensors& c) { trpo_from_safetensors(c, "f", trpo); });
  Ddpg ddpg = small_ddpg();
  ASSERT_TRUE(update_with(ddpg, random_rollouts(1)).ok());
  refuses_every_damage(ddpg_to_safetensors(ddpg), ddpg,
                       [&](const SafeTensors& c) { ddpg_from_safetensors(c, "f", ddpg); });
}

// Finite numbers that would break the policy or the next update: refused when they are read.
TEST(BaselineState, RefusesWhatWouldBreakLater) {
  struct Case {
    const char* name;
    double value;
  };
  Trpo trpo = small_trpo();
  Ddpg ddpg = small_ddpg();
  ASSERT_TRUE(update_with(trpo, random_rollouts(1)).ok());
  ASSERT_TRUE(update_with(ddpg, random_rollouts(1)).ok());
  const auto refused = [](SafeTensors contents, const Case& c, const auto& from) {
    auto& values = std::get<std::vector<double>>(contents.tensors.at(c.name).values);
    values.front() = c.value;
    const std::string message = test::file_error([&] { from(contents); });
    EXPECT_EQ(message.rfind("f: ", 0), 0U) << c.name << " " << c.value << ": " << message;
  };
  const TrpoState trpo_before = trpo.state();
  for (const Case& c :
       {Case{"log_std", 800.0}, Case{"log_std", -800.0}, Case{"value_adam/v", -1e-30},
        Case{"states/points", 1e-320}, Case{"states/points", 0.0}, Case{"states/points", 2.5},
        Case{"states/squares", -1.0}, Case{"value_scale", 0.0}}) {
    refused(trpo_to_safetensors(trpo), c,
            [&](const SafeTensors& s) { trpo_from_safetensors(s, "f", trpo); });
  }
  EXPECT_EQ(trpo.state(), trpo_before);
  const DdpgState ddpg_before = ddpg.state();
  for (const Case& c :
       {Case{"actor_adam/v", -1e-30}, Case{"critic_adam_0/v", -1e-30},
        Case{"critic_adam_1/v", -1e-30}, Case{"states/points", 1e-320}, Case{"cost_scale", 0.0}}) {
    refused(ddpg_to_safetensors(ddpg), c,
            [&](const SafeTensors& s) { ddpg_from_safetensors(s, "f", ddpg); });
  }
  EXPECT_EQ(ddpg.state(), ddpg_before);
  DdpgOptions large = test::small_ddpg_options();  // a parameter times the scale of the controls
  large.action_scale = VectorX::Constant(2, 10.0);
  Ddpg other = small_ddpg(large);
  SafeTensors contents = ddpg_to_safetensors(other);
  std::get<std::vector<double>>(contents.tensors.at("actor").values).back() = 1e308;
  EXPECT_TRUE(test::contains(test::file_error([&] { ddpg_from_safetensors(contents, "f", other); }),
                             "not finite in the unit of the controls"));
}

}  // namespace
}  // namespace pilqr
