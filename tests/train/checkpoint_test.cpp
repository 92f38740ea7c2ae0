#include "pilqr/train/checkpoint.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <optional>

#include "io/io_support.hpp"
#include "pilqr/model/sample.hpp"

namespace pilqr {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// A run of several conditions of the reacher, without files.
struct Training {
  explicit Training(const Settings& settings_) : settings(settings_) {
    for (const int condition : settings.conditions) {
      optimizers.emplace_back(settings, task().initial_policy(condition));
    }
  }
  static const Task& task() { return find_task("reacher"); }

  void train(int iterations) {
    AnySystem system = task().system();
    std::vector<AnyCost> costs;
    for (const int condition : settings.conditions) costs.push_back(task().cost(condition));
    SerialExecutor serial;
    const TrainResult result =
        pilqr::train(system, costs, optimizers,
                     {.iterations = iterations,
                      .samples = settings.samples,
                      .seed = settings.seed,
                      .noise = settings.noise,
                      .first_iteration = progress.iterations,
                      .conditions = settings.conditions},
                     TrainCallbacks<>{}, serial, SingleRank{}, progress.histories);
    ASSERT_TRUE(result.ok()) << result.failure.message();
    progress.iterations += iterations;
    progress.samples_total += 10L * iterations;
    progress.steps_total += 1000L * iterations;
  }
  [[nodiscard]] SafeTensors save() const {
    return checkpoint_to_safetensors(settings, progress, optimizers);
  }
  void load(const SafeTensors& contents) {
    Learner learner = optimizers;
    progress = checkpoint_from_safetensors(contents, "f", settings, learner);
    optimizers = locals_of(learner);
  }

  Settings settings;
  std::vector<AnyOptimizer> optimizers;
  Progress progress;
};

Settings settings_of(Algorithm algorithm, bool gmm) {
  Settings s = default_settings(Training::task(), algorithm);
  s.samples = 5;
  s.seed = 7;
  s.conditions = {2, 0};
  s.noise.width = 2.0;
  if (gmm) s.model.gmm = GmmPriorOptions{.max_clusters = 4, .max_points = 1200};
  return s;
}

class CheckpointOf : public ::testing::TestWithParam<std::pair<Algorithm, bool>> {
 protected:
  static Settings settings() { return settings_of(GetParam().first, GetParam().second); }
};

// After any number of iterations, none included, and through the bytes of a file.
TEST_P(CheckpointOf, GoesOnBitIdentically) {
  constexpr int last = 4;
  Training whole(settings());
  whole.train(last);
  const SafeTensors expected = whole.save();
  for (int cut = 0; cut <= last; ++cut) {
    Training before(settings());
    before.train(cut);
    Training after(settings());
    after.load(decode_safetensors(encode_safetensors(before.save()), "f"));
    EXPECT_EQ(after.progress, before.progress);
    EXPECT_EQ(after.save(), before.save()) << "cut at " << cut;
    after.train(last - cut);
    EXPECT_EQ(after.save(), expected) << "cut at " << cut;
  }
}

TEST_P(CheckpointOf, EveryTensorAndKeyIsNeededAndNoOther) {
  Training run(settings());
  run.train(2);
  const SafeTensors good = run.save();
  Training other(settings());
  const SafeTensors fresh = other.save();
  for (const auto& [name, tensor] : good.tensors) {
    SafeTensors bad = good;
    bad.tensors.erase(name);
    EXPECT_EQ(test::file_error([&] { other.load(bad); }), "f: tensor \"" + name + "\" is missing");
  }
  for (const auto& [key, text] : good.metadata) {
    SafeTensors bad = good;
    bad.metadata.erase(key);
    EXPECT_EQ(test::file_error([&] { other.load(bad); }), "f: metadata \"" + key + "\" is missing");
  }
  for (const char* name : {"condition_1/K", "condition_0/gmm/batch_99", "extra"}) {
    SafeTensors bad = good;
    bad.tensors[name] = {{}, std::vector<double>{0.0}};
    EXPECT_EQ(test::file_error([&] { other.load(bad); }),
              std::string("f: tensor \"") + name + "\" is not part of the format");
  }
  EXPECT_EQ(other.save(), fresh) << "a refused checkpoint changed the optimizers";
}

INSTANTIATE_TEST_SUITE_P(
    All, CheckpointOf,
    ::testing::Values(std::pair{Algorithm::pilqr, false}, std::pair{Algorithm::pilqr, true},
                      std::pair{Algorithm::lqr_flm, false}, std::pair{Algorithm::lqr_flm, true},
                      std::pair{Algorithm::pi2, false}),
    [](const auto& of) {
      return std::string(name(of.param.first)) + (of.param.second ? "_gmm" : "");
    });

// The total constraint starts its search from the last dual, which a checkpoint has to hold.
TEST(Checkpoint, HoldsTheDualOfTheTotalConstraint) {
  Settings settings = settings_of(Algorithm::lqr_flm, false);
  settings.lqr_flm.constraint = KlConstraint::total;
  Training whole(settings);
  whole.train(3);
  Training before(settings);
  before.train(2);
  Training after(settings);
  after.load(before.save());
  after.train(1);
  EXPECT_EQ(after.save(), whole.save());
  EXPECT_NE(whole.optimizers[0].state()->lqr_dual, 1.0);
}

TEST(Checkpoint, MetadataThatIsWrong) {
  struct Case {
    const char* key;
    const char* value;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"format", "pilqr.tvlg_policy", "expected \"pilqr.checkpoint\""},
      {"format_version", "3", "expected \"6\""},
      {"task", "point_mass", "expected \"reacher\""},
      {"algorithm", "pi2", "expected \"pilqr\""},
      {"seed", "8", "expected \"7\""},
      {"conditions", "0,2", "expected \"2,0\""},
      {"iterations", "two", "\"iterations\" is \"two\""},
      {"iterations", "-1", "\"iterations\" is -1, expected 0 to 1000000"},
      {"iterations", "1000001", "\"iterations\" is 1000001"},
      {"samples_total", "-1", "\"samples_total\" is -1"},
      {"samples_total", "9223372036854775807", "\"samples_total\" is 9223372036854775807"},
      {"steps_total", "-1", "\"steps_total\" is -1"},
      {"steps_total", "9223372036854775807", "\"steps_total\" is 9223372036854775807"},
      {"steps_total", "1e3", "\"steps_total\" is \"1e3\""},
  };
  Training run(settings_of(Algorithm::pilqr, false));
  const SafeTensors good = run.save();
  for (const Case& c : cases) {
    SafeTensors bad = good;
    bad.metadata[c.key] = c.value;
    const std::string message = test::file_error([&] { run.load(bad); });
    EXPECT_TRUE(test::begins(message, "f: ")) << c.key;
    EXPECT_TRUE(test::contains(message, c.message)) << c.key;
  }
}

TEST(Checkpoint, ValuesThatAreWrong) {
  struct Case {
    std::string name;
    std::function<void(Tensor&)> change;
    std::string message;
  };
  const auto entry = [](std::size_t i, double value) {
    return [=](Tensor& t) { std::get<std::vector<double>>(t.values)[i] = value; };
  };
  const auto whole = [](std::int64_t value) {
    return [=](Tensor& t) { std::get<std::vector<std::int64_t>>(t.values)[0] = value; };
  };
  const std::vector<Case> cases = {
      {"condition_0/K", entry(3, nan), "condition_0: K at step 0 has a NaN"},
      {"condition_2/L", entry(0, -1.0), "condition_2: L at step 0 has -1 on its diagonal"},
      {"condition_2/k",
       [](Tensor& t) {
         t.shape = {50, 4};
       },
       "k has 50 steps"},
      {"condition_0/kl_multiplier", entry(9, nan), "KL multiplier at step 9 is nan"},
      {"condition_0/kl_multiplier", entry(9, 0.0), "KL multiplier at step 9 is 0"},
      {"condition_0/kl_multiplier",
       [](Tensor& t) {
         t = {{1}, std::vector<double>{1.0}};
       },
       "KL multiplier of 1 steps, expected 100"},
      {"condition_0/adapt", whole(2), "is 2, expected 0 to 1"},
      {"condition_0/adapt", [](Tensor& t) { t.values = std::vector<double>{1.0}; }, "holds F64"},
      {"condition_0/lqr_dual", entry(0, 0.0), "lqr_dual is 0"},
      {"condition_0/lqr_dual", entry(0, nan), "lqr_dual is nan"},
      {"condition_0/lqr_dual", [](Tensor& t) { t.shape = {1}; }, "has shape [1], expected []"},
      {"condition_0/history/failed_updates", whole(-1), "is -1"},
      {"condition_0/history/best/cost", entry(0, nan), "best/cost is nan"},
      {"condition_0/history/best/iteration", whole(-2), "is -2"},
      {"condition_2/history/best/L", entry(0, -1.0), "L at step 0 has -1 on its diagonal"},
      {"condition_2/gmm/batches", whole(-1), "is -1"},
      {"condition_2/gmm/batches", whole(0), "is not part of the format"},
      {"condition_2/gmm/batch_0", entry(5, nan), "batch_0 has a NaN"},
      {"condition_2/gmm/batch_0_counts", entry(0, nan), "a count, a mean or a covariance is NaN"},
      {"condition_2/gmm/batch_0_means", entry(0, nan), "a count, a mean or a covariance is NaN"},
      {"condition_2/gmm/batch_0_covariances", entry(0, -1.0), "a variance of entry 0 is -1"},
      {"condition_2/gmm/points", whole(3), "fitted to 3"},
      {"condition_2/gmm/log_weights", entry(0, 1.0), "weights sum to"},
      {"condition_2/gmm/covariances", entry(0, -1.0), "is not positive definite"},
      {"condition_2/gmm/means", entry(0, nan), "a weight or a mean is NaN"},
  };
  Training run(settings_of(Algorithm::pilqr, true));
  run.train(1);
  const SafeTensors good = run.save();
  for (const Case& c : cases) {
    SafeTensors bad = good;
    c.change(bad.tensors.at(c.name));
    const std::string message = test::file_error([&] { run.load(bad); });
    EXPECT_TRUE(test::begins(message, "f: ")) << c.name;
    EXPECT_TRUE(test::contains(message, c.message)) << c.name;
    EXPECT_EQ(run.save(), good) << c.name;
  }
}

// Of another algorithm or prior than the settings ask for.
TEST(Checkpoint, OfAnotherKindOfRun) {
  Training plain(settings_of(Algorithm::pilqr, false));
  Training mixture(settings_of(Algorithm::pilqr, true));
  plain.train(1);
  mixture.train(1);
  EXPECT_TRUE(test::contains(test::file_error([&] { Training(plain).load(mixture.save()); }),
                             "is not part of the format"));
  EXPECT_EQ(test::file_error([&] { Training(mixture).load(plain.save()); }),
            "f: tensor \"condition_2/gmm/batches\" is missing");
  Learner one = std::vector{plain.optimizers[0]};
  EXPECT_THROW((void)checkpoint_to_safetensors(plain.settings, {}, one), InvalidArgument);
  EXPECT_THROW((void)checkpoint_from_safetensors(plain.save(), "f", plain.settings, one),
               InvalidArgument);
}

TEST(Checkpoint, Files) {
  const test::TemporaryDirectory directory;
  const auto path = directory / "state.safetensors";
  const auto previous = previous_checkpoint(path);
  Training run(settings_of(Algorithm::pilqr, false));
  const auto save = [&] { save_checkpoint(path, run.settings, run.progress, run.optimizers); };
  run.train(1);
  save();
  EXPECT_EQ(directory.entries().size(), 1U);
  const Progress first = run.progress;
  const SafeTensors first_state = run.save();
  run.train(1);
  save();
  EXPECT_EQ(directory.entries().size(), 2U);

  Training other(run.settings);
  const auto load = [&] {
    Learner learner = other.optimizers;
    LoadedCheckpoint found = load_checkpoint(path, other.settings, learner);
    other.optimizers = locals_of(learner);
    return found;
  };
  LoadedCheckpoint loaded = load();
  EXPECT_EQ(loaded.progress, run.progress);
  EXPECT_EQ(loaded.damage, "");
  EXPECT_EQ(checkpoint_to_safetensors(other.settings, run.progress, other.optimizers), run.save());

  const std::string bytes = test::read_plainly(path);
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{7}, bytes.size() / 2, bytes.size() - 1}) {
    test::write_plainly(path, bytes.substr(0, length));
    loaded = load();
    EXPECT_EQ(loaded.progress, first);
    EXPECT_TRUE(test::begins(loaded.damage, path.string() + ": ")) << loaded.damage;
    EXPECT_EQ(checkpoint_to_safetensors(other.settings, first, other.optimizers), first_state);
  }
  test::write_plainly(previous, "x");
  EXPECT_TRUE(test::begins(test::file_error(load), path.string() + ": "));
  EXPECT_TRUE(test::contains(test::file_error(load), previous.string() + ": "));
}

}  // namespace
}  // namespace pilqr
